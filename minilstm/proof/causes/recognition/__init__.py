"""Finds out by trial what a stranger's function computes, and in which layout it keeps its arrays.
So that known mistakes can be made in it on purpose, and its entries have names.
"""

from minilstm.proof.causes.recognition.likeness import Likeness as Likeness
from minilstm.proof.causes.recognition.likeness import recognise as recognise
