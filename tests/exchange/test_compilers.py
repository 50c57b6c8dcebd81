"""The C file has the evaluator's bits at every size, level of optimisation and set of vectors.
gcc 12 once copied constant biases wrongly with AVX-512, and the self-test was what told it.
"""

import itertools
import shutil
import subprocess

import numpy as np
import pytest
from campaigns import cases

import minilstm as ml
from minilstm.exchange.outgoing.c99 import c99
from minilstm.exchange.proving.evaluator import hash_of, run_rows
from minilstm.exchange.step.program import program_of
from minilstm.exchange.step.selftest import SelfTest

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
LEVELS = ("-O0", "-O1", "-Os", "-O2", "-O3")
VECTORS = ("", "-mavx2", "-mavx512f", "-march=native")
MAIN = "float model_self_test(void);\nint main(void) { return model_self_test() < 0.0f; }\n"
BIASES = ("first", "random", "runs")


def program_with(H, bias, weights="float32"):
    """A classifier whose biases are those of a new network, random, or runs of equal numbers."""
    rng = np.random.default_rng(H)
    layers = [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(H), ml.Softmax()]
    program = program_of(ml.Network(layers, rng=rng), weights)
    if bias == "first":
        return program
    steps = []
    for s in program.steps:
        if hasattr(s.operation, "b"):
            n = len(s.operation.b)
            b = rng.standard_normal(n) if bias == "random" else np.arange(n) // (H + 5) % 2
            s = s._replace(operation=s.operation._replace(b=b.astype(np.float32)))
        steps.append(s)
    return program._replace(steps=tuple(steps))


def drawn():
    """Every size with some of the other choices, the same in every run."""
    every = list(itertools.product(LEVELS, VECTORS, BIASES))
    rng = np.random.default_rng(0)
    return [(n % 70 + 1, *every[rng.integers(len(every))]) for n in range(cases(900))]


@pytest.fixture(scope="module")
def can_run():
    """Vectors that this processor has."""
    told = subprocess.run(["gcc", "-march=native", "-dM", "-E", "-x", "c", "-"],
                          input="", capture_output=True, text=True)  # fmt: skip
    known = {"-mavx2": "__AVX2__", "-mavx512f": "__AVX512F__"}
    return {v for v in VECTORS if known.get(v, "") in told.stdout}


def fails(program, folder, *flags):
    """Whether the self-test finds another bit."""
    x = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    scores = run_rows(program, x)
    (folder / "m.c").write_text(c99(program, SelfTest(x, scores, hash_of(scores)), "model"))
    (folder / "main.c").write_text(MAIN)
    words = ["gcc", "-std=c99", "-ffp-contract=off", *flags, "m.c", "main.c", "-o", "m"]
    subprocess.run(words, check=True, cwd=folder)
    return subprocess.run([folder / "m"]).returncode != 0


@pytest.mark.campaign
def test_every_size_has_one_set_of_bits(can_run, tmp_path):
    wrong, tried = [], 0
    for H, level, vectors, bias in drawn():
        if vectors in can_run:
            flags = [level, *([vectors] if vectors else [])]
            tried += 1
            if fails(program_with(H, bias), tmp_path, *flags):
                wrong.append((H, level, vectors, bias))
    assert (wrong, tried > 0) == ([], True)


@pytest.mark.parametrize("weights", ["int16", "int8"])
def test_whole_numbers_have_one_set_of_bits(weights, can_run, tmp_path):
    for level in ("-O0", "-O3"):
        assert not fails(program_with(37, "runs", weights), tmp_path, level, "-march=native")


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_copy_of_ones_and_then_zeros(vectors, can_run, tmp_path):
    """The case that gcc 12 gets wrong where it knows the array."""
    if vectors in can_run:
        more = [vectors] if vectors else []
        assert not fails(program_with(37, "first"), tmp_path, "-O2", *more)
