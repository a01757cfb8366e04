"""For every check a draw of a right sample and its result: what the tests of calibration are made of.

``least`` is the share of the stated level that alarms must reach, by the end of the name of a component: 0 where the
level is a bound (sup-distances, counts, permutations among few). Levels are large where a skew sample is small: its
p-values are bounds too where its size does not suffice for its level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.density import Mixture, Normal, Point, Uniform
from fpsde.joint_law import JointNormal

STANDARD, FLAT = Normal(0.0, 1.0), Uniform(0.0, 1.0)
ABSORBED = Mixture([0.3, 0.2, 0.5], [Point(0.0), Point(1.0), FLAT])
PLANE = JointNormal(np.zeros(2), np.array([[1.0, 0.5], [0.5, 2.0]]))
MASSES = np.full(8, 0.125)
H = 0.1  #: step of Euler-Maruyama for dX = -X dt + sqrt(2) dW, which keeps N(0, KEPT)
KEPT = 2 * H / (1 - (1 - H) ** 2)


@dataclass(frozen=True)
class Case:
    """A check on a right sample, ``scale`` 1, or on one that is ``scale`` times as wide."""

    judged: Callable[[np.random.Generator, float], CheckResult]
    least: float = 0.7
    bounds: tuple[str, ...] = ()  #: ends of the names of components whose level is a bound only
    wrong: float = 1.3  #: a scale that must not pass for right


def plane(rng: np.random.Generator, scale: float, n: int = 200) -> np.ndarray:
    return scale * np.linalg.cholesky(PLANE.covariance) @ rng.standard_normal((2, n))


def paths(rng: np.random.Generator, scale: float, *, m: int, n: int) -> np.ndarray:
    """Paths (m + 1, n) of the chain, whose noise is ``scale`` times too large."""
    x = [math.sqrt(KEPT) * rng.standard_normal(n)]
    for _ in range(m):
        x.append((1 - H) * x[-1] + scale * math.sqrt(2 * H) * rng.standard_normal(n))
    return np.array(x)


def absorbed(rng: np.random.Generator, scale: float, n: int = 300) -> np.ndarray:
    return np.select([rng.random(n) < 0.3 * scale, rng.random(n) < 2 / 7], [0.0, 1.0], rng.random(n))


MEANS = {
    "x": (lambda x: x, lambda x, t, h: (1 - h) * x),
    "x^2": (lambda x: x**2, lambda x, t, h: ((1 - h) * x) ** 2 + 2 * h),
}

CASES: dict[str, Case] = {
    "density": Case(lambda rng, s: checks.density(s * rng.standard_normal(400), STANDARD)),
    "density with atoms": Case(
        lambda rng, s: checks.density(absorbed(rng, s), ABSORBED), bounds=("atoms", "distribution function")
    ),
    "density_at_any_time": Case(
        lambda rng, s: checks.density_at_any_time(s * rng.standard_normal(100), STANDARD), bounds=("time",), wrong=3.0
    ),
    "histogram": Case(
        lambda rng, s: checks.histogram(
            np.histogram(s * rng.standard_normal(400), [-np.inf, -1.5, -0.5, 0.5, 1.5, np.inf])[0],
            STANDARD, faces=[-1.5, -0.5, 0.5, 1.5],
        ),
        bounds=("cells", "distribution function"), wrong=2.0,
    ),
    "cells": Case(
        lambda rng, s: checks.cells(rng.multinomial(800, [0.125 * s, 0.25 - 0.125 * s, *MASSES[2:]]), MASSES),
        bounds=("cells",), wrong=1.6,
    ),
    "chi_square": Case(
        lambda rng, s: checks.chi_square(rng.multinomial(20_000, [0.125 * s, 0.25 - 0.125 * s, *MASSES[2:]]), MASSES),
        least=0.4,
    ),
    "moments": Case(
        lambda rng, s: checks.moments(s * rng.standard_normal(3000), STANDARD, orders=(1, 2, 3, 4), alpha=1e-2)
    ),
    "innovations": Case(
        lambda rng, s: checks.innovations(
            paths(rng, s, m=16, n=60), H * np.arange(17), drift=lambda x, t: -x, sigma=lambda x, t: math.sqrt(2)
        ),
        least=0.5,
    ),
    "correlation": Case(lambda rng, s: _correlated(rng, s - 1)),
    "distinct": Case(
        lambda rng, s: checks.distinct(np.floor(1e4 * rng.random(100) / s**8) / 1e4, FLAT, spacing=1e-4),
        bounds=("values",),
    ),
    "stationarity": Case(lambda rng, s: checks.stationarity(*paths(rng, s, m=3, n=400)[[0, -1]], alpha=0.1)),
    "reversibility": Case(lambda rng, s: checks.reversibility(*_turned(rng, s - 1), alpha=0.1), wrong=4.0),
    "martingale": Case(
        lambda rng, s: checks.martingale(paths(rng, s, m=4, n=400), H * np.arange(5), functions=MEANS, alpha=0.1)
    ),
    "score": Case(lambda rng, s: checks.score(s * rng.standard_normal(400), lambda x: -x, alpha=0.1)),
    "same_law": Case(
        lambda rng, s: checks.same_law(s * rng.standard_normal(300), rng.standard_normal(200)),
        bounds=("distribution function",), wrong=1.6,
    ),
    "independent": Case(lambda rng, s: _serial(rng, s - 1), least=0.5),
    "joint_density": Case(lambda rng, s: checks.joint_density(plane(rng, s), PLANE, alpha=0.1)),
    "projections": Case(lambda rng, s: checks.projections(plane(rng, s), PLANE)),
    "projections of two samples": Case(
        lambda rng, s: checks.projections(plane(rng, s), plane(rng, 1.0)),
        bounds=("distribution function",), wrong=1.6,
    ),
    "energy": Case(
        lambda rng, s: checks.energy(plane(rng, s, 64), plane(rng, 1.0, 64), seed=int(rng.integers(2**32))),
        least=0.6, wrong=3.0,
    ),
    "inside": Case(
        lambda rng, s: checks.inside(s * rng.random(500), lambda x: x < 0.9, allowed=0.1), bounds=("inside",)
    ),
}  # fmt: skip

#: Public checks without sampling error, and those made of others by the caller.
NOT_RANDOM = {"agreement", "conserved", "grid_order", "order"}
MADE_OF_OTHERS = {"combined", "in_two_stages"}


def _correlated(rng: np.random.Generator, share: float) -> CheckResult:
    a, b = rng.standard_normal((2, 2000))
    return checks.correlation(a, b + share * a)


def _turned(rng: np.random.Generator, turning: float) -> tuple[np.ndarray, np.ndarray]:
    """Two times of dX = (-1 + turning J) X dt + sqrt(2) dW in the plane, which keeps N(0, 1) for any turning."""
    x, c, s = rng.standard_normal((2, 400)), math.cos(turning * H), math.sin(turning * H)
    noise = math.sqrt(1 - math.exp(-2 * H)) * rng.standard_normal(x.shape)
    return x, math.exp(-H) * np.array([[c, -s], [s, c]]) @ x + noise


def _serial(rng: np.random.Generator, share: float) -> CheckResult:
    z = rng.standard_normal(1001)
    return checks.independent(z[1:] + share * z[:-1], lags=(1, 2, 5))


def leaves(result: CheckResult) -> Iterator[CheckResult]:
    """Yield the results that a check was decided from."""
    if not result.components:
        yield result
    for part in result.components:
        yield from leaves(part)
