"""Places that raise and that no entry can meet, each with the reason.
A key is a file and a part of the statement; a place that an entry meets must not stand here.

`NO_ADVICE` has pieces of text that read like advice, and are none of an error message.
"""

WRONG_ENGINE = "stops a benchmark whose engine computes something else: no call repairs that"
OUR_TABLES = "guards a table of the package itself when it is imported"
NO_USER = "guards what the package hands itself; every way that a user has is refused before"
DAMAGE = "becomes the reason in 'cannot be read' or 'does not describe', whose advice is followed"
BROKEN = "tells what is broken in a file of another program: a whole one is read"
NOT_OURS = "names what a network of ours cannot be, without advice"
RANKS = "needs mpiexec: tests/training/test_ranks.py starts it"
CONTROL = "ends a call within the package and is caught there"

INCOMING = "minilstm/exchange/incoming"
EXEMPT = {
    ("minilstm/__init__.py", "raise AttributeError(message"): "is Python's own sentence",
    ("minilstm/data/__init__.py", "raise AttributeError(f"): "is Python's own sentence",
    ("minilstm/data/files/mat/elements.py", "raise Broken("): DAMAGE,
    ("minilstm/data/files/mat/objects.py", "raise Broken("): DAMAGE,
    ("minilstm/data/files/mat/objects.py", 'arrays["refused"]'): "is said by another process",
    ("minilstm/data/files/mat/objects.py", "warnings.warn(told"): "is said by another process",
    ("minilstm/data/files/mat/values.py", "its numbers are no"): DAMAGE,
    ("minilstm/data/files/mat/version4.py", "raise Broken("): DAMAGE,
    ("minilstm/data/files/read_npz.py", "more bytes than numbers"): DAMAGE,
    ("minilstm/data/files/read_npz.py", "members of {said}"): DAMAGE,
    ("minilstm/network/model_contents.py", "raise ValueError("): DAMAGE,
    ("minilstm/network/self_check.py", "in the self-test, far more"): DAMAGE,
    ("minilstm/command_line/streaming.py", "line {number}: {told}"): "puts a line before an error",
    ("minilstm/command_line/words/usage.py", "{message.rstrip('.')}"): "is argparse's own sentence",
    (
        "minilstm/pytest_plugin.py",
        "is not a whole number of",
    ): "is of pytest's command line",
    ("minilstm/network/model_file.py", "ends within its header"): DAMAGE,
    ("minilstm/training/checkpoints/contents.py", "raise ValueError("): DAMAGE,
    ("minilstm/training/interruption.py", "raise SystemExit("): "ends the program, as SIGTERM asks",
    ("minilstm/pytest_plugin.py", "CollectError("): "hands an error on",
    ("minilstm/pytest_plugin.py", "{checked.taken_for}: {checked.fault}"): "hands an error on",
    ("minilstm/pytest_plugin.py", "raise checked.report.failure("): "hands an error on",
    ("minilstm/proof/checker/files.py", "returns no loss with gradients"): "is a helper's name",
    ("minilstm/proof/adapters/examples.py", "raise ValueError(text)"): CONTROL,
    (f"{INCOMING}/from_keras.py", "no number; save it anew"): BROKEN,
    (f"{INCOMING}/from_keras.py", "with {option}={shown(given, 40)}, {what}"): BROKEN,
    (f"{INCOMING}/from_keras.py", "called with {said}, which is not read"): BROKEN,
    (f"{INCOMING}/from_keras.py", "in TimeDistributed; build"): BROKEN,
    (f"{INCOMING}/from_keras.py", "twice; save it anew"): BROKEN,
    (f"{INCOMING}/onnx_evaluator.py", "export it with opset 7"): BROKEN,
    (f"{INCOMING}/onnx_evaluator.py", '"training_mode")'): BROKEN,
    (f"{INCOMING}/onnx_evaluator.py", "{node.title} with {what}"): BROKEN,
    (f"{INCOMING}/onnx_evaluator.py", "anew; export it again"): BROKEN,
    (f"{INCOMING}/onnx_flow.py", "raise Refused("): BROKEN,
    ("minilstm/exchange/export.py", "{exact.FAULT}"): "is a fault of minilstm",
    ("minilstm/exchange/proving/facts.py", "{FAULT}"): "is a fault of minilstm",
    ("minilstm/exchange/proving/graph.py", "{FAULT}"): "is a fault of minilstm",
    ("minilstm/exchange/proving/facts.py", "Refused(repr(error))"): "hands an error on",
    ("minilstm/exchange/proving/graph.py", "Refused(f"): "hands an error on",
    ("minilstm/exchange/incoming/from_onnx.py", "describes in its metadata"): DAMAGE,
    ("minilstm/training/loop.py", "Ctrl-C cut off"): "has no advice: the training is whole",
    ("minilstm/bench/gpu.py", "scores differ from run to run"): WRONG_ENGINE,
    ("minilstm/bench/gpu_checks.py", "differs from run to run"): WRONG_ENGINE,
    ("minilstm/bench/gpu_checks.py", "is further from the NumPy twin"): WRONG_ENGINE,
    ("minilstm/bench/process.py", "the first loss is"): WRONG_ENGINE,
    ("minilstm/bench/process.py", "not equal."): WRONG_ENGINE,
    ("minilstm/bench/process.py", "as those of the NumPy twin."): WRONG_ENGINE,
    ("minilstm/bench/turns.py", "scores differ from the NumPy twin"): WRONG_ENGINE,
    ("minilstm/bench/turns.py", "{key} differs from the NumPy twin"): WRONG_ENGINE,
    ("minilstm/bench/works.py", "the update of {key} differs"): WRONG_ENGINE,
    ("minilstm/proof/engine/single.py", "though all that went in is float32"): WRONG_ENGINE,
    ("minilstm/proof/engine/checks.py", "which have no check; add one in networks.py"): OUR_TABLES,
    ("minilstm/proof/causes/equations/arrays.py", "raise "): CONTROL,
    ("minilstm/proof/causes/equations/functions.py", "raise CannotRecord("): CONTROL,
    ("minilstm/proof/causes/equations/tape.py", "raise CannotRecord("): CONTROL,
    ("minilstm/lessons/findings.py", "raise _Fault("): CONTROL,
    ("minilstm/lessons/trial.py", "raise Unlike("): CONTROL,
    ("minilstm/plots/live.py", "The window was closed."): CONTROL,
    ("minilstm/layers/combine.py", "got inputs of different steps"): NO_USER,
    ("minilstm/layers/sequence_input.py", "is a function, not an equation"): NO_USER,
    ("minilstm/network/graph/parameters.py", "was given {p.name} of shape"): NO_USER,
    ("minilstm/network/graph/parameters.py", "the initializer of {key} returned"): NO_USER,
    (f"{INCOMING}/formats/hdf5.py", "raise Refused("): BROKEN,
    (f"{INCOMING}/onnx_evaluator.py", "nothing gives"): BROKEN,
    (f"{INCOMING}/formats/json_files.py", "only LSTM is read"): NOT_OURS,
    (f"{INCOMING}/from_keras.py", "imported."): NOT_OURS,
    (f"{INCOMING}/from_keras.py", "not a Sequential or functional model"): NOT_OURS,
    (f"{INCOMING}/from_keras.py", "does not go backwards"): NOT_OURS,
    (f"{INCOMING}/from_keras.py", "whose directions differ"): NOT_OURS,
    (f"{INCOMING}/from_onnx.py", "imported."): NOT_OURS,
    (f"{INCOMING}/from_rtneural.py", "only tanh is imported"): NOT_OURS,
    (f"{INCOMING}/modules.py", "only LSTMs are imported"): NOT_OURS,
    (f"{INCOMING}/modules.py", "do not make an LSTM"): NOT_OURS,
    (f"{INCOMING}/modules.py", "different sizes"): NOT_OURS,
    ("minilstm/command_line/training.py", "mpiexec started {size} ranks"): RANKS,
    ("minilstm/training/ranks/sameness.py", "give"): RANKS,
    ("minilstm/training/ranks/world.py", "raise SystemExit("): RANKS,
    ("minilstm/training/ranks/world.py", "each sees itself alone"): RANKS,
    ("minilstm/training/ranks/world.py", "and each needs a shard"): RANKS,
    ("minilstm/training/ranks/world.py", "needs mpi4py and MPI"): "tells how to install it",
    ("minilstm/training/ranks/rounds.py", "raise _Cut"): CONTROL,
    ("minilstm/training/ranks/rounds.py", "raise errors[0]"): "hands an error on",
    ("minilstm/training/checkpoints/folder.py", "makes no sense"): DAMAGE,
    ("minilstm/training/resume.py", "raise found.nonsense("): DAMAGE,
    ("minilstm/data/files/mapped.py", "another number of bytes"): DAMAGE,
    ("minilstm/proof/adapters/finding.py", "took longer than"): "has no advice: it took a minute",
    (
        "minilstm/proof/checker/files.py",
        "have the shapes of their",
    ): "advises what is advised where no inputs are found",
    ("minilstm/proof/checker/files.py", "may have no gradient here"): CONTROL,
    (
        "minilstm/proof/checker/files.py",
        "right for some guessed shapes",
    ): "advises what is advised where no inputs are found",
    ("kernels/numba/machinery/compiling.py", "raise _CompiledElsewhere"): CONTROL,
    ("kernels/numba/machinery/threads.py", "raise error"): CONTROL,
    ("kernels/numba/machinery/compiling.py", "there is a part {key} already"): NO_USER,
    ("kernels/cuda/compiling.py", "a kernel wants numbers of a stated width"): NO_USER,
    ("kernels/cuda/compiling.py", "a kernel wants contiguous arrays"): NO_USER,
    ("kernels/cuda/exchange.py", "an exchange between blocks lost numbers"): WRONG_ENGINE,
}

VALUES = "minilstm/network/graph/parameters.py"
PLUGIN = "minilstm/pytest_plugin.py"
COMPLAINTS = "minilstm/command_line/complaints.py"
CALLS = "minilstm/proof/conformance/calls.py"
HINTS = "minilstm/training/hints.py"
NO_ADVICE = {
    (f"{INCOMING}/from_keras.py", "call it without"): BROKEN,
    (HINTS, "train with normalization='zscore'"): "a hint",
    ("minilstm/plots/gates.py", "lower right"): "a place in a picture",
    ("minilstm/proof/checker/comparison.py", "leave the rounding out for the check"): "in a report",
    ("minilstm/proof/checker/silence.py", "give arrays of another size"): "in a report",
    ("minilstm/proof/checker/silence.py", "let it keep nothing from one call to the next"):
        "in a report",
    ("minilstm/training/ranks/sameness.py", "give every rank the same data, options and versions"):
        RANKS,
    ("minilstm/training/ranks/world.py", "give shards="): RANKS,
    ("minilstm/training/ranks/world.py", "start it as"): RANKS,
    (COMPLAINTS, "check what wrote the file"): "of Python's own errors",
    (COMPLAINTS, r"give th\w+ of that training), or leave \w+ out\.$"): "finds a sentence",
    (COMPLAINTS, "give a smaller one"): "of Python's own errors",
    (COMPLAINTS, "let it be a file with enough space, a pipe or a terminal"): "of other processes",
    (COMPLAINTS, "train with it, or count it nowhere with missing_labels="): "sets a word in place",
    ("minilstm/data/recordings/facts.py", "train with normalization='zscore'"): "a hint",
    ("minilstm/data/recordings/read.py", "say time_unit='ms' where they are not"): "is told",
    (HINTS, "set mini_batch_size="): "a hint",
    (HINTS, "set output_network='best-validation' to keep that network"): "a hint",
    (HINTS, "train for more epochs, or try another initial_learn_rate or normalization='zscore'"):
        "a hint",
    (CALLS, "set them to zero at the start of backward"): "a cause, in a report",
    (CALLS, "use the sign of its argument, or tanh, for the sigmoid"): "a cause, in a report",
    ("minilstm/proof/engine/checks.py", "add one in networks.py"): OUR_TABLES,
    (PLUGIN, "seed of assert_gradients where neither the call nor a marker gives one"): "help",
    (VALUES, "let it return an array of the shape that it is given"): NO_USER,
    (PLUGIN, "write all gradient reports as"): "help",
}  # fmt: skip
