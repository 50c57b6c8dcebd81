"""Advice about where to compute: backends, threads, a GPU, and packages that are missing.
Missing packages are played by the switch, and GPUs that cannot be used by a module named cupy.
"""

import os
import re
import sys
import tomllib
from contextlib import contextmanager
from contextvars import Context
from types import ModuleType
from unittest.mock import patch

from advice.sites import ROOT
from minilstm import backend as switch
from minilstm.backend import load_backend
from minilstm.kernels.device import check_device
from minilstm.training.environment import training_backend


def pip(line):
    """Whether the extras of this package that a pip line names exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = re.findall(r"minilstm\[([\w,]+)\]", line)
    return bool(names) and set(names) <= set(extras["optional-dependencies"])


def without(package, where=switch):
    """Within a ``with`` block a package is not installed, as a module sees it."""
    have = switch.is_installed
    where = where if isinstance(where, ModuleType) else sys.modules[where]
    return patch.object(where, "is_installed", lambda name: name != package and have(name))


@contextmanager
def machine(count=1, major=8, ones="", nvrtc=True):
    """Within a ``with`` block CuPy is a module that says this of the machine."""
    modules = {name: ModuleType(name) for name in ("cupy", "cupy.cuda", "cupy.cuda.runtime")}
    runtime = modules["cupy.cuda.runtime"]
    runtime.CUDARuntimeError = type("CUDARuntimeError", (RuntimeError,), {})
    runtime.getDeviceCount, runtime.getDevice = lambda: count, lambda: 0
    runtime.getDeviceProperties = lambda device: {"major": major, "minor": 0}
    modules["cupy"].cuda, modules["cupy.cuda"].runtime = modules["cupy.cuda"], runtime

    def fails(shape):
        raise (runtime.CUDARuntimeError if ones == "busy" else TypeError)(ones)

    modules["cupy"].ones = fails if ones else lambda shape: None
    if nvrtc:
        modules["cupy.cuda"].cublas = None
        modules["cupy.cuda"].nvrtc = ModuleType("nvrtc")
        modules["cupy.cuda"].nvrtc.getVersion = lambda: (12, 0)
    with patch.dict(sys.modules, modules):
        yield


def asked(name=""):
    """The backend in force where the variable alone asks for one."""
    with patch.dict(os.environ, MINILSTM_BACKEND=name):
        return Context().run(switch.chosen_backend)


@contextmanager
def environment(name):
    """Within a ``with`` block a backend is chosen that is not loaded, as no GPU is here."""
    with (
        patch.object(switch, "_everywhere", name),
        patch.object(sys.modules["minilstm.training.environment"], "load_backend", str),
    ):
        token = switch._chosen.set(name)
        try:
            yield
        finally:
            switch._chosen.reset(token)


TABLE = [
    ("ml.use_backend('torch').__enter__()", "choose one of (.*), 'cupy'",
     "with use_backend($each): build().predict(x)"),
    ("with without('numba'): load_backend('numba')",
     "(pip install .*), or choose the backend ('numpy')", "pip(\"$1\"); load_backend($2)"),
    ("with without('cupy'): switch._cupy.__wrapped__()",
     r"(pip install .*), or choose the .* (.*)\.", "pip(\"$1\"); load_backend($2)"),
    ("with machine(count=0): check_device()", r"choose the backend ('.*' or '.*')",
     "load_backend($each)"),
    ("with machine(major=6): check_device()", r"or the backend ('.*' or '.*')",
     "load_backend($each)"),
    ("with machine(nvrtc=False): check_device()", r"or choose the backend ('.*' or '.*')",
     "load_backend($each)"),
    ("with machine(ones='busy'): check_device()", r"or choose the backend ('.*' or '.*')",
     "load_backend($each)"),
    ("with machine(ones='no headers'): check_device()", r"or choose the backend ('.*' or '.*')",
     "load_backend($each)"),
    ("with patch.dict(sys.modules, cupy=None): check_device()", r"(pip install .*), or choose the",
     "pip(\"$1\")"),
    ("warmup('float16')", "choose ('.*' or '.*')",
     "with patch('minilstm.kernels.numba.machinery.compiling.kernels', []): warmup($each)"),
    ("z = np.ones((2, 2), np.longdouble); load_backend('numba').softmax_forward(z)",
     "convert it, or use the backend ('numpy')", "z = np.ones((2, 2), np.longdouble); "
     "load_backend($1).softmax_forward(z); load_backend('numba').softmax_forward(z.astype(float))"),
    ("ml.set_num_threads(0)", r"a whole number from (\d+) to (\d+)\.",
     "n = ml.get_num_threads(); ml.set_num_threads($1); ml.set_num_threads($2);"
     "ml.set_num_threads(n)"),
    ("asked('torch')", r"choose one of (.*), or unset it", "asked($each) == $each;"
     "asked() == 'auto'"),
    ("with patch('numba.config.DISABLE_JIT', 1), patch.object(switch, 'numba_works', lambda "
     "say=False: False): load_backend('numba')",
     "unset that environment variable, or choose the backend ('numpy')",
     "load_backend('numba'); load_backend($1)"),
    ("with patch('minilstm.checks.machine_memory', lambda: 2**28): build(LSTM(10**6))",
     "make the layers or the input smaller", "build(LSTM(10))"),
    ("with patch('minilstm.checks.machine_memory', lambda: 2**28): build(LSTM(9)).stream(10**8)",
     "give fewer at once", "build(LSTM(9)).stream(10)"),
    ("Addition(1001)", "at most (1000)", "Addition($1)"),
    ("with environment('numba'): training_backend('gpu')",
     "the backend ('cupy' or 'auto'), or the environment 'cpu'",
     "with environment($each): training_backend('gpu')\n"
     "with environment('numba'): training_backend('cpu')"),
    ("with environment('cupy'): training_backend('cpu')",
     "the backend ('numba' or 'numpy'), or the environment 'gpu'",
     "with environment($each): training_backend('cpu')\n"
     "with environment('cupy'): training_backend('gpu')"),
    ("with without('numba', 'minilstm.training.train'): train(x, y)",
     r"faster with it: (pip install .*)\.", "pip(\"$1\"); train(x, y)"),
]  # fmt: skip
