"""Advice of the benchmark, as far as it needs neither a GPU nor minutes.
A GPU is played by the switch, and packages that are not installed by none at all.
"""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import minilstm.bench as package
from advice.csv_files import put
from minilstm.bench import Settings
from minilstm.bench.crossover import run_crossover
from minilstm.bench.grid import find_shapes, read_results
from minilstm.bench.onnx import import_onnx, import_openvino
from minilstm.bench.process import run_python
from minilstm.bench.torch import import_torch
from minilstm.bench.torch_gpu import import_cuda
from minilstm.command_line.words.parser import build_parser as parser


def settled(backend="numpy", **settings):
    """Settings as the benchmark takes them, with a backend that is in force."""
    with patch.object(package, "current_backend", lambda: SimpleNamespace(name=backend)):
        return package._checked(Settings(**settings))


def pytorch():
    """A PyTorch that finds no GPU."""
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False), __version__="2")


def chosen(words):
    """What the command line makes of some words of the benchmark."""
    return vars(parser().parse_args(["bench", *words.split()]))


def packages(line):
    """Whether a pip line names plain packages, which no table here knows."""
    return line.startswith("pip install ") and line.replace(" ", "").isalnum()


TABLE = [
    ("settled(against=['jax'])", r"choose from (\w+), (\w+), (\w+)\.",
     "settled(against=['$1', '$2', '$3']).against == ['torch', 'onnxruntime', 'openvino']"),
    ("settled('cupy', against=['onnxruntime'])", "leave it out, or choose another backend than",
     "settled('cupy'); settled('numba', against=['onnxruntime'])"),
    ("settled(works=['all'])", r"choose from (.*)\.", "settled(works='$1'.split(', '), long=True)"),
    ("settled('cupy', works=['all'])", r"choose from (.*) on a GPU\.",
     "settled('cupy', works='$1'.split(', '))"),
    ("settled(works=['memory'])", "add (--long)",
     "settled(works=['memory'], long=chosen('$1')['long'])"),
    ("settled(scale=0)", r"a number from (\S+) to (1)\.", "settled(scale=$1); settled(scale=$2)"),
    ("settled(grid=True, long=True)", "leave out --works, --long and --backend cupy",
     "settled(grid=True)"),
    ("settled(shapes=['vowels'])", "add (--grid)",
     "settled(shapes=['vowels'], grid=chosen('$1')['grid'])"),
    ("find_shapes(['all'])", r"choose from (.*)\.", "len(find_shapes('$1'.split(', '))) == 11"),
    ("read_results([Path(put('nothing', 'run.txt'))])", "keep what (minilstm bench .*) prints in",
     "chosen('$1'.removeprefix('minilstm bench '))['json']"),
    ("read_results([Path('no.txt')])", "what (minilstm bench .*) prints",
     "chosen('$1'.removeprefix('minilstm bench '))['json']"),
    ("run_crossover(1)", "add (--backend cupy)", "chosen('--crossover $1')['backend'] == 'cupy'"),
    ("with patch.dict(sys.modules, torch=pytorch()): import_cuda()", "or leave it out",
     "settled('cupy').against == ()"),
    ("with patch.dict(sys.modules, onnx=None): import_onnx()", r": (pip install [\w ]+)\.",
     "packages('$1')"),
    ("with patch.dict(sys.modules, openvino=None): import_openvino()", r": (pip install [\w ]+)\.",
     "packages('$1')"),
    ("with patch.dict(sys.modules, torch=None): import_torch()", r": (pip install \w+)\.",
     "packages('$1')"),
    ("run_python('raise ValueError(3)', [], 1)", "a process of the benchmark failed: (.*)",
     "run_python('print(1)', [], 1)[1] == 1"),
]  # fmt: skip
