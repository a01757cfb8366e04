"""Where the particles of a run are counted: in the bins that were given, or about where a pilot run of a few ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsde.domain import Interval
from fpsde.errors import InvalidInput, unknown_name
from fpsde.integrators import Histogram

#: (low, high, number) of a component; Histogram refuses a number that is not whole.
Bins = tuple[float, float, Any]
#: Bins where none are given: over 12 standard deviations, finer than the sampling error of a million particles.
BINS = 2**14
#: Particles of a pilot run, and standard deviations from their mean to the ends of the bins.
PILOT, REACH = 2048, 6.0
#: Bins are not made narrower than some spacings of the numbers in them.
SPACINGS = 1e3


def given_bins(given: Sequence[Sequence[str]], names: Sequence[str]) -> list[Bins | None]:
    """Return the bins of each component as ``--histogram`` gives them: its own, or else those for all, or None."""
    asked: dict[str | None, Bins] = {}
    for words in given:
        name, numbers = (words[0], words[1:]) if len(words) == 4 else (None, words)
        try:
            low, high, number = map(float, numbers)
        except ValueError:
            raise InvalidInput(
                f"--histogram {' '.join(words)}: give LOW HIGH BINS for all components, or NAME LOW HIGH BINS for one "
                f"of {', '.join(names)}"
            ) from None
        if name is not None and name not in names:
            raise unknown_name("component", name, names)
        asked[name] = (low, high, number)
    return [asked.get(name, asked.get(None)) for name in names]


def pilot_bins(x: np.ndarray, interval: Interval) -> Bins:
    """Return bins of mean +- 6 standard deviations of the finite ones of ``x`` ``(n,)``, inside of the domain."""
    mean, std = _spread(x[np.isfinite(x)].astype(float))
    # all in one place: bins that can be told apart there
    std = max(std, SPACINGS * float(np.finfo(x.dtype).eps) * abs(mean)) or 1.0
    digits = 2 - math.floor(math.log10(std))  # rounded: another processor may sum to other last bits
    low, high = (round(mean + side * REACH * std, digits) for side in (-1, 1))
    return max(low, interval.low), min(high, interval.high), BINS


def _spread(x: np.ndarray) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):  # particles on their way to infinity
        found = (float(x.mean()), float(x.std())) if x.size else (0.0, 0.0)
    return found if np.all(np.isfinite(found)) else (0.0, 0.0)


def histograms(bins: Sequence[Bins]) -> tuple[Histogram, ...]:
    """Return the observers of bins, one for each component, at the end."""
    return tuple(Histogram(low, high, number, of=i) for i, (low, high, number) in enumerate(bins))
