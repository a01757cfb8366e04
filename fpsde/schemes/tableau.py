"""Tableaus of stochastic Runge-Kutta schemes of strong order 1.5, as exact fractions.

Source of all of them: Rößler, SIAM J. Numer. Anal. 48 (2010) 922.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

#: Rows of coefficients, one for each stage.
Rows = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Tableau:
    """The coefficients of s stages; additive_noise.py and diagonal_noise.py have the steps that read them.

    ``alpha`` (s,) weighs the drift, ``beta`` the noise: one row (s,) for each of the random variables of the family.
    ``A0``, ``B0`` (s, s) and the nodes ``c0`` make the stages of the drift; ``A1``, ``B1`` and ``c1`` those of the
    noise, where ``A1`` and ``B1`` are zero for additive noise, which has times as its stages.
    """

    alpha: tuple[Fraction, ...]
    beta: Rows
    A0: Rows
    B0: Rows
    c0: tuple[Fraction, ...]
    c1: tuple[Fraction, ...]
    A1: Rows = ()
    B1: Rows = ()

    def reads_drift(self, j: int) -> bool:
        """Return whether anything reads the drift of stage j."""
        return any(row[j] for row in (self.alpha, *self.A0, *self.A1))


def total(weights: tuple[Fraction, ...], terms: Sequence[Any]) -> Any:
    """Return sum_j w_j terms_j without the terms whose weight is zero."""
    return sum((float(w) * term for w, term in zip(weights, terms, strict=False) if w), 0.0)


def _row(text: str) -> tuple[Fraction, ...]:
    return tuple(Fraction(word) for word in text.split())


def _rows(*texts: str) -> Rows:
    return tuple(_row(text) for text in texts)


def _lower(*texts: str) -> Rows:
    """Return a strictly lower triangular matrix from what stands left of its diagonal, from the second row on."""
    rows = _rows("", *texts)
    return tuple(row + (Fraction(0),) * (len(rows) - len(row)) for row in rows)


SRA1 = Tableau(
    alpha=_row("1/3 2/3"),
    beta=_rows("1 0", "-1 1"),
    A0=_lower("3/4"),
    B0=_lower("3/2"),
    c0=_row("0 3/4"),
    c1=_row("1 0"),
)

SRA3 = Tableau(
    alpha=_row("1/6 1/6 2/3"),
    beta=_rows("1 0 0", "-1 1 0"),
    A0=_lower("1", "1/4 1/4"),
    B0=_lower("0", "1 1/2"),
    c0=_row("0 1 1/2"),
    c1=_row("1 0 0"),
)

SRIW1 = Tableau(
    alpha=_row("1/3 2/3 0 0"),
    beta=_rows("-1 4/3 2/3 0", "-1 4/3 -1/3 0", "2 -4/3 -2/3 0", "-2 5/3 -2/3 1"),
    A0=_lower("3/4", "0 0", "0 0 0"),
    B0=_lower("3/2", "0 0", "0 0 0"),
    c0=_row("0 3/4 0 0"),
    c1=_row("0 1/4 1 1/4"),
    A1=_lower("1/4", "1 0", "0 0 1/4"),
    B1=_lower("1/2", "-1 0", "-5 3 1/2"),
)
