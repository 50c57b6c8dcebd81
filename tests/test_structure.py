"""The shape of the code: which room may import which, and what a program has to load.
Imports are read from the source, those inside functions too, so no test run can miss one."""

import ast
import re
import subprocess
import sys
import textwrap
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import Backend

ROOT = Path(__file__).parents[1]
FACADE = "minilstm"
LINES = 400

# What each room may import of the package besides itself; every room stands below its users.
# For every room that stands above them.
OPEN_TO_ALL = {"functional", "errors", "arrays", "paths", "pages", "checks", "logs"}
NETWORK = {"data", "plots", "layers", "losses", "backend", "checks", "files"}
MAY_IMPORT = {
    "errors": set(),
    "arrays": {"errors"},
    "paths": set(),
    "files": set(),
    "pages": set(),
    "checks": set(),
    "logs": set(), "control_groups": set(),
    "version": set(),
    "exchange.incoming.formats": {"checks"},  # so low that the network reads files with it
    "functional": set(),
    "kernels": {"functional", "errors", "control_groups"},
    "record": {"functional"},
    "backend": {"functional", "kernels", "record"},
    "data": {"errors", "files", "checks"},
    "plots": {"errors", "files"},
    "layers": {"backend", "checks"},
    "losses": {"layers", "backend"},
    "network.graph": {"layers", "plots", "checks"},
    "network.passes": {"network.graph", "losses", "layers", "backend", "data", "control_groups"},
    "network": {"exchange.incoming.formats", "network.graph", "network.passes", *NETWORK,
                "version"},
    "exchange.incoming": {"exchange.incoming.formats", "network", "network.graph", "layers"},
    "evaluation": {"network", "network.graph", "network.passes", *NETWORK},
    "training": {"evaluation", "network", "network.graph", "network.passes", *NETWORK, "version"},
    "sklearn": {
        "training", "evaluation", "network", "network.graph", "network.passes", *NETWORK,
    },
    "proof": set(), "proof.derivatives": set(),
    "proof.rounding": set(),
    "proof.reports": {"proof.derivatives", "files"},
    "proof.causes": {"proof.reports", "proof.derivatives"},
    "proof.adapters": {"proof.reports", "proof.derivatives"},
    "proof.checker": {
        "proof.adapters", "proof.causes", "proof.reports", "proof.derivatives", "network",
        "network.graph", "network.passes", *NETWORK,
    },
    "proof.conformance": {
        "proof.adapters", "proof.checker", "proof.causes", "proof.reports", "proof.derivatives",
    },
    "proof.engine": {
        "proof.checker", "proof.causes", "proof.reports", "proof.derivatives", "proof.rounding",
        "training", "network", "network.graph", "network.passes", *NETWORK,
    },
    "lessons": {"proof.adapters", "proof.checker", "proof.conformance", "data", "files", "checks"},
    "exchange": {
        "exchange.incoming", "exchange.incoming.formats", "proof.rounding", "network",
        "network.graph", "network.passes", *NETWORK, "version",
    },
    "gradcheck": {"proof.checker", "proof.derivatives", "proof.reports"},
    "naming": {"network.graph"},
    "pytest_plugin": {"proof.adapters", "proof.checker", "proof.reports", "files"},
    "bench": {
        "proof.engine", "training", "network", "network.graph", "network.passes", *NETWORK,
        "version",
    },
    "command_line": {
        "bench", "lessons", "evaluation", "exchange", "exchange.incoming", "proof.engine",
        "proof.conformance", "proof.checker", "proof.causes", "proof.reports", "proof.derivatives",
        "proof.rounding", "training", "network", "network.graph", "network.passes", *NETWORK,
        "version",
    },
    "__main__": {"command_line"},
}  # fmt: skip
# Elsewhere NumPy alone.
AT_MODULE_LEVEL = {
    "kernels": {"numpy", "numba", "llvmlite", "cupy"},
    "pytest_plugin": {"pytest"},
    "sklearn": {"numpy", "sklearn"},
}
# Everything else a room may need is imported where it is used, and nowhere but there.
LAZILY = {
    "kernels": {"cupy", "numba"},
    "data": {"scipy", "matio", "h5py", "openpyxl", "pandas", "pyarrow", "tomllib"},
    "evaluation": {"sklearn"},
    "exchange": {"onnxruntime"},
    "command_line": {"shtab"},
    "plots": {"matplotlib", "IPython"},
    "training": {"tqdm", "mpi4py"},
    "bench": {"torch", "onnx", "onnxruntime", "openvino"},
}


def sources(*folders):
    """Source files, without the link by which a checkout finds its kernels as a subpackage."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return [p for p in found if p.relative_to(ROOT).parts[:2] != ("minilstm", "kernels")]


@cache
def modules():
    """Files of the package by module name; the folder kernels ships as minilstm.kernels."""
    named = {}
    for path in sources("minilstm", "kernels"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = (FACADE, *parts) if parts[0] == "kernels" else parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def room(module):
    """The innermost room that holds a module."""
    name = module.removeprefix(f"{FACADE}.")
    while name not in MAY_IMPORT and "." in name:
        name = name.rpartition(".")[0]
    return name


class _Imports(ast.NodeVisitor):
    """Every module that a file imports, with the names taken from it and where it happens."""

    def __init__(self, module, is_package):
        self.package = module if is_package else module.rpartition(".")[0]
        self.found, self.inside_function, self.for_types = [], False, False

    def add(self, module, names=()):
        self.found.append((module, tuple(names), self.inside_function, self.for_types))

    def visit_Import(self, node):
        for name in node.names:
            self.add(name.name)

    def visit_ImportFrom(self, node):
        base = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
        start = ".".join(base) if node.level else ""
        self.add(".".join(filter(None, [start, node.module])), [n.name for n in node.names])

    def visit_FunctionDef(self, node):
        before, self.inside_function = self.inside_function, True
        self.generic_visit(node)
        self.inside_function = before

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        before = self.for_types
        self.for_types = before or "TYPE_CHECKING" in ast.unparse(node.test)
        self.generic_visit(node)
        self.for_types = before


def imports(module):
    path = modules()[module]
    visitor = _Imports(module, path.name == "__init__.py")
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


def inner_imports(module):
    """Modules of the package that a module imports; names in a package count as its modules."""
    found = set()
    for target, names, _, _ in imports(module):
        if target.split(".")[0] != FACADE:
            continue
        parts = [f"{target}.{name}" for name in names]
        found |= {part for part in parts if part in modules()}
        if not names or any(part not in modules() for part in parts):
            found.add(target)
    return found - {module}


def outer_imports(module):
    """(root of a third-party package, whether inside a function); imports for types left out."""
    return {
        (target.split(".")[0], inside)
        for target, _, inside, for_types in imports(module)
        if not for_types and target.split(".")[0] not in {*sys.stdlib_module_names, FACADE}
    }


INNER = [m for m in modules() if m != FACADE]


# ---------------------------------------------------------------- arrows


def test_the_rooms_stand_above_one_another():
    seen = set()
    for name, below in MAY_IMPORT.items():
        assert below <= seen, f"{name} is listed above a room that it may import"
        seen.add(name)


@pytest.mark.parametrize("module", INNER)
def test_arrows_between_rooms_only_run_downwards(module):
    here = room(module)
    assert here in MAY_IMPORT, f"{module} belongs to no room: give it one in this test"
    for target in inner_imports(module) - {FACADE}:
        assert target in modules(), f"{module} imports {target}, which does not exist"
        there = room(target)
        allowed = MAY_IMPORT[here] | OPEN_TO_ALL | {here}
        assert there in allowed, f"{module} imports {target}"


@pytest.mark.parametrize("module", INNER)
def test_no_room_uses_the_public_face(module):
    taken = [names for target, names, _, _ in imports(module) if target == FACADE]
    taken = [n for names in taken for n in (names or ["*"]) if f"{FACADE}.{n}" not in modules()]
    assert not taken


def test_only_the_switch_opens_the_kernels_and_only_when_asked():
    users = {m for m in INNER for t in inner_imports(m) if "kernels" in t and room(m) != "kernels"}
    assert users == {"minilstm.backend"}
    for target, _, inside, _ in imports("minilstm.backend"):
        assert inside or "kernels" not in target


LOSSES = {
    "absolute_error", "binary_cross_entropy", "cross_entropy", "huber", "squared_error",
    "sigmoid_binary_cross_entropy",
}  # fmt: skip
ON_NUMPY = {f"{name}_{way}" for name in {*LOSSES, "sigmoid"} for way in ("forward", "backward")}


@pytest.mark.parametrize(
    ("kernels", "missing"),
    [
        ("numba", ON_NUMPY | {"gradient_scale", "to_device", "to_host"}),
        ("cuda", {"make_stepper", "solver_steps"}),
    ],
)
def test_kernels_hand_on_functions_of_the_record_alone_and_numpy_does_what_they_miss(
    kernels, missing
):
    taken = {name for _, names, _, _ in imports(f"minilstm.kernels.{kernels}") for name in names}
    functions = {f.name for f in fields(Backend)} - {"name", "gpu_bytes"}
    assert taken <= functions and functions - taken == missing


def test_no_module_imports_itself_through_others():
    arrows = {m: inner_imports(m) - {FACADE} for m in INNER}
    done = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in sorted(arrows[module]):
                visit(target, [*path, module])
            done.add(module)

    for module in arrows:
        visit(module, [])
    assert done == set(INNER) and len(done) > 40


@pytest.mark.parametrize("module", [FACADE, *INNER])
def test_third_parties_are_numpy_at_the_top_and_the_rest_where_used(module):
    here = room(module) if module != FACADE else FACADE
    top = AT_MODULE_LEVEL.get(here, {"numpy"})
    assert {name for name, inside in outer_imports(module) if not inside} <= top
    lazily = {name for name, inside in outer_imports(module) if inside}
    assert lazily <= {"numpy"} | LAZILY.get(here, set())


# ---------------------------------------------------------------- files


FILES = sources("minilstm", "kernels", "tests", "examples")


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(ROOT)) for p in FILES])
def test_every_file_opens_with_two_sentences_and_stays_short(path):
    text = path.read_text()
    opening = ast.get_docstring(ast.parse(text)) or ""
    assert text.startswith(('"""', 'r"""', "#!")), "the docstring comes first"
    assert len(re.split(r"(?<=[.!?])\s+(?=\w)", opening)) >= 2, opening
    assert len(text.splitlines()) <= LINES


def test_nothing_unpickles():
    for path in sources("minilstm", "kernels", "examples"):
        text = path.read_text()
        roots = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(text))
            for name in (
                [n.name for n in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        forbidden = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve"}
        assert not roots & (forbidden | {"marshal"}), path
        assert not re.search(r"allow_pickle\s*=\s*True", text), path
        # One runs changes of a function that it was given to be run, one formulas of its tables.
        runs = ("proof/causes/repairs/search.py", "proof/causes/equations/variants.py")
        assert any(map(path.match, runs)) or not re.search(r"\b(eval|exec)\(", text), path


def test_tests_that_measure_time_or_memory_run_alone():
    measures = re.compile(r"tracemalloc\.start\(|perf_counter\(\)|process_time\(\)|getrusage\(")
    tests = [path for path in sources("tests") if path.name.startswith("test_")]
    measuring = [path for path in tests if measures.search(path.read_text())]
    assert len(measuring) >= 6
    for path in measuring:
        assert "pytest.mark.alone" in path.read_text(), path


# ---------------------------------------------------------------- what a program loads


def loaded_by(program, cwd=None):
    """Third-party packages that a fresh interpreter has loaded after a program."""
    lines = f"""
        import sys
        before = set(sys.modules)
        {textwrap.indent(textwrap.dedent(program), " " * 8).strip()}
        roots = {{name.split(".")[0] for name in set(sys.modules) - before}}
        roots -= {{*sys.stdlib_module_names, "minilstm", "cython_runtime"}}
        print(*sorted(r for r in roots if not r.startswith("_cython")))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(lines)],
        capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return set(done.stdout.split())


def test_importing_minilstm_loads_nothing_but_numpy():
    assert loaded_by("import minilstm") <= {"numpy"}
    public = "import minilstm as ml; [getattr(ml, name) for name in ml.__all__]"
    assert loaded_by(public) == {"numpy"}


def test_loading_and_predicting_needs_numpy_only(tmp_path):
    layers = [ml.SequenceInput(2, "zerocenter", [1, 2]), ml.LSTM(3), ml.FullyConnected(2)]
    net = ml.Network([*layers, ml.Softmax()], rng=np.random.default_rng(0), classes=["a", "b"])
    net.save(tmp_path / "model.safetensors")
    program = """
        import numpy as np, minilstm as ml
        net = ml.load("model.safetensors")
        with ml.use_backend("numpy"):
            scores, state = net.predict([np.ones((5, 2))], return_state=True)
            assert ml.scores_to_labels(scores, net.classes)[0].shape == (5,)
            assert net.stream().step([1.0, 2.0]).shape == (2,)
            net.save("again.safetensors")
    """
    assert loaded_by(program, tmp_path) == {"numpy"}


def test_silent_training_on_numpy_needs_numpy_only():
    program = """
        import numpy as np, minilstm as ml
        layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
        options = ml.TrainingOptions(max_epochs=1, verbose=False)
        with ml.use_backend("numpy"):
            ml.train(np.ones((3, 1)), [0, 1, 0], layers, options=options)
    """
    assert loaded_by(program) == {"numpy"}


# ---------------------------------------------------------------- the public face


def test_every_public_name_leads_somewhere_and_is_documented():
    for name in set(ml.__all__) - {"__version__"}:
        assert getattr(ml, name).__doc__, name
        assert name in dir(ml)
    with pytest.raises(AttributeError, match=r"^module 'minilstm' has no attribute 'nothing'$"):
        _ = ml.nothing


def test_functions_named_like_their_modules_stay_functions():
    program = """
        from minilstm.gradcheck import complex_step
        from minilstm.training.train import train
        import minilstm as ml
        assert callable(ml.gradcheck) and ml.train is train
    """
    assert loaded_by(program) == {"numpy"}
