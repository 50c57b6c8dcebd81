"""How long a step of an exported file takes, the best of many; only in the whole campaign.
ONNX Runtime, where it is installed, is timed in the same run."""

import shutil
import subprocess
import time

import numpy as np
import pytest
from exported_nets import can_run

import minilstm as ml

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]
MAIN = """
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>
#include "model.c"
int main(void) {
    static model_state m;
    float x[MODEL_INPUTS] = {0.1f, 0.2f}, y[MODEL_OUTPUTS];
    double best = 1e9;
    model_reset(&m);
    for (int r = 0; r < 300; r++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int k = 0; k < 100; k++) { model_step(&m, x, y); x[0] = y[0]; }
        clock_gettime(CLOCK_MONOTONIC, &b);
        double us = ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 1e5;
        if (us < best) best = us;
    }
    printf("%f", best);
}
"""
NODE = """
const e = new WebAssembly.Instance(new WebAssembly.Module(
  require("fs").readFileSync("model.wasm"))).exports;
let best = 1e9;
e.model_restart();
for (let r = 0; r < 500; r++) {
  const t = process.hrtime.bigint();
  for (let k = 0; k < 100; k++) e.model_run();
  best = Math.min(best, Number(process.hrtime.bigint() - t) / 1e5);
}
console.log(best);
"""


def classifier(H):
    layers = [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(5), ml.Softmax()]
    return ml.Network(layers, rng=np.random.default_rng(0))


def c_step(net, folder):
    """Microseconds of a step of the C file."""
    ml.export(net, folder / "model.c", check=False)
    (folder / "main.c").write_text(MAIN)
    flags = ["-O3", "-march=native", "-ffp-contract=off"]
    subprocess.run(["gcc", *flags, "main.c", "-o", "model"], cwd=folder, check=True)
    return float(subprocess.run([folder / "model"], capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("H", "most"), [(32, 1.5), (200, 25.0)])
def test_a_step_in_c(H, most, tmp_path):
    assert c_step(classifier(H), tmp_path) <= most


def test_a_step_in_webassembly(tmp_path):
    can_run(".wasm")
    ml.export(classifier(32), tmp_path / "model.wasm", check=False)
    done = subprocess.run(["node", "-e", NODE], cwd=tmp_path, capture_output=True, text=True)
    assert float(done.stdout) <= 3.0


def test_a_step_in_c_is_far_faster_than_in_onnx_runtime(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    net = classifier(32)
    ml.export(net, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(
        (tmp_path / "m.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    feed = {name: np.zeros((1, 1, n), np.float32) for name, n in (("x", 3), ("h0", 32), ("c0", 32))}
    best = np.inf
    for _ in range(300):
        start = time.perf_counter()
        for _ in range(20):
            session.run(None, feed)
        best = min(best, (time.perf_counter() - start) / 20e-6)
    assert best >= 8 * c_step(net, tmp_path)
