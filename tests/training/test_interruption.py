"""Ctrl-C at any moment from the first iteration to the return gives the network so far.
The signals are real ones, sent to this process by itself."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref

import builders
import campaigns
import pytest
from agreement import bits
from builders import train_classifier as train

import minilstm as ml
from minilstm.training import final_statistics, loop
from minilstm.training.checkpoints import folder
from minilstm.training.interruption import Interruption

pytestmark = [
    pytest.mark.usefixtures("on_numpy", "pythons_handler"),
    pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process"),
]
MOVING = "Ctrl-C kept the running statistics of batch normalization."


@pytest.fixture
def pythons_handler():
    """Python's own handler: it may be inherited as ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def videos():
    """Images with batch normalization, whose statistics are computed once more at the end."""
    layers = [
        ml.SequenceInput([4, 4, 1]), ml.SequenceFolding(), ml.Convolution2D(2, 2),
        ml.BatchNormalization(), ml.ReLU(), ml.SequenceUnfolding(), ml.Flatten(),
        ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax(),
    ]  # fmt: skip
    x = builders.sequences(4, 4, 1, lengths=(5, 3, 6, 4, 5, 2))
    return layers, (x, [0, 1, 0, 1, 0, 1])


def interrupt_when(monkeypatch, where, name, call=1, count=1, after=False):
    """Send Ctrl-C from within a function, at one of its calls, before or after what it does."""
    real, calls = getattr(where, name), []

    def interrupted(*arguments, **options):
        calls.append(1)
        result = real(*arguments, **options) if after else None
        if len(calls) == call:
            for _ in range(count):
                ctrl_c()
        return result if after else real(*arguments, **options)

    monkeypatch.setattr(where, name, interrupted)


@pytest.mark.parametrize("after", [False, True])
def test_during_the_final_statistics_the_running_ones_stay(monkeypatch, after):
    net, given = videos()
    moving, _ = train(net, given, max_epochs=3, batch_normalization_statistics="moving")
    whole, _ = train(net, given, max_epochs=3)
    interrupt_when(monkeypatch, final_statistics, "pool_statistics", after=after)
    got, info = train(net, given, max_epochs=3)
    assert bits(got) == bits(moving) != bits(whole)
    assert info.stop_reason == f"All 3 epochs are done; {MOVING}"
    assert len(info.history["loss"]) == 3 == info.output_iteration


def test_a_second_one_cuts_the_finish_short(monkeypatch):
    net, given = videos()
    moving, _ = train(net, given, max_epochs=1, batch_normalization_statistics="moving")
    interrupt_when(monkeypatch, loop, "population_statistics", call=1)

    def stop(told):
        if (told.state, told.iteration) == ("iteration", 1):
            ctrl_c()

    got, info = train(net, given, max_epochs=9, output_fcn=stop)
    assert bits(got) == bits(moving)
    assert info.stop_reason == f"Stopped by Ctrl-C after 1 of 9 iterations; {MOVING}"
    whole, _ = train(net, given, max_epochs=1)
    got, info = train(net, given, max_epochs=9, output_fcn=stop)  # one alone lets it finish
    assert bits(got) == bits(whole)
    assert info.stop_reason == "Stopped by Ctrl-C after 1 of 9 iterations."


def test_between_two_pieces_of_work_it_waits_for_the_next(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    net, given = videos()
    interrupt_when(monkeypatch, loop.TrainingLoop, "_check_last_update")
    done, picture = [], {"plots": "training-progress", "plot_file": tmp_path / "picture.png"}
    with pytest.warns(RuntimeWarning) as caught:
        got, info = train(
            net, given, max_epochs=2, output_fcn=lambda t: done.append(t.state), **picture
        )
    assert info.stop_reason == "All 2 epochs are done."
    assert bits(got) == bits(train(net, given, max_epochs=2)[0])
    assert [str(w.message) for w in caught] == [
        "Ctrl-C cut off the training progress figure after the training, which is whole."
    ]
    assert caught[0].filename == builders.__file__
    assert done == ["start", "iteration", "iteration", "done"]


def test_while_the_output_functions_see_the_end():
    def stop(told):
        if told.state == "done":
            ctrl_c()

    with pytest.warns(RuntimeWarning, match=r"^Ctrl-C cut off output_fcn after the training, "):
        net, info = train(max_epochs=2, output_fcn=stop)
    assert info.stop_reason == "All 2 epochs are done." and bits(net) == bits(
        train(max_epochs=2)[0]
    )


def test_while_a_checkpoint_is_written_the_file_is_whole_or_not_there(monkeypatch, tmp_path):
    interrupt_when(monkeypatch, folder, "write_atomically", call=2, after=True)
    _, info = train(max_epochs=5, checkpoint_path=tmp_path)
    how = f"go on from '{tmp_path}' with minilstm.resume, or train --resume."
    assert info.stop_reason == f"Stopped by Ctrl-C after 2 of 5 iterations; {how}"
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.undo()
    interrupt_when(monkeypatch, os, "fsync")
    with ml.use_backend("numpy"):
        _, info = train(max_epochs=5, checkpoint_path=tmp_path, seed=1)
    assert info.stop_reason == f"Stopped by Ctrl-C after 1 of 5 iterations; {how}"
    assert [p for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_one_that_python_could_not_pass_on_stops_the_next_iteration(monkeypatch):
    class Thing:
        pass

    def drop(told):
        if (told.state, told.iteration) == ("iteration", 2):
            thing = Thing()
            kept.append(weakref.ref(thing, lambda _: ctrl_c()))

    kept, lost = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: lost.append(told.exc_type))
    _, info = train(max_epochs=9, output_fcn=drop)
    assert lost == [KeyboardInterrupt]
    assert info.stop_reason == "Stopped by Ctrl-C after 2 of 9 iterations."


def test_a_handler_of_the_user_stays():
    got = []
    signal.signal(signal.SIGINT, lambda *_: got.append(1))
    _, info = train(max_epochs=3, output_fcn=lambda t: ctrl_c())
    assert info.stop_reason == "All 3 epochs are done." and len(got) == 5
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_what_hangs_between_two_pieces_can_be_left():
    with Interruption():
        ctrl_c()
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()


def test_a_training_in_a_thread_has_no_signals_and_works():
    got = []

    def work():
        with ml.use_backend("numpy"):
            got.append(train(max_epochs=2)[1].stop_reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert got == ["All 2 epochs are done."]


CAMPAIGN = """
    import os, signal, sys, threading, time, traceback
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    import minilstm as ml
    from builders import train_classifier as train
    from test_interruption import ctrl_c, videos

    ml.set_backend("numpy")
    count, cases = int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(count)
    layers, given = videos()
    options = dict(max_epochs=4, mini_batch_size=3, validation_data=given, metrics=["accuracy"],
                   validation_frequency="epoch", checkpoint_path=".")
    began = time.monotonic()
    train(layers, given, **options)
    took = time.monotonic() - began
    for _ in range(cases):
        waits = rng.uniform(0, took / count, count)
        # Lists, as an event that Ctrl-C cuts short keeps its lock; from the end on, none comes.
        begun = []
        def send():
            while not begun:
                time.sleep(0.0002)
            for wait in waits:
                time.sleep(wait)
                ctrl_c()
        sender = threading.Thread(target=send)
        sender.start()
        back, said = None, "returned before"
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            try:
                back = train(layers, given, output_fcn=lambda told: begun.append(1), **options)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt as error:  # it came after the return, or in its last line
            within = [f.name for f in traceback.extract_tb(error.__traceback__)]
            said = "lost" if back is None and "_run" in within else said
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that came in the line above kept it out
        sender.join()
        if back is not None:
            net, info = back
            assert all(np.isfinite(p).all() for p in net.parameters.values())
            steps = info.history["iteration"][1:]
            assert steps.tolist() == list(range(1, len(steps) + 1)), steps
            assert info.output_iteration - len(steps) in (0, 1)
            said = "stopped" if "Ctrl-C" in info.stop_reason else said
        for name in os.listdir("."):
            if name.endswith(".part"):
                said = "left a part"
                os.unlink(name)
        print(said)
"""


@pytest.mark.campaign
@pytest.mark.parametrize("count", [1, 2])
def test_at_any_moment_the_network_so_far_comes_back(count, tmp_path):
    cases, here = campaigns.cases(300), os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CAMPAIGN), here, str(count), str(cases)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.path.dirname(here)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    said = done.stdout.split("\n")[:-1]
    assert done.returncode == 0 and len(said) == cases, done.stderr
    assert set(said) <= {"stopped", "returned before"} and "stopped" in said
