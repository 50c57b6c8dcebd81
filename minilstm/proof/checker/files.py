"""All backward passes of a Python file checked: what was found, on which inputs, and the report.
The command check prints it; the pytest plugin makes a test of each comment.
"""

from __future__ import annotations

import copy
import inspect
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from minilstm.checks import counted, did_you_mean
from minilstm.errors import DataError
from minilstm.proof.adapters.adapt import pair_of
from minilstm.proof.adapters.attributes import methods_of
from minilstm.proof.adapters.conventions import parameters_of
from minilstm.proof.adapters.examples import possible_inputs, possible_objects, stated_shapes
from minilstm.proof.adapters.finding import EXAMPLES, Found, find, limited, load
from minilstm.proof.adapters.frameworks import TORCH, framework_of, with_signature
from minilstm.proof.adapters.names import label, paths_of
from minilstm.proof.adapters.objects import TARGETS
from minilstm.proof.checker.functions import problem_of
from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.reports.exports import element, xml_text
from minilstm.proof.reports.report import GradientReport

_MOST = 4000  # inputs that are tried for a function, at most
_SECONDS = 5.0  # and for how long


@dataclass(frozen=True)
class Checked:
    """What became of one backward pass of a file."""

    name: str
    line: int
    taken_for: str  # what was called, and with which inputs
    report: GradientReport | None  # None where it could not be checked
    fault: str = ""  # why not, or what its functions raised

    @property
    def verdict(self) -> str:
        """That of the report, such as "right" or "wrong", or "not checked"."""
        return "not checked" if self.report is None else self.report.verdict

    @property
    def passed(self) -> bool | None:
        """Whether its gradients are right; None where that is not known."""
        return {"right": True, "wrong": False}.get(self.verdict)

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts, lists, numbers and words, ready for JSON."""
        report = None if self.report is None else self.report.to_dict()
        more = {"passed": self.passed, "verdict": self.verdict, "report": report}
        return {**vars(self), **more}


def check_file(path: Path, names: Sequence[str] = (), seed: int = 0) -> Iterator[Checked]:
    """Check the backward passes of a file, or those of some names, one after the other.

    DataError is raised where the file cannot be run, has none, or has none of a name.
    """
    path = path.absolute()
    module = load(path)
    found = find(path, module)
    known = [one.name for one in found]
    for name in names:
        if name not in known:
            raise DataError(
                f"{path.name} has no backward pass called {name!r}{did_you_mean(name, known)}; "
                f"those that were found are {', '.join(known) or 'none'}."
            )
    none = (
        f"{path.name} has no backward pass that was found; call its functions f_forward and "
        "f_backward, or write the comment '# gradients: forward, backward'."
    )
    told = False
    for one in found:
        checked = check_found(one, module, seed) if not names or one.name in names else None
        if checked is not None and (one.sure or checked.report is not None or names):
            told = True
            yield checked
    if not told:
        raise DataError(none)


def check_found(found: Found, module: ModuleType, seed: int = 0) -> Checked:
    """Check one backward pass on the inputs of its file, or on such as are found by trial."""
    if found.fault:
        return Checked(found.name, found.line, found.name, None, found.fault)
    title = _title(found, found.forward, {})
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with limited(found.name), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            chosen = _chosen(found, module)
            if not (found.sure or chosen.fits):
                raise TypeError(f"{found.name} returns no loss with gradients")
            title = _title(found, chosen.subject, chosen.inputs)
            second = () if found.backward is None else (found.backward,)
            how: Any = {"wrt": chosen.wrt, "seed": seed, "raises": False}
            report = gradcheck(chosen.subject, *second, chosen.inputs, **how)
            other = found.backward is not None and (
                parameters_of(found.backward).names != parameters_of(found.forward).names
            )  # tanh_prime(y) of tanh(x) may take the output, sigmoid_prime(z) of sigmoid(z) not
            if other and "derivative" in chosen.way and not report.passed:
                again = gradcheck(chosen.subject, _of_output(found), chosen.inputs, **how)
                report = again if again.passed else report
            if not report.passed and not found.sure:
                raise TypeError(
                    f"{found.name} may have no gradient here; if it has one, say so with the "
                    "comment '# gradients: forward, backward'"
                )
            if not report.passed and _given(found.name, module) is None:
                if chosen.unfit:
                    raise DataError(
                        f"no inputs were found for which the gradients have the shapes of their "
                        f"arrays ({chosen.unfit}); {_advice(found.name, chosen.inputs)}"
                    )
                _ask_if_another_fits(found, chosen, how)
            likeness = chosen.problem.recognise() if chosen.problem and report.passed else None
    except Exception as error:  # a sentence of ours, or whatever the user's functions raise
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in frames if f.filename == str(module.__file__)]
        where = f"line {lines[-1]} raises {type(error).__name__}: " if lines else ""
        return Checked(found.name, found.line, title, None, f"{where}{error}")
    finally:
        np.random.set_state(before)  # noqa: NPY002
    title += f"; it is {likeness.title}" if likeness is not None else ""
    return Checked(found.name, found.line, title, report)


def _ask_if_another_fits(found: Found, chosen: _Chosen, how: Any) -> None:
    """Raise DataError where gradients that are wrong on guessed inputs are right on others."""
    subject, second = chosen.subject, () if found.backward is None else (found.backward,)
    called = getattr(subject, (methods_of(subject) or ("",))[0], subject)
    if framework_of(subject) or chosen.problem is None:
        return
    shapes = {name: np.shape(a) for name, a in paths_of(chosen.inputs)}
    end = time.monotonic() + _SECONDS / 5
    for inputs in possible_inputs(called, _MOST):
        if time.monotonic() > end:
            return
        if {name: np.shape(a) for name, a in paths_of(inputs)} == shapes:
            continue
        tried = _tried(subject, called, found.backward, inputs)
        if tried is not None and tried.fits:
            report = gradcheck(subject, *second, inputs, **{**how, "wrt": tried.wrt})
            if report.passed:
                raise DataError(
                    f"its gradients are right for some guessed shapes and wrong for others "
                    f"({_title(found, subject, inputs)}); {_advice(found.name, inputs)}"
                )
            return


def _of_output(found: Found) -> Any:
    """The backward pass of a derivative that takes what forward gives, as 1 - y**2 of a tanh."""

    def backward(dy: Any, x: Any) -> Any:
        return dy * found.backward(found.forward(x))

    backward.__name__ = f"{found.backward.__name__}, which takes the output,"
    return backward


class _Chosen(NamedTuple):
    """What a backward pass is tried on, and how well it goes."""

    subject: Any
    inputs: Any
    problem: Any = None  # None where backward does not run
    wrt: list[str] | None = None

    @property
    def way(self) -> str:
        """What was said of how backward is called."""
        return "" if self.problem is None else " ".join(self.problem.notes)

    @property
    def fits(self) -> bool:
        """Whether all gradients have the shapes of their arrays."""
        if self.problem is None:
            return False
        arrays, grads = self.problem.arrays, self.problem.claimed()
        return all(np.shape(g) == arrays[name].shape for name, g in grads.items())

    @property
    def unfit(self) -> str:
        """Guessed inputs, no docstring's, whose gradients have other shapes, in words."""
        if self.problem is None:
            return ""
        names = [label(path) for path, _ in paths_of(self.inputs)]
        called = getattr(self.subject, (methods_of(self.subject) or ("",))[0], self.subject)
        stated, arrays = stated_shapes(called, names), self.problem.arrays
        return ", ".join(
            f"{name} {arrays[name].shape}, its gradient {np.shape(g)}"
            for name, g in self.problem.claimed().items()
            if name in names and name not in stated and np.shape(g) != arrays[name].shape
        )


def _chosen(found: Found, module: ModuleType) -> _Chosen:
    """An object or function with inputs: the first for which all gradients have shapes that fit."""
    given = _given(found.name, module)
    subjects = [found.forward]
    if isinstance(found.forward, type) and not framework_of(found.forward):
        subjects = list(possible_objects(found.forward))
        if not subjects:
            raise DataError(
                f"no object of {found.name} could be made; make one in the file, and write "
                "'# gradients: layer' with its name."
            )
    first: _Chosen | None = None
    end = time.monotonic() + _SECONDS
    for subject in subjects:
        called = getattr(subject, (methods_of(subject) or ("",))[0], subject)
        called = with_signature(subject) if framework_of(subject) in TORCH else called
        for inputs in [given] if given is not None else possible_inputs(called, _MOST):
            tried = _tried(subject, called, found.backward, inputs)
            if given is not None or (tried is not None and tried.fits):
                return tried or _Chosen(subject, inputs)
            first = first or tried
            if time.monotonic() > end:
                break
    if first is None:
        raise DataError(
            f"no inputs were found that {found.name} takes; "
            f"{_advice(found.name, parameters_of(called).names)}"
        )
    return first


def _advice(name: str, inputs: Iterable[str]) -> str:
    """How a file says on which inputs a function of it is checked."""
    given = ", ".join(f"{one!r}: ..." for one in inputs) or "'x': ..."
    return (
        "say the shapes in its docstring, as 'x: (T, B, D)', or give inputs in the file: "
        f"{EXAMPLES[0]} = {{{name!r}: {{{given}}}}}."
    )


def _tried(subject: Any, called: Any, backward: Any, inputs: Any) -> _Chosen | None:
    """What comes of some inputs; None where forward does not run."""
    try:
        if not framework_of(subject):
            once = copy.deepcopy(called) if inspect.ismethod(called) else called
            once(**{name: copy.deepcopy(a) for name, a in inputs.items()})
    except Exception:  # shapes that do not fit, or whatever a function of someone else's raises
        return None
    answers = [n for n in inputs if TARGETS.fullmatch(n.lower())]
    for wrt in (None, [n for n in inputs if n not in answers]) if answers else (None,):
        with suppress(Exception):
            second, third = (backward, inputs) if backward is not None else (inputs, None)
            pair = pair_of(subject, second, third, (), None, "auto")
            problem = problem_of(pair, axes=None, wrt=wrt, rng=np.random.default_rng(0))
            problem.compare_only(wrt)
            problem.claimed()
            return _Chosen(subject, inputs, problem, wrt)
    return None if framework_of(subject) else _Chosen(subject, inputs)


def _given(name: str, module: ModuleType) -> Any:
    """Inputs that the file gives for one of its functions; None where it gives none."""
    for word in EXAMPLES:
        given = getattr(module, word, None)
        given = given() if callable(given) else given
        if isinstance(given, Mapping):
            if name in given:
                return given[name]
            function = getattr(module, name)
            if callable(function) and set(given) <= set(inspect.signature(function).parameters):
                return given
    return None


def _title(found: Found, subject: Any, inputs: Mapping[str, Any]) -> str:
    """What was called with which inputs, in words."""
    shapes = [
        f"{label(path)} {np.shape(a)}" if np.ndim(a) else f"{label(path)}={a!r}"
        for path, a in paths_of(inputs)
    ]
    made = isinstance(found.forward, type) and not isinstance(subject, type)
    way = f"with {found.backward.__name__}" if found.backward is not None else (
        "an object of the class" if made else "by itself"
    )  # fmt: skip
    forward = getattr(found.forward, "__name__", "")  # one of two backward passes has its own name
    way = f"of {forward}" if way == f"with {found.name}" else way
    return f"{found.name}, {way}" + (f": {', '.join(shapes)}" if shapes else "")


def to_junit(checked: Sequence[Checked]) -> bytes:
    """All reports as JUnit XML, a suite each; what could not be checked is an error."""
    root = element(None, "testsuites")
    for one in checked:
        if one.report is not None:
            root.extend(ElementTree.fromstring(one.report.to_junit(one.name)))
            continue
        counts = {"tests": 1, "failures": 0, "errors": 1, "skipped": 0}
        suite = element(root, "testsuite", {"name": one.name, **counts})
        case = element(suite, "testcase", {"classname": one.name, "name": "gradients"})
        element(case, "error", {"message": one.fault, "type": "not checked"}, [one.taken_for])
    return xml_text(root).encode()


def summary(checked: Sequence[Checked]) -> str:
    """How many are right, wrong, and not checked, in one sentence."""
    right, wrong = (sum(one.passed is value for one in checked) for value in (True, False))
    left = len(checked) - right - wrong
    said = f"{counted(len(checked), 'backward pass')}: {right} right, {wrong} wrong"
    return said + (f", {left} not checked" if left else "")
