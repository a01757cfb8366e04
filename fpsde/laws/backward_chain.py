"""Expectations of any scheme without sampling, in any dimension: one step is a matrix on functions of the state.

    (P u)(x_j) = sum_q w_q u(step(x_j, z_q))

at the nodes x_j of a frame, with the rule (z_q, w_q) of the noise (:mod:`fpsde.laws.noise_rule`) and u between the
nodes by the functions of the axes. No density is needed: noise may be degenerate or discrete, the step any map of z.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.laws.frame import Frame, Observable, applied
from fpsde.laws.noise_rule import noise_rule, row_of_uniform
from fpsde.laws.parts import noisy_parts
from fpsde.processes.process import Process
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme

#: Where a step accepts or rejects: U = exp(-SURE^2/2) accepts everything; halvings that find the U up to which it does.
SURE, HALVINGS = 30.0, 55
#: Points (nodes times noise) of steps of a time-dependent process that are taken together: one by one they cost calls.
TOGETHER = 2 * 10**4


class BackwardChain:
    """A scheme on a process, on functions held in a ``frame``.

    ``nodes`` is the number of noise nodes for each normal (panels where a step accepts or rejects). Positions alone
    must be a chain: InvalidInput for a scheme that carries more from step to step than follows from where it is.
    """

    def __init__(self, scheme: Scheme, process: Process, frame: Frame, *, nodes: int | None = None) -> None:
        self.scheme, self.process, self.frame = scheme, process, frame
        self.step = array_step(scheme, process)
        self.z, self.w = noise_rule(self.step.inputs, nodes)
        self.uniform = row_of_uniform(self.step.inputs)
        self._refuse_memory()
        parts = [BackwardChain(part, process, frame, nodes=nodes) for part in noisy_parts(scheme)]
        self.parts = parts if self._made_of(parts) else []

    def matrix(self, t: float, dt: float, *, seen: bool = False) -> np.ndarray:
        """Return the operator of the step from t; ``seen``: on functions of what observers see after it, not of x'.

        Of a step that is made of parts it is the product of theirs, each summed over the noise of that part alone.
        """
        return self._matrices(np.array([t]), dt, seen=seen)[0]

    def _matrices(self, times: np.ndarray, dt: float, *, seen: bool = False) -> np.ndarray:
        """Return the operators of the steps from each of ``times`` (k,), ``(k, n_nodes, n_nodes)``."""
        if self.parts:
            return functools.reduce(np.matmul, [part._matrices(times, dt) for part in self.parts])
        d, m, n = self.step.dim, len(self.w), self.frame.nodes.shape[1]
        first = self.step.observed if seen else 0

        def outcomes(starts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            t = times[starts // n] if len(times) > 1 else float(times[0])
            state = np.repeat(self.step.started(self.frame.nodes[:, starts % n], t), m, axis=1)
            w, z = np.tile(self.w, len(starts)), np.tile(self.z, len(starts))
            for share, after in self._outcomes(state, z, t if len(times) == 1 else np.repeat(t, m), dt):
                yield w * share, after[first : first + d]

        return self.frame.matrices(outcomes, m, count=len(times))

    def expectations(
        self, observables: Sequence[Observable], x0: Sequence[float], *, t_end: float, n_steps: int
    ) -> np.ndarray:
        """Return E u(X_n) from ``x0`` for each u, ``(k,)``; u maps the components to an array."""
        dt = t_end / n_steps
        values = self.frame.holding(observables)
        if self.scheme.observed is not None:
            n_steps -= 1
            values = self.matrix(n_steps * dt, dt, seen=True) @ values
        if self.process.time_dependent:
            # tables are read at one time
            at_once = 1 if self.process.tables else max(1, TOGETHER // (len(values) * len(self.w)))
            for end in range(n_steps, 0, -at_once):
                for P in self._matrices(np.arange(max(0, end - at_once), end) * dt, dt)[::-1]:
                    values = P @ values
        elif n_steps:
            values = applied(self.matrix(0.0, dt), values, n_steps)
        return self.frame.at(x0) @ values

    def stationary(self, dt: float) -> np.ndarray:
        """Return the stationary law of what observers see as weights at the nodes: E u = weights @ u(nodes).

        pi (I - P + 1 v) = v for any row v with v 1 = 1, a matrix that is not singular where the law is unique.
        """
        one = self.frame.weight
        P = self.matrix(0.0, dt)
        row = one / (one @ one)
        weights = np.linalg.solve((np.eye(len(P)) - P + np.outer(one, row)).T, row)
        if self.scheme.observed is not None:
            weights = weights @ self.matrix(0.0, dt, seen=True)
        return weights * one

    def _outcomes(
        self, state: np.ndarray, z: np.ndarray, t: float | np.ndarray, dt: float
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

    def _made_of(self, parts: Sequence[BackwardChain]) -> bool:
        """Return whether the step is that of the parts one after the other: a step that was replaced is not."""
        if not parts or self.scheme.observed is not None:
            return False
        x, d, dt = self.frame.nodes, self.step.dim, 0.1
        z = np.random.default_rng(0).standard_normal((self.step.normals, x.shape[1]))
        rows = np.split(z, np.cumsum([part.step.normals for part in parts])[:-1])
        moved = x
        for part, normals in zip(parts, rows, strict=True):
            moved = part.step.advance(part.step.started(moved, 0.0), normals, 0.0, dt)[:d]
        whole = self.step.advance(self.step.started(x, 0.0), z, 0.0, dt)[:d]
        return np.allclose(moved, whole, rtol=1e-9, equal_nan=True)

    def _refuse_memory(self) -> None:
        """Raise InvalidInput unless positions alone are a chain: what a step keeps follows from where it ends."""
        d, dt = self.step.dim, 0.1
        z = np.repeat(self.z[:, :1], self.frame.nodes.shape[1], axis=1)
        state = self.step.started(self.frame.nodes, 0.0)
        after = self.step.advance(state, z, 0.0, dt)
        if self.scheme.start is None:
            state[d:] += 7.0
            kept, follows = self.step.advance(state, z, 0.0, dt)[:d], after[:d]
        else:
            rows = slice(d, d + d * len(self.scheme.auxiliary))
            kept, follows = after[rows], self.step.started(after[:d], dt)[rows]
        if not np.allclose(kept, follows, rtol=1e-12, atol=1e-12, equal_nan=True):
            raise InvalidInput(
                f"{self.scheme.name} remembers more than positions on {self.process.name}: its positions alone are no "
                "chain, and have no backward operator; measure it by sampling"
            )
