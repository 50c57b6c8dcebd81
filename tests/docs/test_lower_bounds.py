"""The lower bounds of `pyproject.toml` hold together: no dependency asks for more than they say.
What the installed packages ask for is read from their metadata."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
EXTRAS = {name: PROJECT["optional-dependencies"][name] for name in ("fast", "mat", "plot")}


def lower_bounds(requirements):
    """The least version of each package, as numbers, of requirements without conditions."""
    found = {}
    for text in requirements or ():
        name = re.match(r"[\w.-]+", text)[0].lower().replace("_", "-")
        least = re.search(r">=\s*([\d.]+)", text)
        if ";" not in text and least:
            found[name] = tuple(
                int(part) for part in re.sub(r"(\.0)*\.?$", "", least[1]).split(".")
            )
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_says_what_its_packages_ask_for(extra):
    ours = lower_bounds(PROJECT["dependencies"] + EXTRAS[extra])
    for package in lower_bounds(EXTRAS[extra]):
        try:
            theirs = lower_bounds(requires(package))
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed")
        for name in ours.keys() & theirs.keys():
            assert ours[name] >= theirs[name], f"{package} wants {name} {theirs[name]}"


def test_the_least_numba_goes_with_the_least_numpy_of_every_extra():
    """Numba 0.61.2 is the first that takes NumPy 2.2, which mat-io wants."""
    assert lower_bounds(EXTRAS["fast"])["numba"] >= (0, 61, 2)
    assert lower_bounds(EXTRAS["mat"])["numpy"] >= (2, 2, 2)
