"""Compiles the text of a CUDA file with a C compiler and runs its kernels on fibres.
What a device would only do wrong silently is an error here: see `Function` and `fibres.c`."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import numpy as np

from . import arrays

HERE = Path(__file__).parent
# No contraction: the numbers are then the same on every CPU. No fast-math, as on the device.
FLAGS = ["-std=gnu11", "-O1", "-g1", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing"]
FLAGS += ["-fstack-clash-protection"]  # so that a stack that is too small ends at its guard page
# Overflowing whole numbers, shifts, misaligned vectors, and arrays that are left: all end the run.
SANITIZER = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-sign-compare"]
NO_MARKS = ["-DSHIM_KERNEL=", "-DSHIM_CLUSTER(blocks)=", "-DSHIM_BLOCK_OF(threads)="]
ORDERS = {"forward": 0, "reverse": 1, "random": 2, "blocks": 3, "warps": 4}
# What the shim stands for is an H100.
CAPABILITY, MULTIPROCESSORS = 90, 132
SHARED_LIMIT = 227 << 10  # bytes of shared memory, at most, of a block

_order = ContextVar("order", default=("forward", 0))


def can_compile():
    """Whether kernels can run here: a C compiler by the name gcc, on Linux."""
    return sys.platform == "linux" and shutil.which("gcc") is not None


class LaunchError(RuntimeError):
    """A kernel did, or was asked to do, what a device forbids."""


@contextmanager
def thread_order(order, seed=0):
    """Run threads in an order within a ``with`` block.

    "forward", "reverse" and "random" (by a seed): each goes on to where it waits for others, in
    turn. "blocks" and "warps" (by a seed): one block as far as it comes, then another; or all but
    one warp as far as they come, then that one.
    """
    token = _order.set((order, seed))
    assert order in ORDERS
    try:
        yield
    finally:
        _order.reset(token)


# ---------------------------------------------------------------- compiling


@cache
def _folder():
    """Compiled files are kept here from run to run; two processes may write at once."""
    place = Path(tempfile.gettempdir()) / f"minilstm-kernels-on-cpu-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place if place.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp())


@cache
def _compiler():
    done = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True)
    own = [(HERE / name).read_text() for name in ("shim.h", "fibres.c", "launch.c", "executor.py")]
    return "\n".join([done.stdout, *own])


def _gcc(arguments, text):
    done = subprocess.run(
        ["gcc", *FLAGS, *arguments], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LaunchError(re.sub(r"<stdin>:(?=\d)", "line ", done.stderr))
    return done.stdout


def _build(key, text, arguments):
    """The shared library of a C text, from the cache if it was compiled before."""
    digest = hashlib.sha256("\0".join([_compiler(), key]).encode()).hexdigest()[:32]
    path = _folder() / f"{digest}.so"
    if not path.exists():
        part = _folder() / f"{digest}.{os.getpid()}.part"
        _gcc([*arguments, "-shared", "-x", "c", "-", "-o", str(part), "-lm"], text)
        part.replace(path)
    return path


@cache
def _runtime():
    text = (HERE / "launch.c").read_text()
    arguments = ["-O2", "-Wall", "-Wextra", "-Wno-clobbered", "-I", str(HERE)]
    # One launch at a time, as for a device: this kind of library keeps the lock of Python.
    library = ctypes.PyDLL(str(_build(text, text, arguments)), mode=ctypes.RTLD_GLOBAL)
    library.shim_launch.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_size_t,
        ctypes.c_uint, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p,
        ctypes.c_size_t,
    ]  # fmt: skip
    return library


_KERNEL = re.compile(
    r"SHIM_KERNEL\s+void\s+((?:SHIM_\w+\s*\([^{;]*?\)\s*)*)(\w+)\s*\(([^()]*)\)\s*\{", re.S
)
_NO_LINES = re.compile(r"(?m)^# \d+ .*$")


def _parameters(text):
    """[(type, name)] of a parameter list."""
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        words = re.sub(r"\*", " * ", part).split()
        words = [w for w in words if w not in ("restrict", "__restrict__")]
        found.append((" ".join(words[:-1]), words[-1], "restrict" in part))
    return [] if [p[1] for p in found] == ["void"] else found


class RawModule:
    """`cupy.RawModule`: compiled when a function is first taken from it."""

    def __init__(self, *, code, options=(), backend="nvrtc", enable_cooperative_groups=False):
        assert backend == "nvrtc"
        if enable_cooperative_groups:
            raise LaunchError("such a module needs cudadevrt, which is only in the CUDA toolkit")
        self._code, self._options = code, tuple(options)
        self._library = None

    def compile(self, log_stream=None):
        if self._library is None:
            try:
                self._compile()
            except LaunchError as error:
                raise LaunchError(self.with_lines(str(error))) from None

    def _compile(self):
        defined = [o for o in self._options if o.startswith("-D")]
        known = [*defined, "-std=c++17"]
        if unknown := set(self._options) - set(known):
            raise LaunchError(f"the shim knows no option {sorted(unknown)}")
        if "-std=c++17" not in self._options:
            raise LaunchError("the kernels are compiled as C++17")
        defined = [*defined, f"-D__CUDA_ARCH__={10 * CAPABILITY}"]
        key = "\0".join([self._code, *defined])
        arguments = ["-I", str(HERE), "-include", "shim.h", *defined]
        text = _gcc([*arguments, "-E", "-x", "c", "-"], self._code)
        found = _KERNEL.findall(_NO_LINES.sub("", text))
        self._real = next(o.split("=")[1] for o in defined if o.startswith("-DREAL="))
        self._kernels = {name: _parameters(inside) for _, name, inside in found}
        calls = [_trampoline(name, marks, self._kernels[name]) for marks, name, _ in found]
        _runtime()
        library = _build(key, text + "\n".join(calls), [*WARNINGS, *SANITIZER, *NO_MARKS])
        self._library = ctypes.CDLL(str(library))

    def get_function(self, name):
        self.compile()
        if name not in self._kernels:
            raise LaunchError(f"{name}: there is no such kernel, only {sorted(self._kernels)}")
        return Function(self, name)

    def with_lines(self, message):
        """A message, with the lines of the text that it names written out below it."""

        def line_of(place):
            asked = ["addr2line", "-e", place[1], place[2]]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            return f"line {done.stdout.strip().rpartition(':')[2] or '?'}"

        message = re.sub(r"<(.+?)\+(\w+)>", line_of, message)
        lines = self._code.splitlines()
        numbers = sorted({int(n) for n in re.findall(r"line (\d+)", message)})
        shown = [f"{n:6}: {lines[n - 1].strip()}" for n in numbers if 0 < n <= len(lines)]
        return "\n".join([message, *shown])


def _mark(name, marks):
    """What stands in the brackets behind a mark of a kernel, or 0."""
    if (start := marks.find(f"SHIM_{name}")) < 0:
        return "0"
    start = end = marks.index("(", start)
    while end == start or marks[start : end + 1].count("(") > marks[start : end + 1].count(")"):
        end += 1
    return marks[start : end + 1]


def _trampoline(name, marks, parameters):
    values = ", ".join(f"*({kind}*)a[{i}]" for i, (kind, _, _) in enumerate(parameters))
    return (
        f"\nvoid shim_call_{name}(void **a);"
        f"\nvoid shim_call_{name}(void **a) {{ (void)a; {name}({values}); }}"
        f"\nconst unsigned shim_cluster_{name} = {_mark('CLUSTER', marks)};"
        f"\nconst unsigned shim_threads_{name} = {_mark('BLOCK_OF', marks)};\n"
    )


# ---------------------------------------------------------------- launching

_DTYPES = {
    "float": "float32", "double": "float64",
    "int64": "int64", "long long": "int64", "unsigned long long": "uint64",
    "int": "int32", "unsigned": "uint32", "unsigned int": "uint32",
    "unsigned char": "uint8", "signed char": "int8", "char": "int8",
    "short": "int16", "unsigned short": "uint16",
}  # fmt: skip


class Function:
    """`cupy.RawKernel`, which checks its launch: types of arguments, limits, the memory around."""

    def __init__(self, module, name):
        library = module._library
        self.name, self._module = name, module
        self._parameters = module._kernels[name]
        self._call = ctypes.cast(getattr(library, f"shim_call_{name}"), ctypes.c_void_p)
        self._cluster = ctypes.c_uint.in_dll(library, f"shim_cluster_{name}").value
        # A thread has at most 255 registers and a block 65536, so 256 threads always find room;
        # for more, the compiler has to know how many there will be.
        self._most = ctypes.c_uint.in_dll(library, f"shim_threads_{name}").value or 256
        self.max_dynamic_shared_size_bytes = 48 << 10

    def __setattr__(self, name, value):
        if name == "max_dynamic_shared_size_bytes" and value > SHARED_LIMIT:
            raise LaunchError(
                f"{self.name}: {value} bytes of shared memory, at most {SHARED_LIMIT}"
            )
        super().__setattr__(name, value)

    def __call__(self, grid, block, args, *, shared_mem=0):
        self.kernel(grid, block, args, shared_mem)

    @property
    def kernel(self):
        """The `cupy.cuda.Function`."""
        return self._launch

    def _launch(
        self, grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False
    ):
        assert stream is None and type(grid) is type(block) is tuple
        (blocks,), (threads,) = grid, block
        self._check_size(blocks, threads, shared_mem, enable_cooperative_groups)
        if len(args) != len(self._parameters):
            raise LaunchError(
                f"{self.name} takes {len(self._parameters)} arguments, not {len(args)}"
            )
        values = [
            self._value(*parameter, given)
            for parameter, given in zip(self._parameters, args, strict=True)
        ]
        self._check_overlaps(args)
        pointers = (ctypes.c_void_p * max(1, len(values)))(*map(ctypes.addressof, values))
        message = ctypes.create_string_buffer(1000)
        order, seed = _order.get()
        failed = _runtime().shim_launch(
            self._call, pointers, blocks, threads, shared_mem, self._cluster,
            enable_cooperative_groups, self._module._real == "float", ORDERS[order], seed,
            message, len(message),
        )  # fmt: skip
        if failed:
            said = f"{self.name}: {message.value.decode()}"
            raise LaunchError(self._module.with_lines(said))
        for (_, name, _), given in zip(self._parameters, args, strict=True):
            if isinstance(given, arrays.ndarray) and not given._owner.is_sound():
                raise LaunchError(f"{self.name} has written outside of {name}")

    def _check_size(self, blocks, threads, shared, cooperative):
        if not (0 < blocks < 2**31 and 0 < threads <= min(1024, self._most)):
            most = f"at most {self._most} by its BLOCK_OF, or by default"
            raise LaunchError(f"{self.name}: {blocks} blocks of {threads} threads, {most}")
        if shared > self.max_dynamic_shared_size_bytes:
            raise LaunchError(
                f"{self.name}: {shared} bytes of shared memory, where "
                f"max_dynamic_shared_size_bytes is {self.max_dynamic_shared_size_bytes}"
            )
        if self._cluster and (blocks % self._cluster or self._cluster > 8):
            raise LaunchError(f"{self.name}: {blocks} blocks in clusters of {self._cluster}")
        together = min(2048 // threads, (SHARED_LIMIT + 1024) // (shared + 1024))
        if cooperative and blocks > MULTIPROCESSORS * together:
            raise LaunchError(f"{self.name}: {blocks} blocks cannot run at the same time")

    def _value(self, kind, name, _restrict, given):
        kind = kind.removeprefix("const ").strip()
        where = f"{self.name}: argument {name} is declared {kind}"
        if kind.endswith("*"):
            return ctypes.c_void_p(self._pointer(kind.rstrip("* "), where, given))
        if not isinstance(given, np.generic) or given.dtype != _DTYPES[kind]:
            raise LaunchError(f"{where}, but {type(given).__name__} came")
        return ctypes.create_string_buffer(given.tobytes(), given.nbytes)

    def _pointer(self, kind, where, given):
        if isinstance(given, np.uint64) and given == 0:
            return 0
        if not isinstance(given, arrays.ndarray):
            raise LaunchError(f"{where} *, but {type(given).__name__} came")
        flags = given.flags
        if not (flags.c_contiguous or flags.f_contiguous):
            raise LaunchError(f"{where} *, but the array is not contiguous")
        kind = kind.removesuffix(" const")
        wide = kind == "real4"
        wanted = _DTYPES[self._module._real if wide else kind]
        if given.dtype != wanted and not (wanted == "uint8" and given.dtype == bool):
            raise LaunchError(f"{where} *, but an array of {given.dtype} came")
        if given.data.ptr % (16 if wide else given.itemsize):
            raise LaunchError(f"{where} *, but the array is not aligned")
        return given.data.ptr

    def _check_overlaps(self, args):
        """Arrays behind RESTRICT share no memory with any that is written."""
        spans = [
            (kind, name, restrict, a.data.ptr, a.data.ptr + a.nbytes)
            for (kind, name, restrict), a in zip(self._parameters, args, strict=True)
            if isinstance(a, arrays.ndarray) and a.size
        ]
        for i, (kind, name, restrict, begin, end) in enumerate(spans):
            for other_kind, other, other_restrict, start, stop in spans[:i]:
                constant = kind.startswith("const") and other_kind.startswith("const")
                if (restrict or other_restrict) and not constant and begin < stop and start < end:
                    raise LaunchError(f"{self.name}: {other} and {name} overlap")
