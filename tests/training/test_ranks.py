"""Training over ranks that mpiexec really starts: the same bits, whatever their number.
What one rank does wrong ends all of them, within seconds, with one sentence."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import over_ranks
import pytest
from agreement import assert_close
from interrupted import X, Y

import minilstm as ml
from minilstm.training.ranks import rounds
from minilstm.training.ranks.shards import Shards, summed
from minilstm.training.ranks.world import ALONE, World

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join(
    [os.path.dirname(sys.executable), os.environ["PATH"]]))  # fmt: skip
under_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="mpi4py or mpiexec is not installed: pip install 'minilstm[mpi]'",
)
ENVIRONMENT = {
    **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, [HERE, HERE.parent])),
}  # fmt: skip


def start(ranks, *words, script=HERE / "over_ranks.py", **kept):
    command = [MPIEXEC, "-n", str(ranks), sys.executable, "-m", "mpi4py", str(script), *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT, **kept,
    )  # fmt: skip


def over(ranks, *words):
    """What the ranks end with."""
    process = start(ranks, *words)
    said, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return json.loads(said.splitlines()[-1])


def test_parts_are_summed_pair_by_pair():
    tiny = 2.0**-53  # half of what 1.0 can tell apart
    assert summed([1.0, tiny, tiny, tiny]) == 1.0 + 2 * tiny
    assert summed([tiny, tiny, 1.0]) == 1.0 + 2 * tiny
    assert summed([3]) == 3


@pytest.mark.parametrize(
    "layers", [over_ranks.LAYERS, over_ranks.LAYERS[:2] + over_ranks.LAYERS[4:]]
)
def test_shards_train_what_the_whole_mini_batch_does(layers):
    """Dropout apart, whose places are those of a shard, only the order of sums is another."""
    plain = [layer for layer in layers if not isinstance(layer, ml.Dropout)]
    how = {**over_ranks.HOW, "dtype": "float64", "metrics": ["accuracy", "fscore"]}
    with ml.use_backend("numpy"):
        (net, info), *others = (
            ml.train(X, Y, plain, options=ml.TrainingOptions(**{**how, "shards": shards}))
            for shards in (None, 1, 4, 6)
        )
    for other, told in others:
        for key in net.parameters:
            assert_close(other.parameters[key], net.parameters[key], 1e-9)
        for key in net.statistics:
            assert_close(other.statistics[key], net.statistics[key], 1e-9)
        for column in set(info.history) - {"time"}:
            assert_close(*(np.nan_to_num(i.history[column]) for i in (told, info)), 1e-9)


def test_every_sequence_is_in_one_shard_and_the_long_ones_in_different_ones():
    x = [np.zeros((n, 1)) for n in (3, 9, 7, 2, 8, 5, 4)]
    layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, classes=["a", "b"], rng=np.random.default_rng(0))
    data = type("Data", (), {"sequences": [x], "targets": [np.array([[0]] * 7)]})
    shards = Shards(3, ALONE, net, (), data)
    cut = [part.tolist() for part in shards.cut(np.arange(7))]
    assert cut == [[1, 0, 3], [4, 6], [2, 5]]


def test_a_shard_that_fails_ends_those_that_wait_for_it():
    def work(s, across):
        assert across(s) == [0, 1, 2]
        if s == 1:
            raise OverflowError("shard 1")
        across(s)

    with pytest.raises(OverflowError, match=r"^shard 1$"):
        rounds.in_rounds(ALONE, {s: lambda across, s=s: work(s, across) for s in range(3)})


class Pretended(World):
    """A world of two ranks, of which this is the second, and the first says something else."""

    def __init__(self):
        self.comm, self.rank, self.size, self.threads = self, 1, 2, 1

    def gather(self, mine):
        return [[*range(0, 5, 2)], mine]


def test_work_is_shared_out_and_comes_back_in_order():
    assert Pretended().shared(lambda k: k, 5) == [0, 1, 2, 3, 4]
    assert ALONE.shared(lambda k: k * k, 3) == [0, 1, 4]


@pytest.fixture(scope="module")
def alone():
    """What a process without MPI ends with."""
    script = [sys.executable, str(HERE / "over_ranks.py"), "bits"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=True,
                          env=ENVIRONMENT)  # fmt: skip
    return json.loads(done.stdout)["result"]


@under_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6])
def test_any_number_of_ranks_gives_the_same_bits(ranks, alone):
    found = over(ranks, "bits")
    assert found["same"] and found["result"] == alone and len({*alone}) == len(alone)


REFUSED = [
    ("other_data", "x is '12 sequences"),
    ("other_options", "momentum is 0.8 on rank 1, but 0.9 on rank 0; give every rank the same "
     "data, options and versions."),
    ("bad_input", "DataError"),
    ("one_fails", "no such recording"),
    ("one_fails_within", "minilstm: rank 1 of 2 failed, which ends them all: TypeError: a metric "
     "of rank 1"),
]  # fmt: skip


@under_mpi
@pytest.mark.parametrize(("case", "sentence"), REFUSED, ids=[case for case, _ in REFUSED])
def test_an_error_ends_all_ranks_within_seconds(case, sentence):
    started = time.monotonic()
    process = start(2, case)
    said, told = process.communicate(timeout=60)
    assert process.returncode != 0 and sentence in told, told
    assert "result" not in said and time.monotonic() - started < 30  # on a machine that is busy


@under_mpi
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("one_stops", "Stopped by output_fcn after 2 of 6 iterations."),
        ("signal_to_one", "Stopped by Ctrl-C after 4 of 6 iterations."),
    ],
)
def test_what_stops_one_rank_stops_all_after_the_same_step(case, reason):
    found = over(3, case)
    assert found["same"] and found["result"] == reason


@under_mpi
def test_killed_again_and_again_it_ends_with_the_same_bits_under_any_number_of_ranks(tmp_path):
    folders = [tmp_path / "undisturbed", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    wanted = over(1, "saved", str(folders[0]))
    rng, kills = np.random.default_rng(1), 0
    for ranks in (2, 2, 3, 2):
        process = start(ranks, "saved", str(folders[1]), start_new_session=True)
        until = time.monotonic() + 60
        while not any(folders[1].glob("checkpoint-*")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.3) + 1.5 * (kills > 0))
        kills += process.poll() is None
        with suppress(ProcessLookupError):  # it was done
            os.killpg(process.pid, 9)
        process.communicate()
    assert kills and over(2, "saved", str(folders[1])) == {**wanted, "threads": [1, 1]}


@pytest.mark.parametrize(
    ("launcher", "options", "sentence"),
    [
        ("PMI", {"shards": 4}, "mpiexec started 2 ranks, but each sees itself alone, because it "
         "belongs to another MPI than mpi4py uses; start it as "),
        ("OMPI_COMM_WORLD", {"shards": 4}, "mpiexec started 2 ranks, but each sees itself alone"),
    ],
)  # fmt: skip
@under_mpi
def test_a_launcher_of_another_mpi_is_recognised(launcher, options, sentence):
    script = (
        "import minilstm as ml\n"
        f"ml.train([[[0.0]]], [['a']], [], options=ml.TrainingOptions(**{options!r}))"
    )
    # With a PMI of its own, MPICH would look for its launcher.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PMI")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60,
        env={**environment, f"{launcher}_SIZE": "2", f"{launcher}_RANK": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and sentence in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sequence_length": "longest"}, "shards is 2, but sequence_length is 'longest', which "
         "pads a whole mini-batch; leave one of them out."),
        ({"loss": (lambda y, t: 0.0, lambda y, t: y)}, "shards is 2, but the loss "),
    ],
)  # fmt: skip
def test_what_needs_a_whole_mini_batch_is_refused(options, sentence):
    loss = options.pop("loss", None)
    with pytest.raises(ValueError, match="^" + sentence.replace(".", r"\.")):
        ml.train(X, Y, list(over_ranks.LAYERS), loss,
                 ml.TrainingOptions(shards=2, verbose=False, **options))  # fmt: skip


@under_mpi
def test_the_command_line_prints_once_and_writes_the_same_model(tmp_path):
    rows = "".join(f"r{r},{np.sin(r + k):.3f},{'ab'[k % 2]}\n" for r in range(6) for k in range(9))
    (tmp_path / "all.csv").write_text("recording,a,label\n" + rows)
    words = [sys.executable, "-m", "minilstm", "train", "all.csv", "--id-column", "recording",
             "--hidden", "4", "--epochs", "2", "--mini-batch-size", "4"]  # fmt: skip
    models = []
    for ranks, more in ((1, ["--shards", "3"]), (3, ["--shards", "3"]), (2, [])):
        done = subprocess.run(
            [MPIEXEC, "-n", str(ranks), *words, "--out", f"of-{ranks}", *more], cwd=tmp_path,
            env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if more:
            assert done.returncode == 0 and done.stdout.count("LearnRate") == 1, done.stderr
            models.append((tmp_path / f"of-{ranks}" / "model.safetensors").read_bytes())
    assert models[0] == models[1] and "ranks: " not in done.stdout
    assert done.returncode == 2 and done.stderr == (
        "minilstm: mpiexec started 2 ranks, but --shards is not given, so each would train the "
        "same; give --shards 2, or leave mpiexec out.\n"
    )
