"""The expansion of one step in sqrt(dt): exact over its noise, its coefficients read off by Cauchy's formula.

The expectation of a function of one step is a sum over the values of discrete noise and over Gauss-Hermite nodes of
normals. It is analytic in s = sqrt(dt), and the coefficient of s^k is the mean of s^-k times it over a circle about 0:
exact to round-off up to s^7, where four nodes end. So an order is a number of coefficients that vanish.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from bare_steps import array_step
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy.special import roots_hermitenorm

#: s on a circle: well inside of the nearest singularity, large enough for s^-8.
RADIUS, POINTS, NODES = 0.25, 32, 4


class Square(NDArrayOperatorsMixin):
    """dt = s^2 for a complex s, which is its square root (NumPy's is s or -s)."""

    def __init__(self, root: complex) -> None:
        self.root = root

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.sqrt:
            return self.root
        return getattr(ufunc, method)(*(v.root**2 if isinstance(v, Square) else v for v in inputs), **kwargs)


@dataclass(frozen=True)
class Outcomes:
    """All outcomes of one step from a point: new positions (d, n), normals (r, n), probabilities (n,)."""

    x: np.ndarray
    z: np.ndarray
    p: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the expectation of values (..., n)."""
        return np.sum(self.p * values, axis=-1)


@lru_cache
def noise_points(inputs: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Return normals (r, n) that stand for the law of the inputs (kind, how many), and their probabilities (n,)."""
    nodes, weights = roots_hermitenorm(NODES)
    axes: list[list[tuple[float, float]]] = []
    for kind, count in inputs:
        # a value of a discrete input is also a normal that gives it
        one = [list(zip(nodes, weights / np.sqrt(2 * np.pi), strict=True))] * kind.normals
        axes += (one if kind.support is None else [list(kind.support)]) * count
    points = list(itertools.product(*axes))
    z = np.array([[node for node, _ in point] for point in points]).T
    return z, np.array([np.prod([p for _, p in point]) for point in points])


def outcomes(scheme: Any, process: Any, x: np.ndarray, *, t: float, dt: Any) -> Outcomes:
    """Return the outcomes of one step of length ``dt`` from the point ``x``."""
    inputs = tuple((kind, kind.per.count(process)) for kind in scheme.inputs)
    z, p = noise_points(inputs)
    start = np.broadcast_to(np.asarray(x, complex)[:, None], (process.dim, len(p)))
    return Outcomes(array_step(scheme, process, start, z, t=t, dt=dt), z, p)


def coefficients(function: Any, upto: int) -> np.ndarray:
    """Return the coefficients of s^0, ..., s^upto of ``function(dt)``, along the first axis."""
    circle = RADIUS * np.exp(2j * np.pi * (np.arange(POINTS) + 0.5) / POINTS)
    values = np.array([function(Square(s)) for s in circle])
    return np.array([np.mean(values.T * circle**-k, axis=-1).T.real for k in range(upto + 1)])


def generator(process: Any, f: sp.Expr) -> sp.Expr:
    """Return  L f = f_t + sum_i mu_i f_i + sum_ij D_ij f_ij  of the Itô form."""
    s = process.statement
    first = sum((mu * sp.diff(f, x) for mu, x in zip(s.ito_drift, s.x, strict=True)), sp.diff(f, s.t))
    pairs = itertools.product(range(len(s.x)), repeat=2)
    return first + sum(s.diffusivity[i, j] * sp.diff(f, s.x[i], s.x[j]) for i, j in pairs)


def along(process: Any, k: int, f: sp.Expr) -> sp.Expr:
    """Return  L^k f = sum_l sigma_lk f_l."""
    s = process.statement
    return sum((s.sigma[i, k] * sp.diff(f, x) for i, x in enumerate(s.x)), sp.Integer(0))


def at_point(process: Any, expressions: Any, x: np.ndarray, t: float) -> np.ndarray:
    """Return expressions of the statement at a point as an array of numbers, of the shape that they come in."""
    s = process.statement
    values = sp.lambdify([*s.x, s.t], expressions, "math")(*x, t)
    return np.array(values, float)
