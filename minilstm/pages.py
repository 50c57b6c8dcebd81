"""Results as HTML, for the notebooks that show them: tables, sentences, curves.
Every text is escaped, colours are those of the page around, and no network is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

_NUMBER = re.compile(r"[-+\d.,e%]*|nan|-?inf")
_STROKES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by colour-blind readers
_WIDE, _HIGH = 560, 120  # pixels of a curve's field
_MOST_POINTS = 400  # of a curve


def as_page(title: str, parts: Iterable[str], told: Iterable[str] = ()) -> str:
    """A heading, parts that are HTML, and sentences under them."""
    lines = [f"<p>{escape(str(line))}</p>" for line in told]
    return f"<div><strong>{escape(title)}</strong>{''.join([*parts, *lines])}</div>"


def as_table(heads: Sequence[Any], rows: Iterable[Sequence[Any]], loud: Sequence[int] = ()) -> str:
    """A table whose columns of numbers stand to the right; rows of the numbers `loud` are bold."""
    text = [[str(cell) for cell in row] for row in rows]
    sides = [
        "right" if column and all(_NUMBER.fullmatch(cell) for cell in column) else "left"
        for column in ([row[n] for row in text] for n in range(len(heads)))
    ]

    def line(tag: str, cells: Iterable[Any], more: str = "") -> str:
        styled = (f"text-align:{side};padding:2px 10px 2px 0{more}" for side in sides)
        inner = (
            f'<{tag} style="{style}">{escape(str(cell))}</{tag}>'
            for style, cell in zip(styled, cells, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    body = [line("td", row, ";font-weight:bold" * (n in loud)) for n, row in enumerate(text)]
    return f"<table><thead>{line('th', heads)}</thead><tbody>{''.join(body)}</tbody></table>"


def as_curves(lines: Mapping[str, Any], label: str) -> str:
    """Curves over the same steps, (T,) each, as one picture; gaps of NaN are bridged.

    `label` says to a screen reader what is drawn.
    """
    drawn = {name: _thinned(np.asarray(v, np.float64)) for name, v in lines.items()}  # (2, K)
    ends = [line for line in drawn.values() if line.size]
    if not ends:
        return ""
    x, y = np.concatenate(ends, axis=1)
    (left, right), (low, high) = (x.min(), x.max()), (y.min(), y.max())
    strokes, words = [], []
    for (name, (steps, values)), colour in zip(drawn.items(), _STROKES * len(drawn), strict=False):
        across = (steps - left) / ((right - left) or 1.0) * _WIDE  # (K,)
        down = (high - values) / ((high - low) or 1.0) * _HIGH  # (K,)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
        strokes.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
        words.append(f'<span style="color:{colour}">{escape(name)}</span>')
    size = f'viewBox="-2 -2 {_WIDE + 4} {_HIGH + 4}" width="{_WIDE}" height="{_HIGH}"'
    return (
        f'<div>{", ".join(words)}, {low:.4g} to {high:.4g}</div><svg role="img" '
        f'aria-label="{escape(label)}" {size}>{"".join(strokes)}</svg>'
    )


def _thinned(values: Any) -> Any:
    """Steps and values of a curve that are finite, at most some hundred of them."""
    steps = np.flatnonzero(np.isfinite(values))  # (K,)
    kept = steps[:: max(1, -(-len(steps) // _MOST_POINTS))]
    return np.array([kept, values[kept]])  # (2, K)
