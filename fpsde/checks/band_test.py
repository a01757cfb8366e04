"""The sup-distance of distribution functions, D = sup|F_n - F|, cut at tau + sqrt(ln(2/alpha)/(2n)).

Valid for every n and every law, atoms included (Dvoretzky, Kiefer & Wolfowitz 1956; constant: Massart 1990). It sees
every difference in the end, but changes of scale late.
"""

from __future__ import annotations

import numpy as np

from fpsde.checks.design import Design, judge
from fpsde.checks.radii import band_radius, band_tail, point_radius
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import pieces


def sup_distance(x: np.ndarray, cdf: np.ndarray, jumps: np.ndarray) -> tuple[float, float]:
    """Return the largest F_n - F by size, signed, and where it is.

    ``x`` (n,) is sorted, ``cdf`` is F(x), ``jumps`` is the mass that F has at each x itself.
    """
    n, above, below = len(x), (-np.inf, 0.0), (np.inf, 0.0)
    for part in pieces(n):
        rank = np.arange(part.start, part.stop)
        after, before = (rank + 1) / n - cdf[part], rank / n - (cdf[part] - jumps[part])
        # equal values may lie in two pieces: only the extremes over all pieces are those of F_n - F
        i, j = int(np.argmax(after)), int(np.argmin(before))
        above = max(above, (float(after[i]), float(x[part][i])), key=_size)
        below = max(below, (float(before[j]), float(x[part][j])), key=lambda found: _size((-found[0], found[1])))
    return max(above, below, key=lambda found: _size((abs(found[0]), found[1])))


def _size(found: tuple[float, float]) -> float:
    """Return the difference in (difference, where), NaN counting as the largest."""
    return np.inf if np.isnan(found[0]) else found[0]


def band_result(check: str, distance: float, where: float, n: int, design: Design) -> CheckResult:
    """Return the result for the signed ``distance`` F_n - F found at ``where``."""
    threshold, side = design.tau + band_radius(n, design.alpha), "above" if distance > 0 else "below"
    return judge(
        f"{check}: distribution function", abs(distance), design, threshold=threshold,
        resolution=threshold + point_radius(n, design.beta), p_value=band_tail(n, abs(distance) - design.tau), n=n,
        largest=1.0, unit="probability",
        detail=f"largest difference is {abs(distance):.3g}, at x = {where:.4g}, the sample {side} the law",
    )  # fmt: skip
