"""The backward passes in a Python file, and the forward passes that belong to them, by name.
The file is imported under a name of its own, so what stands below `__main__` is not run."""

from __future__ import annotations

import _thread
import ast
import importlib.util
import inspect
import io
import re
import signal
import sys
import threading
import tokenize
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from minilstm.checks import did_you_mean
from minilstm.errors import DataError
from minilstm.proof.adapters.attributes import BACKWARD, FORWARD
from minilstm.proof.adapters.conventions import is_gradient, parameters_of
from minilstm.proof.adapters.frameworks import framework_of

EXAMPLES = ("gradcheck_inputs", "example_inputs")  # what a file may call its own inputs
_COMMENT = re.compile(r"#\s*gradients:\s*(\w+(?:\s*,\s*\w+)?)\s*")
# What a word of a forward function's name becomes in that of the backward one.
_WORDS = {"forward": ("backward", "backprop", "grad"), "fwd": ("bwd",), "fprop": ("bprop",)}
_WORDS |= {"Forward": ("Backward",), "feedforward": ("backprop",)}
# Around the name of a function without such a word.
_AROUND = (
    "{}_backward", "{}_grad", "{}_gradient", "{}_bwd", "{}_backprop", "backward_{}", "grad_{}",
    "{}_prime", "{}_derivative", "d_{}", "d{}",
)  # fmt: skip
_STOPPED = "__stopped__"  # what a module keeps of where it stopped: [line, sentence]
_BOTH = re.compile(r".*(loss|and_grad).*")  # may return both
_ACTIVATION = re.compile(r"relu|sigm|tanh|elu|soft|swish|act|loss|cost|mse|entropy|phi|sin|cos|exp")
_COST = re.compile(r"(\w*?)_?(?:cost|loss|objective)(?:_?function|_?fn|Function)?")


SECONDS = 60.0  # for running a file, and for one backward pass of it


@contextmanager
def limited(what: str) -> Iterator[None]:
    """Within the block code of someone else's may run for a minute; TimeoutError then."""
    late = threading.Event()
    main = threading.main_thread()

    def ring() -> None:
        late.set()
        if hasattr(signal, "pthread_kill") and main.ident is not None:
            signal.pthread_kill(main.ident, signal.SIGINT)  # ends a sleep as well
        else:
            _thread.interrupt_main()

    timer = threading.Timer(SECONDS, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt as error:
        if not late.is_set():
            raise
        raise TimeoutError(f"{what} took longer than {SECONDS:g} s, so it was ended") from error
    finally:
        timer.cancel()


class Found(NamedTuple):
    """Something in a file that has a backward pass."""

    name: str
    line: int
    forward: Any  # a function, a class, or an object
    backward: Any  # a function, or None where the first has both
    sure: bool = True  # False for a loss that may return gradients, or something else
    fault: str = ""  # why it cannot be checked at all


def load(path: Path) -> ModuleType:
    """The module of a file, as far as it runs; DataError where nothing of it can be run."""
    spec = importlib.util.spec_from_file_location(f"checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        book = f"first `jupyter nbconvert --to script {path.name}`, then check what it writes"
        ask = book if path.suffix == ".ipynb" else "give one that ends in .py"
        raise DataError(f"{path} is no Python file; {ask}.")
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    words, sys.argv = sys.argv, [str(path)]  # the words of this command are not for the file
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        with limited(f"running {path.name}"):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        what = f"{path}{_line(error, path)} ({_said(error)}); correct it"
        if isinstance(error, SyntaxError):
            raise DataError(f"{what}.") from error
        what += ", or put what is no function below `if __name__ == '__main__':`."
        setattr(module, _STOPPED, [*(_lines(error, path) or [1])[-1:], what])
    finally:
        sys.argv = words
        with suppress(ValueError):
            sys.path.remove(str(path.parent.absolute()))
        sys.dont_write_bytecode = before
    return module


def find(path: Path, module: ModuleType, comments_only: bool = False) -> list[Found]:
    """Everything in a file that can be checked, in the order of its lines.

    Comments `# gradients: forward, backward` go before names; one that names what is not there has
    a fault, and so has the file where it stopped. DataError is raised where it stopped before all.
    """
    stopped = getattr(module, _STOPPED, None)
    found = [_of_comment(names, line, module, path) for line, names in comments_in(path)]
    used = {id(thing) for one in found for thing in (one.forward, one.backward)}
    own = {} if comments_only else {n: t for n, t in vars(module).items() if _is_own(t, path)}
    for name, thing in own.items():
        if id(thing) in used:
            continue
        if isinstance(thing, type):
            names = {name for base in thing.__mro__[:-1] for name in vars(base)}
            methods = names & {*FORWARD} and names & {*BACKWARD}
            if methods and framework_of(thing) != "function" and "torch" in str(thing.__mro__):
                continue
            if methods:
                found.append(Found(name, _first_line(thing), thing, None))
            continue
        partner = next((n for n in _partners(name) if n in own and n != name), None)
        if partner is not None:
            same = parameters_of(thing).names == parameters_of(own[partner]).names
            doubt = partner == f"d{name}" or ("forward" in name and same)
            sure = not doubt or _is_derivative(name, own[partner])
            found.append(Found(name, _first_line(thing), thing, own[partner], sure))
            used |= {id(thing), id(own[partner])}
            more = [n for n in own if n.startswith(f"{partner}_") and id(own[n]) not in used]
            for other in more if "backward" in partner and sure else []:  # as f_backward_alt
                if parameters_of(own[other]).names == parameters_of(own[partner]).names:
                    found.append(Found(other, _first_line(own[other]), thing, own[other]))
                    used.add(id(own[other]))
        elif framework_of(thing) == "jax" or _BOTH.fullmatch(name):
            sure = framework_of(thing) == "jax" or _returns_gradients(thing)
            found.append(Found(name, _first_line(thing), thing, None, sure))
    taken = {id(one.backward) for one in found if one.backward is not None}
    found = [one for one in found if id(one.forward) not in taken]
    if stopped is not None:
        if not found:
            raise DataError(stopped[1])
        found.append(Found(path.name, stopped[0], None, None, fault=stopped[1]))
    return sorted(found, key=lambda one: one.line)


def comments_in(path: Path) -> list[tuple[int, str]]:
    """(line, names) of each comment `# gradients: ...` of a file; none in what is no Python.

    One is meant where it has one or two names, of which the file has one, or one like it; anything
    else is prose.
    """
    text = path.read_bytes()
    if b"gradients:" not in text:
        return []
    try:
        tokens = [*tokenize.tokenize(io.BytesIO(text).readline)]
        names = _names_in(ast.parse(text))
    except (SyntaxError, tokenize.TokenError):
        return []
    matches = (
        (t.start[0], _COMMENT.fullmatch(t.string)) for t in tokens if t.type == tokenize.COMMENT
    )
    return [
        (line, match[1]) for line, match in matches
        if match is not None
        and any(n in names or did_you_mean(n, names) for n in re.findall(r"\w+", match[1]))
    ]  # fmt: skip


def _names_in(tree: ast.Module) -> list[str]:
    """What the outermost statements of a file name, without running it."""
    made = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, made)]
    aside = [node for node in tree.body if not isinstance(node, made)]
    for node in (part for one in aside for part in ast.walk(one)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.alias):
            names.append((node.asname or node.name).partition(".")[0])
        elif isinstance(node, made):
            names.append(node.name)
    return names


def _of_comment(words: str, line: int, module: ModuleType, path: Path) -> Found:
    names = [word.strip() for word in words.split(",")]
    known = [n for n, thing in vars(module).items() if not n.startswith("_")]
    for name in names:
        if not hasattr(module, name):
            fault = (
                f"{path}, line {line}: the comment names {name!r}, which the file does not "
                f"have{did_you_mean(name, known)}; write '# gradients: forward, backward' with "
                "two of its functions, or '# gradients: layer' with one object."
            )
            return Found(words, line, None, None, fault=fault)
    things = [getattr(module, name) for name in names]
    return Found(names[0], line, things[0], things[1] if len(things) > 1 else None)


def _returns_gradients(function: Any) -> bool:
    """Whether a function returns something that is called like a gradient behind a loss."""
    try:
        source = inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):
        return False
    return any(map(is_gradient, re.findall(r"return [^\n,]+, *\(?(\w+)", source)))


def _is_derivative(name: str, backward: Any) -> bool:
    """Whether a pair as f and df, which many words are by chance, is one beyond doubt."""
    taken = parameters_of(backward).names
    return len(name) == 1 or _ACTIVATION.search(name) is not None or any(map(is_gradient, taken))


def _partners(name: str) -> list[str]:
    """What the backward function of a forward function may be called."""
    if match := _COST.fullmatch(name):
        more = [f"{match[1]}{word}" for word in ("gradient", "grad", "_gradient", "_grad")]
        return [*(pattern.format(name) for pattern in _AROUND), *more]
    swapped = [
        re.sub(word, other, name)
        for word, others in _WORDS.items() if word in name for other in others
    ]  # fmt: skip
    return swapped or [pattern.format(name) for pattern in _AROUND]


def _is_own(thing: Any, path: Path) -> bool:
    """Whether a file defines a function or a class itself."""
    try:
        return callable(thing) and Path(inspect.getsourcefile(inspect.unwrap(thing)) or "") == path
    except TypeError:
        return isinstance(thing, type) and thing.__module__ == f"checked_{path.stem}"


def _first_line(thing: Any) -> int:
    try:
        return inspect.getsourcelines(inspect.unwrap(thing))[1]
    except (OSError, TypeError):
        return 1


def _line(error: BaseException, path: Path) -> str:
    """Where in a file an error came up, to stand behind its name."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f", line {error.lineno}, is no Python"
    lines = _lines(error, path)
    return f" stops in line {lines[-1]}" if lines else " cannot be run"


def _lines(error: BaseException, path: Path) -> list[Any]:
    """The lines of a file that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.lineno for frame in frames if Path(frame.filename) == path]


def _said(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}".rstrip(": ")
