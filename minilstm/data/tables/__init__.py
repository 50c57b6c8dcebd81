"""Tables: named columns from text, spreadsheets and data frames, before anyone knows what they are.
The readers give a `Table`; what its columns mean is settled in `minilstm.data.recordings`."""

from minilstm.data.tables.frame import frame_table
from minilstm.data.tables.read_table import read_table
from minilstm.data.tables.table import Table

__all__ = ["Table", "frame_table", "read_table"]
