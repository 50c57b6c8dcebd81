"""Writes .mat files for tests: cell arrays, and what SciPy cannot write, by mat-io.
A test file that writes by mat-io skips itself where that is not installed.
"""

import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import matio
    except ImportError:
        matio = None


def cells(values):
    """A cell array of one column."""
    box = np.empty((len(values), 1), dtype=object)
    for k, value in enumerate(values):
        box[k, 0] = value
    return box


def mat(tmp_path, version="v7", **variables):
    """A file of the variables, which may be objects of pandas."""
    path = tmp_path / "a.mat"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matio.save_to_mat(str(path), variables, version=version)
    return path
