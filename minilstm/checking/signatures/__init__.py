"""Likely causes of a wrong gradient from the numbers alone, for any function whatever.
The wrong gradient is held beside the right one, and a cause has to give the very same numbers.
"""

from minilstm.checking.signatures.evidence import Evidence as Evidence
from minilstm.checking.signatures.search import explain as explain
