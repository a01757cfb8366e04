"""Steps x' = Phi(x, z, eta) that increase, or decrease, in one normal z: implicit ones, Heun's, Rößler's, and others.

The other inputs eta are summed by their rule (:mod:`fpsde.laws.noise_rule`): the law of a step is a mixture over eta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.kernels import NOISE_NEEDED, REACH
from fpsde.laws.monotone_kernel import MonotoneKernel
from fpsde.laws.noise_rule import continuous_rows, noise_rule, row_of_uniform
from fpsde.laws.step_form import StepForm
from fpsde.printing import numpy_function
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, needed

#: Nodes for each of the other normals on the first panels; halved panels have twice as many.
OTHERS = 8
#: Half of the intervals of the table in z that finds where Phi increases.
TABLE = 32
#: Chebyshev nodes in z, at first and at most, and the relative size that the last coefficients must have fallen to.
SERIES, MOST_SERIES, RESOLVED = 24, 768, 1e-13


@dataclass(frozen=True, eq=False)
class MonotoneForm(StepForm):
    """A step of which values are known. ``main`` is the row of the normal z in which its maps are inverted."""

    main: int = field(kw_only=True)
    unsummed: set[int] = field(kw_only=True)  #: the main row, and those that the step does not read
    advance: Callable[..., tuple] = field(kw_only=True)  #: (x, *normals, *constants) -> x', what is seen, failed

    def moved(self, x: Any, normals: Any, row: Any, *, seen: bool = False) -> np.ndarray:
        """Return x', or what observers see, NaN where the step fails; ``normals`` are its rows of normals."""
        with np.errstate(all="ignore"):
            outputs = self.advance(x, *normals, *row)
            return np.where(outputs[2], np.nan, outputs[int(seen)])

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        return self.moved(x, rng.standard_normal((len(self.step.normals), len(x))), row)

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
        rule, shares = noise_rule(self.step.inputs, OTHERS << cuts, without=self.unsummed)
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


def monotone_form(scheme: Scheme, process: Any, step: TracedStep) -> MonotoneForm:
    """Return the form of a step; InvalidInput where its law has no density, or where it remembers more than x."""
    x, *others = step.state
    failed = step.outputs[-1].xreplace({step.state[-1]: sp.Integer(0)}) if step.flagged else sp.Integer(0)
    outputs = (step.outputs[0], step.outputs[step.observed], failed)
    assignments, read = needed(step.assignments, outputs)
    if read & set(others):
        names = ", ".join(sorted(map(str, read & set(others))))
        raise InvalidInput(
            f"{scheme.name} reads {names} of the step before: its positions on {process.name} alone are no chain"
        )
    unread = {row for row, z in enumerate(step.normals) if z not in read}
    smooth = [row for row in continuous_rows(step.inputs) if row not in unread]
    if not smooth or row_of_uniform(step.inputs) is not None:
        raise InvalidInput(
            f"{scheme.name} on {process.name} takes discrete noise or none, or rejects, so that a step has no density; "
            "scheme_expectation gives its expectations"
        )
    reads = [i for i, symbol in enumerate(step.constants) if symbol in read]
    arguments = [x, *step.normals, *(step.constants[i] for i in reads)]
    return MonotoneForm(
        scheme=scheme,
        step=step,
        process=process,
        reads=np.array(reads, dtype=int),
        main=smooth[0],
        unsummed=unread | {smooth[0]},
        advance=numpy_function(arguments, outputs, assignments=assignments),
    )
