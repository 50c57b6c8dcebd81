"""Trainings that are killed at any moment, again and again, end with the bits of undisturbed ones.
Children are forked: each trains a while, is killed where it stands, and leaves its folder."""

import json
import os
import subprocess
import sys
import textwrap

import campaigns
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

KILLED = """
    import hashlib, json, os, shutil, signal, sys, time, traceback
    from pathlib import Path
    sys.path[:0] = sys.argv[1:3]
    import numpy as np
    import minilstm as ml
    from minilstm.network.model_file import read_training
    from minilstm.network.network import Network
    from interrupted import EVERY, HELD, LAYERS, MANY, SHORT, X, Y, known

    ml.set_backend("numpy")
    cases, rng, folder = int(sys.argv[3]), np.random.default_rng(int(sys.argv[4])), Path("c")
    how = {**SHORT, **MANY, "sequence_length": 3, "max_epochs": 16}
    # Every way of writing one: by the iteration, by the clock, few of them kept.
    WAYS = [
        EVERY,
        {"checkpoint_frequency": np.inf, "checkpoint_seconds": 0.02},
        {"checkpoint_seconds": 0.01, "checkpoints_kept": 1},
    ]

    def train(way):
        if folder.exists() and list(folder.glob("checkpoint-*")):
            return ml.resume(folder, X, Y, validation_data=HELD)
        folder.mkdir(exist_ok=True)
        return ml.train(X, Y, list(LAYERS), options=ml.TrainingOptions(
            **how, **way, checkpoint_path=folder))

    def child(way):
        number = os.fork()
        if number == 0:
            try:
                digest = hashlib.sha256(repr(known(train(way))).encode()).hexdigest()
                Path("result").write_text(digest)
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        return number

    def undisturbed(way):
        began = time.monotonic()
        os.waitpid(child(way), 0)
        shutil.rmtree(folder)
        return Path("result").read_text(), time.monotonic() - began

    wanted = [undisturbed(way) for way in WAYS]
    assert len({digest for digest, _ in wanted}) == 1, wanted
    found = {"moments": 0, "before the first checkpoint": 0, "while one was written": 0,
             "went on": 0}
    while found["moments"] < cases:
        way = WAYS[found["moments"] % len(WAYS)]
        _, took = wanted[found["moments"] % len(WAYS)]
        shutil.rmtree(folder, ignore_errors=True)
        Path("result").unlink(missing_ok=True)
        for _ in range(3):  # killed up to three times
            number = child(way)
            time.sleep(rng.uniform(0, took))
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            found["moments"] += 1
            names = sorted(os.listdir(folder)) if folder.exists() else []
            whole = [n for n in names if n.startswith("checkpoint-")]
            for name in whole:
                read_training(folder / name, Network)  # raises where it is not whole
            found["before the first checkpoint"] += not whole
            found["while one was written"] += any(n.endswith(".part") for n in names)
            found["went on"] += bool(whole)
            if Path("result").exists():
                break
        os.waitpid(child(way), 0)
        assert Path("result").read_text() == wanted[0][0], way
    print(json.dumps(found))
"""


@pytest.mark.campaign
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path):
    here, moments = os.path.dirname(__file__), campaigns.cases(300)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), here, os.path.dirname(here), str(moments),
         "1"], cwd=tmp_path, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["moments"] >= moments and found["went on"] > moments / 4, found
