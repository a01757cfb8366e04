"""Tables as plain text, in the place of rich's where it is not installed: on a borrowed machine with a GPU, say."""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO


def bare(text: Any) -> str:
    """Return a text without rich's marks of colour."""
    return re.sub(r"\[/?[a-z]*\]", "", str(text))


class Table:
    """Rows under headings; what is called of rich's table."""

    def __init__(self, *, title: str, **looks: Any) -> None:
        self.title, self.rows, self._right = title, [[]], []

    def add_column(self, name: str, *, justify: str = "left") -> None:
        self.rows[0].append(name)
        self._right.append(justify == "right")

    def add_row(self, *cells: str) -> None:
        self.rows.append([bare(cell) for cell in cells])

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, self._right, strict=True)
            ).rstrip()
            for row in self.rows
        ]
        return "\n".join([self.title, *lines])


class Console:
    """Where tables go; what is called of rich's console."""

    def __init__(self, *, file: TextIO = sys.stdout, width: int | None = None) -> None:
        self.file = file

    def print(self, what: Any) -> None:
        print(bare(what), file=self.file, flush=True)
