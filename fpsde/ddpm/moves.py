"""A sampler as moves that have noise, one after the other, and maps without noise that end it.

A step that is made of parts (:attr:`Scheme.parts`: a rise of the noise and a flow, a step and its corrector) is taken
apart; a map without noise F before a move N(A(x), C(x)) makes it N(A(F(x)), C(F(x))), one move again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.derivatives import jacobian
from fpsde.ddpm.samplers import Sampler, is_silent
from fpsde.laws.normal_step import NormalStep

#: Points that are moved at once: a network holds a few hundred numbers for each.
PIECE = 2**15


@dataclass(frozen=True, eq=False)
class Flow:
    """Step ``i`` of a sampler, which has no noise."""

    sampler: Sampler
    i: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the points (d, n) after the step."""
        return self.sampler.step(x, self.i, np.zeros((self.sampler.normals, x.shape[1])))

    def determinant(self, x: np.ndarray) -> np.ndarray:
        """Return det F'(x) at points (d, n), d = 1 or 2, (n,)."""
        tables = self.sampler.chain.tables
        level, after = float(tables["level"][self.i]), float(tables["next_level"][self.i])
        J = jacobian(self, x, scale=min(level, after) if after > 0 else level)
        return J[0, 0] if len(J) == 1 else J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]


@dataclass(frozen=True, eq=False)
class Move:
    """x' ~ N(A, C), A and C those of step ``i`` where the maps ``before`` it have taken x."""

    before: tuple[Flow, ...]
    step: NormalStep
    i: int

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A (d, n) and C (d, d, n) from points (d, n)."""
        d = len(x)
        found = in_pieces(self._stacked, x)
        return found[:d], found[d:].reshape(d, d, -1)

    def _stacked(self, x: np.ndarray) -> np.ndarray:
        """Return the rows of A and C, (d + d^2, n)."""
        for flow in self.before:
            x = flow(x)
        A, C = self.step.at(x, float(self.i), 1.0)
        return np.concatenate([A, C.reshape(-1, x.shape[1])])

    def noise(self, dim: int) -> float:
        """Return the standard deviation of the noise, the least of all axes, in the middle."""
        _, C = self.at(np.zeros((dim, 1)))
        return float(np.sqrt(min(C[k, k, 0] for k in range(dim))))


def taken_apart(sampler: Sampler) -> tuple[list[Move], list[Flow]]:
    """Return the moves of a sampler and the maps that follow the last of them.

    Raises InvalidInput for a step, or a part of one, that is not affine in normals.
    """
    parts = [Sampler(sampler.chain, part) for part in sampler.scheme.parts or (sampler.scheme,)]
    known: dict[Sampler, NormalStep] = {}
    moves: list[Move] = []
    waiting: list[Flow] = []
    for i in range(sampler.n_steps):
        for part in parts:
            if is_silent(part, i):
                waiting.append(Flow(part, i))
                continue
            if part not in known:
                known[part] = NormalStep.of(part.scheme, part.chain)
            moves.append(Move(tuple(waiting), known[part], i))
            waiting = []
    return moves, waiting


def in_pieces(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return f at points (d, n), (k, n), from some of the points at a time."""
    return np.concatenate([f(x[:, k : k + PIECE]) for k in range(0, x.shape[1], PIECE)], axis=1)


def images(flows: Sequence[Flow], x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where maps take points (d, n), log |det F'| (n,) of all together, and whether one turned over (n,)."""
    stretch, folded = np.zeros(x.shape[1]), np.zeros(x.shape[1], dtype=bool)
    for flow in flows:
        determinant = flow.determinant(x)
        folded |= ~(determinant > 0)
        stretch += np.log(np.where(determinant > 0, determinant, 1.0))
        x = flow(x)
    return x, stretch, folded
