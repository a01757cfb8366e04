"""Where functions of the state are held: a product of axes, with or without a weight; and steps as matrices there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.laws.axes import Axis

#: Points along an axis at which two densities are held against each other, by the number of axes.
LATTICE = {1: 8001, 2: 801}
#: Points (nodes times noise) that are stepped at once.
AT_ONCE = 10**5

Observable = Callable[..., Any]
#: From the numbers (k,) of starts: weights (k * per_start,) and where a step ends (d, k * per_start), those of one
#: start in a row. Start i + n_nodes c is node i, for the operator number c.
Outcomes = Callable[[np.ndarray], Iterable[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True, eq=False)
class Frame:
    """Functions u of the state, held as  exp(-energy/2) u  by their values at the nodes of a product of axes.

    ``energy`` (d, n) -> (n,) is that of the stationary law, in units of the temperature; without one u itself is held.
    With it the operator of a step is nearly symmetric and what u does far out, where nobody goes, costs no nodes.
    """

    axes: tuple[Axis, ...]
    energy: Callable[[np.ndarray], np.ndarray] | None = None

    @cached_property
    def nodes(self) -> np.ndarray:
        """The nodes of the product, ``(d, n_nodes)``; the last axis runs first."""
        return np.stack([g.ravel() for g in np.meshgrid(*(axis.nodes for axis in self.axes), indexing="ij")])

    @cached_property
    def weight(self) -> np.ndarray:
        """exp(-energy/2) at the nodes, ``(n_nodes,)``: the function 1 as it is held."""
        return np.exp(-0.5 * self._energy(self.nodes))

    @cached_property
    def lengths(self) -> np.ndarray:
        """The weights of the integral over the state at the nodes, ``(n_nodes,)``."""
        return functools.reduce(np.kron, [axis.lengths for axis in self.axes])

    @property
    def endless(self) -> bool:
        """Whether no axis has ends: all are rings, or lines that go on for ever."""
        return all(axis.held is None for axis in self.axes)

    def holding(self, observables: Sequence[Observable]) -> np.ndarray:
        """Return functions of the components as they are held, ``(n_nodes, k)``."""
        n = self.nodes.shape[1]
        return np.stack([self.weight * np.broadcast_to(u(*self.nodes), n) for u in observables], axis=1)

    def at(self, point: Sequence[float]) -> np.ndarray:
        """Return the row ``(n_nodes,)`` that turns what is held of u into u(point)."""
        row = functools.reduce(np.kron, [axis.at(np.array([x]))[0] for axis, x in zip(self.axes, point, strict=True)])
        return row * np.exp(0.5 * self._energy(np.reshape(point, (-1, 1))))

    def matrices(self, outcomes: Outcomes, per_start: int, *, count: int = 1) -> np.ndarray:
        """Return operators  (P u)(x_j) = sum_q w_jq u(x_jq)  on what is held, ``(count, n_nodes, n_nodes)``.

        ``outcomes`` tells w_jq and x_jq.
        """
        n = self.nodes.shape[1]
        sums = np.zeros((count * n, n))  # of the functions of the axes, turned into values at the nodes in the end
        for part in np.array_split(np.arange(count * n), -(-count * n * per_start // AT_ONCE)):
            for w, ends in outcomes(part):
                after = np.stack([axis.inside(x) for axis, x in zip(self.axes, ends, strict=True)])
                # the functions of the last axis are kept apart: the sum over q is then a product of small matrices
                front = (w * np.exp(0.5 * self._energy(after)))[:, None]
                for axis, x in zip(self.axes[:-1], after[:-1], strict=True):
                    front = (front[:, :, None] * axis.basis(x)[:, None, :]).reshape(len(w), -1)
                last = self.axes[-1].basis(after[-1])
                front, last = (f.reshape(len(part), per_start, -1) for f in (front, last))
                sums[part] += (np.swapaxes(front, 1, 2) @ last).reshape(len(part), n)
        P = (np.tile(self.weight, count)[:, None] * sums).reshape(count * n, *(len(axis.nodes) for axis in self.axes))
        for axis in self.axes:
            P = np.tensordot(P, axis.inverse, axes=(1, 0))  # the axis comes back as the last one
        return P.reshape(count, n, n)

    def total_variation(self, difference: np.ndarray) -> float:
        """Return half of the integral of |f| for a density f with the weights ``difference`` at the nodes, f lengths.

        f exp(energy/2) is interpolated to a fine lattice: the kinks of |f| are felt there, and not by the nodes. Along
        the last axis f is straight between two points, with the zero that lies there. The axes have ends or are rings.
        """
        n = LATTICE[len(self.axes)]
        lines = [np.linspace(*axis.ends, n) for axis in self.axes]
        f = (difference / (self.weight * self.lengths)).reshape([len(axis.nodes) for axis in self.axes])
        for axis, line in zip(self.axes, lines, strict=True):
            f = np.tensordot(f, axis.at(line), axes=(0, 1))  # the axis comes back as the last one
        f = f * np.exp(-0.5 * self._energy(np.stack(np.meshgrid(*lines, indexing="ij"))))
        a, b = np.abs(f[..., :-1]), np.abs(f[..., 1:])
        size = np.maximum(a + b, np.finfo(float).tiny)
        sums = np.where(f[..., :-1] * f[..., 1:] < 0, (a * a + b * b) / size, a + b).sum(axis=-1)
        inner = 0.5 * sums * (lines[-1][1] - lines[-1][0])
        return 0.5 * float(np.trapezoid(inner, lines[0]) if len(self.axes) == 2 else inner)

    def _energy(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(x.shape[1:]) if self.energy is None else self.energy(x)


def applied(P: np.ndarray, values: np.ndarray, n_steps: int) -> np.ndarray:
    """Return P^n_steps values: step by step, or by squaring where steps are many."""
    if n_steps <= len(P):
        for _ in range(n_steps):
            values = P @ values
        return values
    while n_steps:
        if n_steps % 2:
            values = P @ values
        n_steps //= 2
        P = P @ P if n_steps else P
    return values
