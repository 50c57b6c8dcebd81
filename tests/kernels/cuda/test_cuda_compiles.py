"""Every CUDA file is compiled by NVIDIA's compiler for three generations and both number types.
Run as a program, this file prints what each kernel takes of a multiprocessor, as a table."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import cuda_shim
import nvrtc
import pytest

HERE = Path(__file__).parents[3] / "kernels" / "cuda"
ARCHITECTURES = (70, 80, 90)
DTYPES = ("float32", "float64")

# {file: the constants it is compiled with}, of which every kernel of the file is compiled. At least
# the sizes of the two seed networks, and others; an empty table is a file without constants.
CONSTANTS: dict[str, list[dict[str, int]]] = {
    "adam.cu": [{}],
    "batch_normalization.cu": [{}],
    "classifier_loss.cu": [{"LANES": 1}, {"LANES": 32}],
    # Forward, and gradients of the weights, of 20 filters 5 x 5 and of 40 filters 3 x 3 x 20.
    "convolution.cu": [
        {"WIDTH": 4, "ROW_THREADS": 25, "COLUMN_THREADS": 5, "DEPTH": 13, "GROUPS": 1},
        {"WIDTH": 4, "ROW_THREADS": 4, "COLUMN_THREADS": 5, "DEPTH": 18, "GROUPS": 6},
        {"WIDTH": 8, "ROW_THREADS": 25, "COLUMN_THREADS": 5, "DEPTH": 15, "GROUPS": 1},
        {"WIDTH": 4, "ROW_THREADS": 12, "COLUMN_THREADS": 10, "DEPTH": 16, "GROUPS": 1},
    ],
    "cross_entropy.cu": [{"LANES": 1}, {"LANES": 32}],
    "dropout.cu": [{}],
    "exchange.cu": [{"BLOCKS": 2}, {"BLOCKS": 8}],
    "frame.cu": [{}],
    "gradient_norm.cu": [{}],
    "lstm_steps.cu": [
        {"GATE_ACTIVATION": 0, "STATE_ACTIVATION": 0},
        {"GATE_ACTIVATION": 1, "STATE_ACTIVATION": 1},
    ],
    "relu.cu": [{}],
    "rmsprop.cu": [{}],
    "sgdm.cu": [{}],
    "softmax.cu": [{"LANES": 1}, {"LANES": 32}],
    "sums.cu": [{}],
}
# {(file, dtype): bytes a thread that may go to memory for want of registers}
MAY_SPILL = {("lstm.cu", "float32"): 16}  # of 512 units with 80

# Warnings, but for helpers that a file does not use, and for the age of an architecture.
UNWANTED = re.compile(r"(?m)^.*\bwarning(?: #(?!177-D)| ?: (?!Architectures prior)).*$")

# Hidden units, sequences and steps of LSTMs, whose constants depend on the device, too.
LSTMS = [
    (200, 6, 64480),  # human activity
    (100, 27, 29),  # Japanese vowels
    (32, 500, 1000),
    (257, 64, 1000),
    (512, 256, 1000),
    (1024, 4, 1000),
]
# Multiprocessors of the devices of each generation, and the most shared memory of a block.
DEVICES = {70: (80, 96 << 10), 80: (108, 163 << 10), 90: (132, 227 << 10)}


@cache
def lstm_constants(architecture, dtype):
    """What `lstm.cu` is compiled with, for each of LSTMS that it can hold on such a device."""
    with cuda_shim.installed():
        plan = importlib.import_module("minilstm.kernels.cuda.lstm_plan")
        device = plan.Device(architecture >= 90, *DEVICES[architecture])
        plans = [(H, plan.make_plan(device, H, B, T, dtype)) for H, B, T in LSTMS]
        found = [plan.constants(one, H) for H, one in plans if one is not None]
    assert len(found) >= 4
    return [one | {"GATE_ACTIVATION": 0, "STATE_ACTIVATION": 0} for one in found]


CASES = [
    (file, sizes, architecture, dtype)
    for architecture in ARCHITECTURES
    for dtype in DTYPES
    for file, all_sizes in (CONSTANTS | {"lstm.cu": lstm_constants(architecture, dtype)}).items()
    for sizes in all_sizes
]
FILES = sorted({case[0] for case in CASES})


def name(case):
    file, sizes, architecture, dtype = case
    sizes = "-".join(f"{key}{value}" for key, value in sizes.items())
    return "-".join(filter(None, [file, sizes, f"sm_{architecture}", dtype]))


@cache
def _compiled(file, sizes, architecture, dtype):
    with cuda_shim.installed():  # the module that says how needs a CuPy, but no device
        compiling = importlib.import_module("minilstm.kernels.cuda.compiling")
        text, options = compiling.source(file), compiling.options(dtype, dict(sizes))
    return nvrtc.compile_text(text, options, architecture)


def compiled(file, sizes, architecture, dtype):
    """(bytes, log) of one compilation, which the tests share."""
    if nvrtc.library() is None:
        pytest.skip(f"{nvrtc.WHEEL} is not installed")
    return _compiled(file, tuple(sizes.items()), architecture, dtype)


def kernels_of(path):
    return re.findall(
        r"^KERNEL\s(?:[^;{]*?\s)??(\w+)\s*\((?=[^()]*\)\s*\{)", path.read_text(), re.M
    )


def test_every_file_is_compiled_here():
    assert set(FILES) == {path.name for path in HERE.glob("*.cu")}


@pytest.mark.parametrize("case", CASES, ids=map(name, CASES))
def test_it_compiles_without_a_warning_and_keeps_its_numbers_in_registers(case):
    file, _, _, dtype = case
    size, log = compiled(*case)
    assert not UNWANTED.findall(log)
    used = nvrtc.usage(log)
    assert size > 0 and {u.kernel for u in used} <= set(kernels_of(HERE / file)) and used
    assert not [u for u in used if u.spilled > MAY_SPILL.get((file, dtype), 0)]


@pytest.mark.parametrize("file", FILES)
def test_every_kernel_is_compiled_and_launched_by_name(file):
    python = "\n".join(path.read_text() for path in HERE.glob("*.py"))
    cases = [case for case in CASES if case[0] == file and case[2] == 90]
    used = {u.kernel for case in cases for u in nvrtc.usage(compiled(*case)[1])}
    assert used == set(kernels_of(HERE / file))
    assert {kernel for kernel in used if f'"{kernel}"' not in python} == set()


def test_what_does_not_compile_is_found():
    if nvrtc.library() is None:
        pytest.skip(f"{nvrtc.WHEEL} is not installed")
    with pytest.raises(ValueError, match="identifier"):
        nvrtc.compile_text("__global__ void wrong() { nothing; }", [], 80)
    many = "float big[300];\n" + "".join(f"    big[{i}] = x[n * {i}];\n" for i in range(300))
    summed = "".join(f" + big[{i}] * big[{299 - i}]" for i in range(300))
    body = f"{many}    __syncthreads();\n    x[threadIdx.x] = 0{summed};\n"
    _, log = nvrtc.compile_text(
        f'extern "C" __global__ void heavy(float *x, int n)\n{{\n    {body}}}\n', [], 80
    )
    (used,) = nvrtc.usage(log)
    assert used.kernel == "heavy" and used.registers == 255 and used.spilled > 0


if __name__ == "__main__":
    print("| file | constants | sm | dtype | kernel | registers | stack | spilled |")
    print("|---|---|---|---|---|---|---|---|")
    for case in CASES:
        file, sizes, architecture, dtype = case
        for used in nvrtc.usage(compiled(*case)[1]):
            constants = ", ".join(f"{key} {value}" for key, value in sizes.items())
            numbers = f"{used.kernel} | {used.registers} | {used.stack} | {used.spilled}"
            print(f"| {file} | {constants} | {architecture} | {dtype} | {numbers} |")
