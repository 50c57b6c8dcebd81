"""The score card of a conformance check: a row for each check, and how many points it won.
A card prints so that it can be read at a glance, and goes into JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from minilstm.errors import GradientError
from minilstm.pages import as_page, as_table


@dataclass(frozen=True)
class Row:
    """One check.

    Attributes
    ----------
    name : what was checked
    passed : True, False, or None where the LSTM does not offer what would be checked
    points : what the row is worth; 0 where it is not offered
    detail : what was found, as a phrase
    cause : the likely cause of a fault as a sentence; "" where there is none or it is not known
    """

    name: str
    passed: bool | None
    points: int
    detail: str = ""
    cause: str = ""


@dataclass(frozen=True)
class ScoreCard:
    """All rows of a conformance check.

    Attributes
    ----------
    rows : tuple of Row
    title : of the card

    Examples
    --------
    >>> card = ScoreCard((Row("shapes of outputs", True, 1), Row("same bits twice", False, 2)))
    >>> card.score, card.total, card.failed
    (1, 3, ['same bits twice'])
    >>> print(card)
    conformance: 1 of 3 points
      passed  1/1  shapes of outputs
      FAILED  0/2  same bits twice
    """

    rows: tuple[Row, ...]
    title: str = "conformance"

    @property
    def score(self) -> int:
        """Points won."""
        return sum(row.points for row in self.rows if row.passed)

    @property
    def total(self) -> int:
        """Points that could be won."""
        return sum(row.points for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [row.name for row in self.rows if row.passed is False]

    def __getitem__(self, name: str) -> Row:
        """The row of this name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is no row; the rows are {', '.join(r.name for r in self.rows)}")

    def raise_for_failures(self) -> None:
        """Raise GradientError with the card as its message if a check failed, for use in tests."""
        if not self.passed:
            raise GradientError(str(self))

    def __str__(self) -> str:
        width = max(len(row.name) for row in self.rows)
        lines = [f"{self.title}: {self.score} of {self.total} points"]
        for row in self.rows:
            mark = {True: "passed", False: "FAILED", None: "   -  "}[row.passed]
            won = f"{row.points if row.passed else 0}/{row.points}" if row.points else "   "
            lines.append(f"  {mark}  {won}  {row.name:<{width}}  {row.detail}".rstrip())
            if row.cause:
                lines.append(f"{'':>15}likely cause: {row.cause}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The card as a table, for notebooks."""
        heads = ["check", "", "points", "measured", "likely cause"]
        marks = {True: "passed", False: "FAILED", None: "-"}
        rows = [(r.name, marks[r.passed], r.points or "", r.detail, r.cause) for r in self.rows]
        loud = [n for n, row in enumerate(self.rows) if row.passed is False]
        title = f"{self.title}: {self.score} of {self.total} points"
        return as_page(title, [as_table(heads, rows, loud)])

    def to_dict(self) -> dict[str, Any]:
        """The card as plain values."""
        rows = [asdict(row) for row in self.rows]
        return {"title": self.title, "score": self.score, "total": self.total,
                "passed": self.passed, "rows": rows}  # fmt: skip

    def to_json(self) -> str:
        """The card as one JSON object."""
        return json.dumps(self.to_dict(), indent=2)
