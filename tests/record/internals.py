"""The names that the record needs beyond the public ones, each imported here and nowhere else.
Where a module moves, only this file follows.
"""

from minilstm.functional.ragged import pack as pack
from minilstm.layers import Signal as Signal
