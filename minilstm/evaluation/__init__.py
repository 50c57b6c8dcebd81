"""How good a network is: splits by recording or person, scores, curves and a report.
It knows networks that are trained; it trains none."""

from __future__ import annotations

from minilstm.evaluation.cross_validation import CrossValidation, cross_validate
from minilstm.evaluation.predictions import Predictions, pool
from minilstm.evaluation.report import ClassReport, NumberReport, Report, judge, report
from minilstm.evaluation.splits import (
    Split,
    k_fold,
    leave_one_group_out,
    shared_names,
    split_share,
)

__all__ = [
    "ClassReport",
    "CrossValidation",
    "NumberReport",
    "Predictions",
    "Report",
    "Split",
    "cross_validate",
    "judge",
    "k_fold",
    "leave_one_group_out",
    "pool",
    "report",
    "shared_names",
    "split_share",
]
