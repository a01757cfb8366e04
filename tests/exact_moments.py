"""Expectations of a scheme and of its process without sampling, for the weak orders: one machinery in any dimension.

A function of the state is held by its values at the nodes of a product of axes, and one step of a scheme is a matrix
on such values,  (P u)(x_j) = sum_q w_q u(step(x_j, z_q)):  Gauss-Hermite nodes z_q for the normals, every value for the
two- and three-point variables, interpolation by the functions of the axes for u. Where coefficients and u are periodic
this converges exponentially and has no boundary; where the step is linear and u is of degree 2 it is exact. The
process itself has the generator L = mu_i d_i + D_ij d_i d_j on the same nodes, and E u(X_t) solves du/dt = L u.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from fpsde.printing import NUMPY_NAMES
from fpsde.schemes.inputs import UNIFORM
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.models import ArrayModel
from fpsde.schemes.tracing import TracedStep, constant_rows, traced_step
from fpsde.symbolic import components

#: Gauss-Hermite nodes for each normal, by the number of continuous normals of a step.
NODES = {0: 1, 1: 48, 2: 20, 3: 12, 4: 8}
#: Where a step accepts or rejects, expectations have a kink in z: panels up to REACH, and points in each.
PANELS, POINTS, REACH = 128, 4, 9.0
#: U = exp(-SURE^2/2) accepts everything; halvings that find the U up to which a step accepts.
SURE, HALVINGS = 30.0, 55


@dataclass(frozen=True)
class Axis:
    """Nodes on one component, and functions (x) -> (n, nodes) through which values at the nodes are interpolated."""

    nodes: np.ndarray
    basis: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]

    @functools.cached_property
    def inverse(self) -> np.ndarray:
        """The coefficients of the function that is 1 at one node and 0 at the others, by columns."""
        return np.linalg.inv(self.basis(self.nodes))

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the weights ``(n, nodes)`` that the values at the nodes have at ``x``."""
        return self.basis(x) @ self.inverse

    @functools.cached_property
    def slopes(self) -> np.ndarray:
        """The matrix that differentiates values at the nodes."""
        return self.derivative(self.nodes) @ self.inverse


def ring(n: int) -> Axis:
    """Return an axis for functions of period 2 pi; ``n`` is odd."""
    k = np.arange(1, n // 2 + 1)

    def basis(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones((len(x), 1)), np.cos(np.outer(x, k)), np.sin(np.outer(x, k))], axis=1)

    def derivative(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros((len(x), 1)), -k * np.sin(np.outer(x, k)), k * np.cos(np.outer(x, k))], axis=1)

    return Axis(2 * np.pi * np.arange(n) / n, basis, derivative)


def gaussian_line(n: int, scale: float) -> Axis:
    """Return an axis for polynomials of degree n - 1 at the Gauss-Hermite nodes of N(0, scale^2)."""
    norms = 1 / np.sqrt([math.factorial(k) for k in range(n)])

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.hermite_e.hermevander(x / scale, n - 1) * norms

    def derivative(x: np.ndarray) -> np.ndarray:
        lower = np.concatenate([np.zeros((len(x), 1)), basis(x)[:, :-1]], axis=1)  # he_k' = sqrt(k) he_(k-1)
        return lower * np.sqrt(np.arange(n)) / scale

    return Axis(scale * np.polynomial.hermite_e.hermegauss(n)[0], basis, derivative)


def line() -> Axis:
    """Return an axis for polynomials of degree 2: second moments of linear systems, exactly."""
    return gaussian_line(3, 1.0)


def segment(low: float, high: float, n: int) -> Axis:
    """Return an axis of Chebyshev nodes on [low, high]; what leaves it is put on its end."""

    def scaled(x: np.ndarray) -> np.ndarray:
        return np.clip((2 * x - low - high) / (high - low), -1.0, 1.0)

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.chebyshev.chebvander(scaled(x), n - 1)

    def derivative(x: np.ndarray) -> np.ndarray:
        slopes = np.polynomial.chebyshev.chebder(np.eye(n), axis=0)
        return np.polynomial.chebyshev.chebval(scaled(x), slopes).T * 2 / (high - low)

    return Axis(0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.pi * (np.arange(n) + 0.5) / n), basis, derivative)


def grid(axes: Sequence[Axis]) -> np.ndarray:
    """Return the nodes of a product of axes, ``(d, n)``."""
    return np.stack([g.ravel() for g in np.meshgrid(*(axis.nodes for axis in axes), indexing="ij")])


def _weights_at(axes: Sequence[Axis], x: np.ndarray) -> np.ndarray:
    """Return the weights of all nodes at the points ``x`` (d, n), ``(n, nodes)``."""
    return functools.reduce(
        lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(a), -1),
        [axis.at(x_i) for axis, x_i in zip(axes, x, strict=True)],
        np.ones((x.shape[1], 1)),
    )


# --- one step as a matrix


def noise_rule(step: TracedStep, nodes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return normals ``(r, n)`` of a step and weights ``(n,)``, whose weighted sums are expectations.

    ``nodes`` replaces the number of nodes for each normal, or of panels where a step accepts or rejects.

    The two normals of a uniform variable are left at zero: a chain takes what they decide with its probability.
    """
    continuous = sum(kind.normals * count for kind, count in step.inputs if kind.support is None)
    rule = (
        _panels(nodes or PANELS)
        if _row_of_uniform(step) is not None
        else np.polynomial.hermite_e.hermegauss(nodes or NODES[continuous])
    )
    gauss = list(zip(rule[0], rule[1] / rule[1].sum(), strict=True))
    rows: list[list[tuple[float, float]]] = []
    for kind, count in step.inputs:
        for _ in range(count):
            one = [(0.0, 1.0)] if kind is UNIFORM else gauss if kind.support is None else _discrete(kind)
            rows += [one] * kind.normals
    product = list(itertools.product(*rows))
    points = np.array([[z for z, _ in one] for one in product]).T.reshape(len(rows), len(product))
    return points, np.array([math.prod(w for _, w in one) for one in product])


def _row_of_uniform(step: TracedStep) -> int | None:
    """Return the first row of the uniform variable among the normals of a step, or None where it takes none."""
    row = 0
    for kind, count in step.inputs:
        if kind is UNIFORM:
            return row
        row += kind.normals * count
    return None


def _panels(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Legendre nodes on n panels, and weights with the density of a standard normal."""
    z, w = np.polynomial.legendre.leggauss(POINTS)
    half = REACH / n
    middles = half * (2 * np.arange(n) + 1) - REACH
    points = (middles[:, None] + half * z).ravel()
    return points, np.tile(w, n) * np.exp(-0.5 * points**2)


def _discrete(kind: Any) -> list[tuple[float, float]]:
    """Return a normal that gives each value of a discrete variable, with the probability of the value."""
    found = []
    for value, probability in kind.support:
        z = next(z for z in (-2.0, 0.0, 2.0) if kind.form((np.float64(z),), 1.0, 1.0) == value)
        found.append((z, probability))
    return found


def plain_step(step: TracedStep) -> Callable[..., np.ndarray]:
    """Return (state (rows, n), normals (r, n), constants) -> new state: the text of the kernels, run by NumPy."""
    names = [s.name for s in (*step.state, *step.normals, *step.constants)]
    outputs = [f"next{i}" for i in range(len(step.outputs))]
    text = [f"def advance({', '.join(names)}):", *body_lines(step), f"return ({', '.join(outputs)},)"]
    namespace = dict(NUMPY_NAMES)
    exec("\n    ".join(text), namespace)

    def advance(state: np.ndarray, normals: np.ndarray, constants: np.ndarray) -> np.ndarray:
        found = namespace["advance"](*state, *normals, *constants)
        return np.stack([np.broadcast_to(np.asarray(v, dtype=float), state.shape[1:]) for v in found])

    return advance


class Chain:
    """A scheme on a process, on functions given at the nodes of ``axes`` (one for each component)."""

    def __init__(self, scheme: Any, process: Any, axes: Sequence[Axis], *, nodes: int | None = None) -> None:
        self.scheme, self.process, self.axes = scheme, process, axes
        self.step = traced_step(scheme, process)
        self.advance = plain_step(self.step)
        self.z, self.w = noise_rule(self.step, nodes)
        self.uniform = _row_of_uniform(self.step)
        self.x = grid(axes)
        self._refuse_memory()

    def _refuse_memory(self) -> None:
        """AssertionError unless positions alone are a chain: what a step keeps follows from where it ends."""
        d, dt = self.step.dim, 0.1
        (constants,) = constant_rows(self.process, np.array([0.0, dt]))
        z = np.repeat(self.z[:, :1], self.x.shape[1], axis=1)
        state = self._state(self.x, 0.0)
        after = self.advance(state, z, constants)
        if self.scheme.start is None:
            state[d:] += 7.0
            kept, follows = self.advance(state, z, constants)[:d], after[:d]
        else:
            rows = slice(d, d + d * len(self.scheme.auxiliary))
            kept, follows = after[rows], self._state(after[:d], dt)[rows]
        assert np.allclose(kept, follows, rtol=1e-12, atol=1e-12), f"{self.scheme.name} remembers more than positions"

    def matrix(self, t: float, dt: float, *, seen: bool = False) -> np.ndarray:
        """Return P with (P u)_j = E u(x') from node j; ``seen``: of what observers see after the step instead of x'."""
        d, n, m = self.step.dim, self.x.shape[1], len(self.w)
        (constants,) = constant_rows(self.process, np.array([t, t + dt]))
        first = self.step.observed if seen else 0
        P = np.zeros((n, n))
        for part in np.array_split(np.arange(n), -(-n * m // 10**5)):
            state = np.repeat(self._state(self.x[:, part], t), m, axis=1)
            w = np.tile(self.w, len(part))
            for share, after in self._outcomes(state, np.tile(self.z, len(part)), constants):
                # the weights of the last axis are kept apart: the sum over q is then a product of small matrices
                front = _weights_at(self.axes[:-1], after[first : first + d - 1]) * (w * share)[:, None]
                last = self.axes[-1].at(after[first + d - 1])
                front, last = front.reshape(len(part), m, -1), last.reshape(len(part), m, -1)
                P[part] += (np.swapaxes(front, 1, 2) @ last).reshape(len(part), n)
        return P

    def _outcomes(self, state: np.ndarray, z: np.ndarray, constants: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield the states that a step leads to, with their probabilities given z."""
        if self.uniform is None:
            yield 1.0, self.advance(state, z, constants)
            return

        def at(level: Any) -> np.ndarray:
            """The state after the step where U = exp(-level^2/2)."""
            z[self.uniform] = level
            return self.advance(state, z, constants)

        accepted, rejected = at(SURE), at(0.0)
        low, high = np.zeros(z.shape[1]), np.full(z.shape[1], SURE)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            accepts = np.all(at(middle) == accepted, axis=0)
            low, high = np.where(accepts, low, middle), np.where(accepts, middle, high)
        chance = np.exp(-0.5 * high**2)
        yield chance, accepted
        yield 1.0 - chance, rejected

    def _state(self, x: np.ndarray, t: float) -> np.ndarray:
        """Return the state at positions ``x``, with the auxiliary state that a run starts with there."""
        state = np.zeros((len(self.step.state), x.shape[1]))
        state[: len(x)] = x
        if self.scheme.start is not None:
            given = self.scheme.start(ArrayModel(self.process), components(list(x)), t)
            rows = [row for name in self.scheme.auxiliary for row in given[name]]
            state[len(x) : len(x) + len(rows)] = np.stack([np.broadcast_to(row, x.shape[1:]) for row in rows])
        return state

    def expectation(self, u: Any, x0: Sequence[float], *, t_end: float, n_steps: int) -> float:
        """Return E u(X_n) from ``x0``; ``u`` maps the components to an array."""
        dt = t_end / n_steps
        seen = self.scheme.observed is not None
        values = np.broadcast_to(u(*self.x), self.x.shape[1:])
        matrices: dict[tuple[float, bool], np.ndarray] = {}
        for k in reversed(range(n_steps)):
            key = (k * dt if self.process.time_dependent else 0.0, seen and k == n_steps - 1)
            if key not in matrices:
                if self.process.time_dependent:
                    matrices.clear()
                matrices[key] = self.matrix(key[0], dt, seen=key[1])
            values = matrices[key] @ values
        return float(_weights_at(self.axes, np.reshape(x0, (-1, 1)))[0] @ values)

    def stationary(self, u: Any, dt: float) -> float:
        """Return the expectation of ``u`` under the stationary law of the chain, of what observers see."""
        P = self.matrix(0.0, dt)
        values = np.broadcast_to(u(*self.x), self.x.shape[1:])
        if self.scheme.observed is not None:
            values = self.matrix(0.0, dt, seen=True) @ values
        n = len(P)
        weights = np.linalg.lstsq(np.vstack([P.T - np.eye(n), np.ones(n)]), np.append(np.zeros(n), 1.0))[0]
        return float(weights @ values)


# --- the process itself


def generator(process: Any, axes: Sequence[Axis], t: float = 0.0) -> np.ndarray:
    """Return L = mu_i d_i + D_ij d_i d_j on values at the nodes."""
    d, x = len(axes), grid(axes)
    slopes = [
        functools.reduce(np.kron, [axis.slopes if i == k else np.eye(len(axis.nodes)) for k, axis in enumerate(axes)])
        for i in range(d)
    ]
    mu = np.reshape(process.ito_drift(x if d > 1 else x[0], t), (d, -1))
    D = np.reshape(process.diffusivity(x if d > 1 else x[0], t), (d, d, -1))
    L = sum(mu[i][:, None] * slopes[i] for i in range(d))
    return L + sum(D[i, j][:, None] * (slopes[i] @ slopes[j]) for i in range(d) for j in range(d))


def exact_expectation(process: Any, axes: Sequence[Axis], u: Any, x0: Sequence[float], *, t_end: float) -> float:
    """Return E u(X_t) of the process from ``x0``, by the backward equation on the nodes."""
    values = np.array(np.broadcast_to(u(*grid(axes)), grid(axes).shape[1:]))
    if process.time_dependent:
        found = solve_ivp(
            lambda s, v: generator(process, axes, t_end - s) @ v,
            (0.0, t_end),
            values,
            method="DOP853",
            rtol=1e-13,
            atol=1e-15,
        )
        values = found.y[:, -1]
    else:
        values = expm(t_end * generator(process, axes)) @ values
    return float(_weights_at(axes, np.reshape(x0, (-1, 1)))[0] @ values)
