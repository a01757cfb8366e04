"""Quantiles of a run from its counts: as fine as the bins, and on an absorbing wall where particles stay there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.domain import Interval
from fpsde.ensemble import Counts
from fpsde.errors import InvalidInput

#: What the quantiles of a run are taken at.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Standard deviations in a bin above which no quantile is read from it.
COARSEST = 0.2


def quantiles(
    counts: Counts, std: float, interval: Interval, absorbed: tuple[int, int]
) -> list[dict[str, float | None]]:
    """Return the quantiles of one component, each with the width of a bin as its error.

    None where one lies beside the bins, or these are wider than a fifth of the standard deviation. On a wall the error
    is 0.
    """
    inside, (low, high) = between_walls(counts, absorbed), absorbed
    left = int(inside.counts.sum() + inside.below[0] + inside.above[0])

    def found(q: float) -> tuple[float | None, float | None]:
        rank = q * (low + left + high)
        if low and rank <= low:
            return interval.low, 0.0
        if high and rank >= low + left:
            return interval.high, 0.0
        return _read(inside, (rank - low) / left, std)

    values = [found(q) if not counts.nan[0] else (None, None) for q in QUANTILES]
    return [{"probability": q, "value": v, "error": error} for q, (v, error) in zip(QUANTILES, values, strict=True)]


def _read(counts: Counts, q: float, std: float) -> tuple[float | None, float | None]:
    width = float(counts.faces[0, 1] - counts.faces[0, 0])
    if width > COARSEST * std:
        return None, None
    try:
        return float(counts.quantile(q)[0]), width
    except InvalidInput:  # beside the bins
        return None, None


def between_walls(counts: Counts, absorbed: tuple[int, int]) -> Counts:
    """Return the counts of one component without the particles on absorbing walls: the lowest, and the highest ones."""
    row = np.concatenate([counts.below, counts.counts[0], counts.above])
    low, high = absorbed
    reached = np.clip(np.concatenate([[0], np.cumsum(row)]), low, max(low, row.sum() - high))
    left = np.diff(reached)
    return replace(counts, counts=left[None, 1:-1], below=left[:1], above=left[-1:])


def shown(quantile: dict[str, Any]) -> str:
    """Return a quantile with the digits that its bin leaves."""
    value, error = quantile["value"], quantile["error"]
    if value is None:
        return "-"
    if not 1e-9 < error < 1e6:  # a wall, or digits that would be zeros or too many to read
        return f"{value:.6g}"
    digits = math.floor(-math.log10(error))
    return f"{round(value, digits) + 0.0:.{max(0, digits)}f}"  # + 0.0: never -0
