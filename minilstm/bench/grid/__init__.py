"""The grid: shapes that people use, trained and predicted, beside the best of the other engines.
Its results become a table in Markdown, and a picture."""

from minilstm.bench.grid.picture import draw_grid
from minilstm.bench.grid.shapes import find_shapes
from minilstm.bench.grid.table import grid_lines, markdown, read_results
from minilstm.bench.grid.works import grid_works

__all__ = ["draw_grid", "find_shapes", "grid_lines", "grid_works", "markdown", "read_results"]
