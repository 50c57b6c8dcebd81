"""Likely causes of a wrong gradient from the numbers alone, for any function whatever.
The wrong gradient is held beside the right one, and a cause has to give the very same numbers.
"""

from minilstm.proof.causes.signatures.evidence import Evidence as Evidence
from minilstm.proof.causes.signatures.evidence import Pattern as Pattern
from minilstm.proof.causes.signatures.search import explain as explain
