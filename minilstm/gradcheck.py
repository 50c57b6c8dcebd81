"""A door: the gradient checker under the name that programs import, `minilstm.gradcheck`.
It hands on what `minilstm.proof` has, and nothing inside imports it."""

from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.derivatives.complex_step import complex_step
from minilstm.proof.derivatives.kinks import Kink
from minilstm.proof.reports.report import GradientReport, ParameterError

__all__ = ["GradientReport", "Kink", "ParameterError", "complex_step", "gradcheck"]
