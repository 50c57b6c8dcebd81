"""The backend CuPy where something is missing: one sentence that says what, before work starts.
Packages that stand for CuPy raise what the real one raises on such a machine."""

import json
import subprocess
import sys
import textwrap

import pytest
from agreement import refuses

import minilstm as ml
from minilstm import backend as switch
from minilstm.command_line.cli import main

NO_CUPY = (
    "the backend 'cupy' needs CuPy, which is not installed: pip install 'minilstm[cuda12]' (or "
    "'minilstm[cuda13]' for a driver of CUDA 13), or choose the backend 'numba' or 'numpy'."
)
RUNTIME = """
class CUDARuntimeError(RuntimeError):
    pass
def getDeviceCount():
    {count}
def getDevice():
    return 0
def getDeviceProperties(device):
    return {{"major": {major}, "minor": 1}}
"""
# What `cupy.ones` raises where it cannot compile its kernel.
NO_HEADERS = """
class CompileException(Exception):
    pass
def ones(shape):
    {raises}
"""
# What `cupy/__init__.py` says when its own libraries do not load.
NO_LIBRARY = '''
raise ImportError("""
================================================================
Failed to import CuPy.

If you installed CuPy via wheels (cupy-cudaXXX), make sure that the package matches with the version
of CUDA installed.

Original error:
  ImportError: libcudart.so.12: cannot open shared object file: No such file or directory
================================================================
""")
'''
LIBRARIES = {
    "runtime": "return 1", "cublas": "", "nvrtc": "def getVersion():\n    return 12, 9",
}  # fmt: skip
MACHINES = {
    "no driver": {
        "runtime": 'raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is '
        'insufficient for CUDA runtime version")',
    },
    "no device": {
        "runtime": 'raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")'
    },
    "none": {"runtime": "return 0"},
    "too old": {"runtime": "return 1", "major": 6},
    "no library": {"package": NO_LIBRARY, "runtime": "return 1"},
    "no products": {
        "runtime": "return 1",
        "cublas": "raise ImportError('Failure finding \"libcublas.so.12\"')",
    },
    "no compiler": {
        "runtime": "return 1",
        "cublas": "",
        "nvrtc": "def getVersion():\n    raise RuntimeError('Failure finding \"libnvrtc.so.12\"')",
    },
    "no headers": {
        **LIBRARIES,
        "package": NO_HEADERS.format(raises="raise RuntimeError('Failed to find CUDA headers')"),
    },
    "no header": {
        **LIBRARIES,
        "package": NO_HEADERS.format(
            raises="raise CompileException('a.cuh(12): catastrophic error: cannot open source file "
            '"cuda_fp16.h"\\n\\n1 error detected.\\nCompilation terminated.\\n\')'
        ),
    },
    "busy": {
        **LIBRARIES,
        "package": NO_HEADERS.format(
            raises="raise cuda.runtime.CUDARuntimeError('cudaErrorDevicesUnavailable: CUDA-capable "
            "device(s) is/are busy or unavailable')"
        ),
    },
}
MESSAGES = {
    "no driver": "DeviceError: the backend 'cupy' needs an NVIDIA GPU that CuPy can use, but it "
    "says: cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime "
    "version; check the driver with nvidia-smi, or choose the backend 'numba' or 'numpy'.",
    "no device": "DeviceError: the backend 'cupy' needs an NVIDIA GPU that CuPy can use, but it "
    "says: cudaErrorNoDevice: no CUDA-capable device is detected; check the driver with "
    "nvidia-smi, or choose the backend 'numba' or 'numpy'.",
    "none": "DeviceError: the backend 'cupy' needs an NVIDIA GPU that CuPy can use, but it found "
    "none; check the driver with nvidia-smi, or choose the backend 'numba' or 'numpy'.",
    "too old": "DeviceError: the backend 'cupy' needs a GPU of compute capability 7.0 or later, "
    "but this one has 6.1; choose another with CUDA_VISIBLE_DEVICES, or the backend 'numba' or "
    "'numpy'.",
    "no library": "ImportError: the backend 'cupy' needs CuPy, which is installed but cannot be "
    "imported (ImportError: libcudart.so.12: cannot open shared object file: No such file or "
    "directory); install one that fits your CUDA libraries: pip install 'minilstm[cuda12]' or "
    "'minilstm[cuda13]', or choose the backend 'numba' or 'numpy'.",
    "no products": "ImportError: the backend 'cupy' needs NVIDIA's cuBLAS and NVRTC, which CuPy "
    'cannot load (Failure finding "libcublas.so.12"); install the CUDA toolkit, or pip install '
    "'cupy-cuda12x[ctk]' (or 'cupy-cuda13x[ctk]'), or choose the backend 'numba' or 'numpy'.",
    "no compiler": "ImportError: the backend 'cupy' needs NVIDIA's cuBLAS and NVRTC, which CuPy "
    'cannot load (Failure finding "libnvrtc.so.12"); install the CUDA toolkit, or pip install '
    "'cupy-cuda12x[ctk]' (or 'cupy-cuda13x[ctk]'), or choose the backend 'numba' or 'numpy'.",
    "no headers": "ImportError: the backend 'cupy' needs CuPy to compile kernels, but it says: "
    "Failed to find CUDA headers; where the headers of CUDA are missing, install the CUDA "
    "toolkit, or pip install 'cupy-cuda12x[ctk]' (or 'cupy-cuda13x[ctk]'); or choose the backend "
    "'numba' or 'numpy'.",
    "no header": "ImportError: the backend 'cupy' needs CuPy to compile kernels, but it says: "
    'a.cuh(12): catastrophic error: cannot open source file "cuda_fp16.h"; where the headers of '
    "CUDA are missing, install the CUDA toolkit, or pip install 'cupy-cuda12x[ctk]' (or "
    "'cupy-cuda13x[ctk]'); or choose the backend 'numba' or 'numpy'.",
    "busy": "DeviceError: the backend 'cupy' needs an NVIDIA GPU that runs its kernels, but it "
    "says: cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable; check "
    "with nvidia-smi, or choose the backend 'numba' or 'numpy'.",
}


def write_cupy(folder, package="", runtime="return 1", major=8, **parts):
    """A package that stands for CuPy, which warns when it is imported, as CuPy may."""
    warn = "import warnings; warnings.warn('CUDA path could not be detected.')\n"
    (folder / "cupy/cuda").mkdir(parents=True)
    start = warn + package + "\nfrom cupy import cuda\n__version__ = '14.2.0'\n"
    (folder / "cupy/__init__.py").write_text(start)
    (folder / "cupy/cuda/__init__.py").write_text("from cupy.cuda import runtime\n")
    (folder / "cupy/cuda/runtime.py").write_text(RUNTIME.format(count=runtime, major=major))
    for name, text in parts.items():
        (folder / f"cupy/cuda/{name}.py").write_text(text)


def run(folder, program):
    """What a fresh interpreter prints that finds the package first; warnings are errors."""
    before = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", before + textwrap.dedent(program)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def test_every_machine_has_its_message():
    assert MACHINES.keys() == MESSAGES.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_one_sentence_says_what_is_missing(machine, tmp_path):
    write_cupy(tmp_path, **MACHINES[machine])
    lines = run(
        tmp_path,
        """
        import numpy as np, minilstm as ml

        def told(do):
            try:
                do()
            except (ImportError, ml.DeviceError) as error:
                print(f"{type(error).__name__}: {error}")

        told(lambda: ml.set_backend("cupy"))
        told(lambda: ml.use_backend("cupy").__enter__())
        options = ml.TrainingOptions(execution_environment="gpu")
        told(lambda: ml.train(None, None, None, options=options))
        print(ml.backend.current_backend().name != "cupy", ml.backend.gpu_devices())
        with ml.use_backend("numpy"), ml.count_transfers() as moved:
            ml.Network([ml.SequenceInput(1), ml.LSTM(2)], rng=np.random.default_rng(0)).predict(
                np.ones((3, 1))
            )
        print(moved.to_device)
        """,
    )
    assert lines == [MESSAGES[machine]] * 3 + ["True []", "0"]


def test_without_cupy_the_error_names_the_extras(monkeypatch, capsys):
    monkeypatch.setattr(switch, "is_installed", lambda package: package != "cupy")
    monkeypatch.setitem(sys.modules, "cupy", None)
    switch._cupy.cache_clear()
    for do in (lambda: ml.set_backend("cupy"), lambda: ml.use_backend("cupy").__enter__()):
        with refuses(NO_CUPY, ImportError):
            do()
    with ml.use_backend("auto"), refuses(NO_CUPY, ImportError):
        ml.train(None, None, None, options=ml.TrainingOptions(execution_environment="gpu"))
    assert switch.gpu_devices() == [] and switch.cupy_version() is None
    assert main(["gradcheck", "--backend", "cupy"]) == 2
    assert capsys.readouterr() == ("", f"minilstm: {NO_CUPY}\n")


def test_a_command_says_in_one_line_that_there_is_no_gpu(tmp_path):
    write_cupy(tmp_path, **MACHINES["no device"])
    lines = run(
        tmp_path,
        """
        from minilstm.command_line.cli import main
        sys.stderr = sys.stdout
        assert main(["info", "--backend", "cupy", "--json"]) == 2
        assert main(["info", "--json"]) == 0
        assert main(["info"]) == 0
        """,
    )
    message = MESSAGES["no device"].removeprefix("DeviceError: ")
    assert lines[0] == f"minilstm: {message}"
    assert json.loads(lines[1]) == {"error": message, "exit_code": 2}
    facts = json.loads(lines[2])
    assert (facts["cupy"], facts["gpus"]) == ("14.2.0", [])
    assert lines[-2:] == ["cupy         14.2.0", f"gpu          none: {message}"]


def test_info_says_that_cupy_cannot_be_imported(tmp_path):
    write_cupy(tmp_path, **MACHINES["no library"])
    lines = run(tmp_path, "from minilstm.command_line.cli import main; assert main(['info']) == 0")
    message = MESSAGES["no library"].removeprefix("ImportError: ")
    assert lines[-2:] == ["cupy         cannot be imported", f"gpu          none: {message}"]


def test_nothing_but_the_backend_itself_imports_cupy(tmp_path):
    write_cupy(tmp_path, package="raise AssertionError('CuPy was imported')")
    lines = run(
        tmp_path,
        """
        import numpy as np, minilstm as ml
        [getattr(ml, name) for name in ml.__all__]
        layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
        options = ml.TrainingOptions(max_epochs=1, verbose=False)
        x, y = [np.ones((3, 1))] * 2, [[0, 1, 0]] * 2
        for name in ("numpy", "auto"):
            with ml.use_backend(name), ml.count_transfers() as moved:
                net, _ = ml.train(x, y, layers, options=options)
                net.stream().step([1.0])
                ml.gradcheck(net, x, y)
        print(*(name for name in sys.modules if "cupy" in name or "cuda" in name))
        """,
    )
    assert lines == [""]


def test_info_names_the_devices(cupy_backend, capsys):
    assert main(["info"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("gpu "))
    assert "compute capability" in line and line.endswith(" MB")
    assert main(["info", "--json"]) == 0
    device = json.loads(capsys.readouterr().out)["gpus"][0]
    assert device.keys() == {"name", "compute_capability", "memory_mb"}
    assert device["memory_mb"] > 1000


def test_the_proof_of_the_engine_runs_on_the_device(cupy_backend, capsys):
    assert main(["gradcheck", "--backend", "cupy", "--layer", "LSTM", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["backend"] == "cupy" and facts["wrong"] == 0 and facts["max_error"] < 1e-13
