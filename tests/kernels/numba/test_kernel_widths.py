"""The kernels as other processors run them: every width of a vector register, on this machine.
The width decides how work is cut, never a sum, so all widths give the same bits."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("numba")
from minilstm.kernels.numba.machinery import hardware

PROGRAM = """
    import hashlib
    import numpy as np
    import minilstm as ml
    from minilstm.functional.ragged import pack_with_targets
    from minilstm.kernels.numba.machinery import hardware
    from minilstm.layers import Signal
    from minilstm.training.solvers import SOLVERS, solver_init, update
    from minilstm.backend import load_backend

    rng = np.random.default_rng(0)
    layers = [ml.SequenceInput(3), ml.LSTM(37), ml.FullyConnected(5), ml.Softmax()]
    net = ml.Network(layers, rng=rng, classes=range(5))
    x = [rng.standard_normal((n, 3)).astype(np.float32) for n in (9, 9, 7, 7, 4, 2, 1)]
    packed, targets = pack_with_targets(x, [rng.integers(0, 5, len(a)) for a in x])
    backend = load_backend("numba")
    found = net.loss_and_gradients(Signal(packed.rows, packed.active), targets)
    loss, grads = found.loss, found.gradients
    wide = net.replace(dtype="float64").loss_and_gradients(
        Signal(packed.rows.astype(float), packed.active), targets, backend=load_backend("numpy")
    )
    for key, g in wide.gradients.items():
        assert abs(grads[key] - g).max() < 1e-5 * abs(g).max(), key
    moved = []
    for solver in SOLVERS:
        state = solver_init(solver, net.parameters)
        new, _, norm = update(backend, net.parameters, grads, state, 0.01)
        moved += new.values()
    stream = net.stream()
    steps = [stream.step(row) for row in x[0]]
    # 3, 13 and 20 columns: one vector, two, three and more, so every tile, at every width.
    for Cin, F in ((3, 13), (13, 20), (20, 3)):
        image, W = rng.standard_normal((9, 8, 7, Cin)), rng.standard_normal((3, 2, Cin, F))
        image, W, b = (a.astype(np.float32) for a in (image, W, W[0, 0, 0]))
        y, cache = backend.convolution_forward(image, W, b, (1, 1), ((1, 1), (0, 1)), (1, 1))
        dx, weight_grads = backend.convolution_backward(y, cache)
        moved += [y, dx, *weight_grads]
    digest = hashlib.sha256()
    for array in (*net.predict(x), *steps, *grads.values(), *moved, np.array([loss, norm])):
        digest.update(np.ascontiguousarray(array).tobytes())
    print(hardware.REGISTER_BYTES, digest.hexdigest())
"""


def digest(width, tmp_path):
    environment = dict(os.environ)
    if width:  # the kernels of this machine's own width stand in the usual cache already
        environment |= {"NUMBA_CACHE_DIR": str(tmp_path), "MINILSTM_VECTOR_BYTES": str(width)}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    used, value = result.stdout.split()
    assert int(used) == (width or hardware.REGISTER_BYTES)
    return value


def test_every_width_gives_the_same_bits(tmp_path):
    widths = {16, 32, 64} - {hardware.REGISTER_BYTES}
    own = digest(None, tmp_path)
    for width in widths:
        assert digest(width, tmp_path) == own, width
