"""Steps x' = Phi(x, z, eta) that increase, or decrease, in one normal z: implicit ones, Heun's, Rößler's, and others.

The other inputs eta are summed by their rule (:mod:`fpsde.laws.noise_rule`): the law of a step is a mixture over eta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.kernels import NOISE_NEEDED, REACH
from fpsde.laws.monotone_kernel import MonotoneKernel
from fpsde.laws.noise_rule import noise_rule
from fpsde.laws.valued_form import ValuedForm

#: Nodes for each of the other normals on the first panels; halved panels have twice as many.
OTHERS = 8
#: Half of the intervals of the table in z that finds where Phi increases.
TABLE = 32
#: Chebyshev nodes in z, at first and at most, and the relative size that the last coefficients must have fallen to.
SERIES, MOST_SERIES, RESOLVED = 24, 768, 1e-13


@dataclass(frozen=True, eq=False)
class MonotoneForm(ValuedForm):
    """A step whose maps are inverted in the normal z of the row ``main``."""

    main: int = field(kw_only=True)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x' without noise, and half of what z = 1 and z = -1 are apart, in x' or in what is seen if less."""
        shape = np.broadcast_shapes(np.shape(x), *(np.shape(v) for v in row))

        def at(z: float, seen: bool) -> np.ndarray:
            return np.broadcast_to(self.moved(x, self._normals(z), row, seen=seen), shape)

        widths = [0.5 * np.abs(at(1.0, seen) - at(-1.0, seen)) for seen in {False, self.sees_other}]
        return at(0.0, False), np.min(widths, axis=0)

    def kernel(self, x: np.ndarray, row: np.ndarray, *, cuts: int, seen: bool = False) -> MonotoneKernel:
        """Return the kernel of the steps from ``x``, or of what observers see after them.

        Raises NotConverged where a step has no noise, is not finite, or is not smooth in z.
        """
        rule, shares = noise_rule(self.step.inputs, OTHERS << cuts, without=self.unread | {self.main})
        points, others = np.repeat(x, len(shares)), np.tile(rule, len(x))

        def phi(z: np.ndarray) -> np.ndarray:
            return np.broadcast_to(self.moved(points, self._normals(z, others), row, seen=seen), z.shape)

        sign = np.where(phi(np.ones(len(points))) < phi(-np.ones(len(points))), -1.0, 1.0)
        z = np.linspace(-REACH, REACH, 2 * TABLE + 1)
        rises = np.diff(phi(np.multiply.outer(z, sign)), axis=0) > 0
        back = np.cumprod(rises[TABLE - 1 :: -1], axis=0).sum(axis=0)
        forth = np.cumprod(rises[TABLE:], axis=0).sum(axis=0)
        turned = back * forth == 0
        if turned.reshape(len(x), -1).all(axis=1).any():
            raise NotConverged(
                f"from x={points[np.argmax(turned)]:.6g} the step of {self.process.name} is not finite, or does not "
                f"move with its noise, so its law has no density; {NOISE_NEEDED}"
            )
        low, high = (np.where(turned, 0.0, end) for end in (z[TABLE - back], z[TABLE + forth]))
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        series = self._series(lambda u: np.where(turned, points, phi(sign * (middle + half * u[:, None]))))
        return MonotoneKernel(x, shares=shares, low=low, high=high, series=series)

    def _normals(self, z: Any, others: np.ndarray | None = None) -> list[Any]:
        """Return the rows of normals with ``z`` in the main one; the others are zero if they are left out."""
        rows: list[Any] = [0.0] * len(self.step.normals) if others is None else list(others)
        rows[self.main] = z
        return rows

    def _series(self, f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the Chebyshev coefficients (k, n) of f(u) (n_u, n) on [-1, 1], as many as it takes."""
        n = SERIES
        while n <= MOST_SERIES:
            angles = np.pi * (np.arange(n) + 0.5) / n
            series = 2 / n * np.cos(np.outer(np.arange(n), angles)) @ f(np.cos(angles))
            series[0] /= 2
            sizes = np.abs(series).max(axis=1)
            round_off = np.finfo(float).eps * sizes.max()
            if sizes[-3:].max() <= RESOLVED * sizes[1:].max() + 4 * round_off:
                return series[: 1 + int(np.flatnonzero(sizes > round_off)[-1])]
            n *= 2
        raise NotConverged(
            f"the step of {self.scheme.name} on {self.process.name} is not smooth in its noise: {MOST_SERIES} nodes do "
            "not resolve it; scheme_expectation sums over the noise as it is"
        )


def monotone_form(form: ValuedForm) -> MonotoneForm:
    """Return the form of a step that has a density; InvalidInput where it has none."""
    if not form.summed:
        raise InvalidInput(
            f"{form.scheme.name} on {form.process.name} takes discrete noise or none, so that a step has no density; "
            "scheme_expectation gives its expectations"
        )
    return MonotoneForm(**vars(form), main=form.summed[0])
