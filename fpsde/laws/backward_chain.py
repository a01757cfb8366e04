"""Expectations of any scheme without sampling, in any dimension: one step is a matrix on functions of the state.

A function is held by its values at the nodes x_j of a product of axes, and one step is

    (P u)(x_j) = sum_q w_q u(step(x_j, z_q))

with the rule (z_q, w_q) of the noise (:mod:`fpsde.laws.noise_rule`) and u between the nodes by the functions of the
axes. No density is needed, so the noise may be degenerate or discrete and the step any map of z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.laws.axes import Axis, nodes_of, values_at, weights_at
from fpsde.laws.noise_rule import noise_rule, row_of_uniform
from fpsde.processes.process import Process
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme
from fpsde.symbolic import components

#: Where a step accepts or rejects: U = exp(-SURE^2/2) accepts everything; halvings that find the U up to which it does.
SURE, HALVINGS = 30.0, 55
#: Points (nodes times noise) that are stepped at once.
AT_ONCE = 10**5


class BackwardChain:
    """A scheme on a process, on functions given at the nodes of ``axes`` (one for each component).

    ``nodes`` is the number of noise nodes for each normal (panels where a step accepts or rejects). Positions alone
    must be a chain: InvalidInput for a scheme that carries more from step to step than follows from where it is.
    """

    def __init__(self, scheme: Scheme, process: Process, axes: Sequence[Axis], *, nodes: int | None = None) -> None:
        self.scheme, self.process, self.axes = scheme, process, axes
        self.step = array_step(scheme, process)
        self.z, self.w = noise_rule(self.step.inputs, nodes)
        self.uniform = row_of_uniform(self.step.inputs)
        self.x = nodes_of(axes)
        self._refuse_memory()

    def matrix(self, t: float, dt: float, *, seen: bool = False) -> np.ndarray:
        """Return P with (P u)_j = E u(x') from node j; ``seen``: of what observers see after the step instead of x'."""
        d, n, m = self.step.dim, self.x.shape[1], len(self.w)
        first = self.step.observed if seen else 0
        sums = np.zeros((n, n))  # of the functions of the axes, which are turned into values at the nodes in the end
        for part in np.array_split(np.arange(n), -(-n * m // AT_ONCE)):
            state = np.repeat(self._state(self.x[:, part], t), m, axis=1)
            w = np.tile(self.w, len(part))
            for share, after in self._outcomes(state, np.tile(self.z, len(part)), t, dt):
                # the functions of the last axis are kept apart: the sum over q is then a product of small matrices
                front = (w * share)[:, None]
                for axis, x in zip(self.axes[:-1], after[first:], strict=False):
                    front = (front[:, :, None] * axis.basis(x)[:, None, :]).reshape(len(w), -1)
                last = self.axes[-1].basis(after[first + d - 1])
                front, last = front.reshape(len(part), m, -1), last.reshape(len(part), m, -1)
                sums[part] += (np.swapaxes(front, 1, 2) @ last).reshape(len(part), n)
        P = sums.reshape(n, *(len(axis.nodes) for axis in self.axes))
        for axis in self.axes:
            P = np.tensordot(P, axis.inverse, axes=(1, 0))  # the axis comes back as the last one
        return P.reshape(n, n)

    def expectation(self, u: Callable[..., Any], x0: Sequence[float], *, t_end: float, n_steps: int) -> float:
        """Return E u(X_n) from ``x0``; ``u`` maps the components to an array."""
        dt = t_end / n_steps
        seen = self.scheme.observed is not None
        values = values_at(self.axes, u)
        matrices: dict[tuple[float, bool], np.ndarray] = {}
        for k in reversed(range(n_steps)):
            key = (k * dt if self.process.time_dependent else 0.0, seen and k == n_steps - 1)
            if key not in matrices:
                if self.process.time_dependent:
                    matrices.clear()
                matrices[key] = self.matrix(key[0], dt, seen=key[1])
            values = matrices[key] @ values
        return float(weights_at(self.axes, x0) @ values)

    def stationary(self, dt: float) -> np.ndarray:
        """Return the stationary law of what observers see as weights at the nodes: E u = weights @ u(nodes).

        pi (I - P + 1 v) = v for any row v of sum 1, a matrix that is not singular where the law is unique.
        """
        n = self.x.shape[1]
        P = self.matrix(0.0, dt)
        even = np.full(n, 1 / n)
        weights = np.linalg.solve((np.eye(n) - P + even).T, even)
        return weights if self.scheme.observed is None else weights @ self.matrix(0.0, dt, seen=True)

    def _outcomes(
        self, state: np.ndarray, z: np.ndarray, t: float, dt: float
    ) -> Iterator[tuple[float | np.ndarray, np.ndarray]]:
        """Yield the states that a step leads to, with their probabilities given z."""
        if self.uniform is None:
            yield 1.0, self.step.advance(state, z, t, dt)
            return

        def at(level: Any) -> np.ndarray:
            """The state after the step where U = exp(-level^2/2)."""
            z[self.uniform] = level
            return self.step.advance(state, z, t, dt)

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
        state = np.zeros((self.step.state_rows, x.shape[1]))
        state[: len(x)] = x
        if self.scheme.start is not None:
            given = self.scheme.start(self.step.model, components(list(x)), t)
            rows = [row for name in self.scheme.auxiliary for row in given[name]]
            state[len(x) : len(x) + len(rows)] = np.stack([np.broadcast_to(row, x.shape[1:]) for row in rows])
        return state

    def _refuse_memory(self) -> None:
        """Raise InvalidInput unless positions alone are a chain: what a step keeps follows from where it ends."""
        d, dt = self.step.dim, 0.1
        z = np.repeat(self.z[:, :1], self.x.shape[1], axis=1)
        state = self._state(self.x, 0.0)
        after = self.step.advance(state, z, 0.0, dt)
        if self.scheme.start is None:
            state[d:] += 7.0
            kept, follows = self.step.advance(state, z, 0.0, dt)[:d], after[:d]
        else:
            rows = slice(d, d + d * len(self.scheme.auxiliary))
            kept, follows = after[rows], self._state(after[:d], dt)[rows]
        if not np.allclose(kept, follows, rtol=1e-12, atol=1e-12, equal_nan=True):
            raise InvalidInput(
                f"{self.scheme.name} remembers more than positions on {self.process.name}: its positions alone are no "
                "chain, and have no backward operator; measure it by sampling"
            )
