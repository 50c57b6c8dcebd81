"""NVIDIA's run-time compiler, straight from its wheel: compiles CUDA text where there is no device.
It is told what CuPy would tell it, and says what the kernels take of a multiprocessor."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

WHEEL = "nvidia-cuda-nvrtc-cu12"


class Usage(NamedTuple):
    """What a kernel takes: registers a thread, and bytes of memory that stand in for more."""

    kernel: str
    registers: int
    stack: int
    spilled: int
    shared: int


@cache
def library():
    """The compiler, or None where its wheel is not installed."""
    try:
        found = [path for path in files(WHEEL) or [] if path.name == "libnvrtc.so.12"]
    except PackageNotFoundError:
        return None
    return ctypes.CDLL(str(found[0].locate())) if found else None


def _text(get_size, get, program):
    size = ctypes.c_size_t()
    get_size(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, text)
    return text.value.decode()


def compile_text(text, options, architecture):
    """The bytes of the cubin, and the log; a text that does not compile raises ValueError."""
    nvrtc, program = library(), ctypes.c_void_p()
    # The last three are CuPy's own.
    options = [*options, "-ftz=true", f"-arch=sm_{architecture}"]
    options += ["--device-as-default-execution-space", "--ptxas-options=-v"]
    given = (ctypes.c_char_p * len(options))(*map(str.encode, options))
    assert not nvrtcerror(nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None
    ))  # fmt: skip
    failed = nvrtc.nvrtcCompileProgram(program, len(options), given)
    log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise ValueError(log)
    return size.value, log


def nvrtcerror(code):
    """The name of an error, or nothing."""
    library().nvrtcGetErrorString.restype = ctypes.c_char_p
    return library().nvrtcGetErrorString(code).decode() if code else ""


_KERNEL = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads.*?Used (\d+) registers([^\n]*)",
    re.S,
)


def usage(log):
    """What the assembler tells of each kernel."""
    found = []
    for kernel, stack, stores, loads, registers, rest in _KERNEL.findall(log):
        shared = re.search(r"(\d+) bytes smem", rest)
        spilled = int(stores) + int(loads)
        found.append(
            Usage(kernel, int(registers), int(stack), spilled, int(shared[1]) if shared else 0)
        )
    return sorted(found)
