"""The public face of the data sets, reached as `minilstm.datasets`.
Both functions give (x_train, y_train, x_test, y_test), ready for training."""

from __future__ import annotations

from minilstm.data.datasets.human_activity import human_activity
from minilstm.data.datasets.japanese_vowels import japanese_vowels

__all__ = ["human_activity", "japanese_vowels"]
