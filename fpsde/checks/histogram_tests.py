"""Histograms against masses: counts are integers, so runs of any length are judged without keeping a sample."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.checks.atoms import atoms_of
from fpsde.checks.band_test import band_result
from fpsde.checks.binomial_test import binomial_result
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.cell_masses import masses_and_tolerance
from fpsde.checks.design import POWER, Design, bad_values
from fpsde.checks.result import CheckResult, combined
from fpsde.checks.samples import cell_counts, one_component
from fpsde.density import Law
from fpsde.ensemble import Counts
from fpsde.errors import InvalidInput
from fpsde.validation import increasing


def cells(
    counts: Any,
    masses: Any,
    *,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    n_bad: int = 0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether each count is within the exact binomial limits of its mass, at alpha/(2B) a side for B cells.

    Parameters
    ----------
    counts, masses : (n_cells,) whole numbers and probabilities; the cells cover the line, underflow and overflow
        included, so the counts sum to the number of particles. Masses are used as they are, below 0 as 0
    tolerance : bound tau_j on the error of the masses: a number, (name, value) pairs that add, or an array (n_cells,)
    n_bad : particles that are NaN or infinite, in no cell; any makes the check FAIL
    power, effect : UNDERPOWERED unless a mass too large by ``effect`` in any one cell is seen with this power
    """  # fmt: skip
    n_j, bad = cell_counts(counts, n_bad)
    p, tau, design = masses_and_tolerance(n_j, masses, tolerance, alpha=alpha, power=power, effect=effect)
    n = int(n_j.sum())
    if bad:
        return bad_values("cells", bad, n + bad, design)
    names = [f"cell {j}" for j in range(len(p))]
    return binomial_result("cells", n_j, p, n, tau=tau, names=names, design=design)


def histogram(
    counts: Any,
    law: Law,
    *,
    faces: Any = None,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    n_bad: int = 0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether a histogram comes from ``law``.

    Components, each at half of ``alpha``: the sup-distance of the distribution functions **at the faces**, where a
    histogram has no binning error, and the exact binomial limits of :func:`cells`.

    Parameters
    ----------
    counts : (n_faces + 1,) whole numbers, x < faces[0], faces[i] <= x < faces[i+1], faces[-1] <= x; or the
        ``ensemble.Counts`` of an observer (one component), which brings its faces and its NaN with it
    faces : (n_faces,) strictly increasing
    tolerance : bound on sup|F_true - F|, a number or (name, value) pairs; an inner cell's mass is known within twice it
    n_bad : particles that are NaN or infinite; any makes the check FAIL
    power, effect : UNDERPOWERED unless a difference of F at a face as large as ``effect`` is seen with this power
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    if isinstance(counts, Counts):
        counts, faces, n_bad = _unpacked(counts, faces, n_bad)
    (n_j, bad), edges = cell_counts(counts, n_bad), increasing("faces", faces)
    if len(n_j) != len(edges) + 1:
        raise InvalidInput(
            f"{len(n_j)} counts for {len(edges)} faces; give {len(edges) + 1}: below the first face, in each cell, "
            f"from the last face on"
        )
    n, half = int(n_j.sum()), design.divided(2)
    if bad:
        return bad_values("histogram", bad, n + bad, design)
    ends = np.append(edges, np.nextafter(max(law.range()[1], float(edges[-1])), np.inf))  # all mass is below the last
    cdf = law.cdf(ends) - atoms_of(law).at(ends)  # P(X < face), as the cells hold their left ends
    difference = np.cumsum(n_j) / n - cdf
    worst = int(np.argmax(np.abs(difference)))
    band = band_result("histogram", float(difference[worst]), float(ends[worst]), n, half)
    return combined([band, _each_cell(n_j, cdf, edges, n, half.without_effect())], alpha=alpha)


def _unpacked(seen: Counts, faces: Any, n_bad: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the counts of all cells, outer ones included, the faces, and the number of NaN."""
    if faces is not None or n_bad:
        raise InvalidInput(
            "faces or n_bad were given beside an observer's counts, which bring their own; leave them out"
        )
    below, inside, above, nan = (one_component("counts", c) for c in (seen.below, seen.counts, seen.above, seen.nan))
    return np.concatenate([[below], inside, [above]]), one_component("faces", seen.faces), int(nan)


def _each_cell(n_j: np.ndarray, cdf: np.ndarray, edges: np.ndarray, n: int, design: Design) -> CheckResult:
    """Return the exact test of every cell; its mass is a difference of two F, or one F for the outer cells."""
    inner = [f"[{a:.6g}, {b:.6g})" for a, b in pairwise(edges)]
    names = [f"x < {edges[0]:.6g}", *inner, f"x >= {edges[-1]:.6g}"]
    tau = np.full(len(n_j), 2 * design.tau)
    tau[[0, -1]] = design.tau
    masses = np.diff(cdf, prepend=0.0)
    return binomial_result("histogram: cells", n_j, masses, n, tau=tau, names=names, design=design)
