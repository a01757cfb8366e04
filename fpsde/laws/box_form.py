"""Steps of black boxes in one dimension that are affine in normal noise:  x' = A(x) + B(x) z, by array code."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.kernels import NOISE_NEEDED, QuadraticKernel
from fpsde.laws.normal_step import NormalStep
from fpsde.laws.step_form import StepForm
from fpsde.processes.black_box import BlackBox
from fpsde.schemes.scheme import Scheme


@dataclass(frozen=True, eq=False)
class BoxForm(StepForm):
    """A step whose A and B are known by value. What a step reads besides x is (t, dt)."""

    normal: NormalStep = field(kw_only=True)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A and |B|; steps at different times are looked at one after the other."""
        x, t, dt = np.broadcast_arrays(x, *row)
        a, b = np.empty(x.shape), np.empty(x.shape)
        for when in np.unique(t):
            here = t == when
            ends, squares = self.normal.at(x[here][None], float(when), float(dt[here][0]))
            a[here], b[here] = ends[0], np.sqrt(squares[0, 0])
        return a, b

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        a, b = self.spread(x, row)
        return a + b * rng.standard_normal(len(x))

    def kernel(self, x: np.ndarray, row: np.ndarray, *, cuts: int, seen: bool = False) -> QuadraticKernel:
        """Return the kernel of the steps from ``x``; NotConverged where a step has no noise or is not finite."""
        a, b = self.spread(x, row)
        bad = ~(np.isfinite(a) & (b > 0) & (b < np.inf))
        if bad.any():
            k = int(np.argmax(bad))
            raise NotConverged(
                f"from x={x[k]:.6g} the step of {self.process.name} has mean {a[k]:.4g} and standard deviation "
                f"{b[k]:.4g}, so its law has no density; {NOISE_NEEDED}"
            )
        return QuadraticKernel(x, a, b, np.zeros_like(a))

    def rows(self, times: np.ndarray) -> np.ndarray:
        """Return t and dt of each step: what a function does with them is not known, so no two steps are the same."""
        steps = len(times) - 1
        for name, values in self.process.tables.items():
            if len(values) != steps:
                raise InvalidInput(
                    f"table {name!r} of {self.process.name} has {len(values)} entries, the run {steps} steps; they "
                    "must be equal"
                )
        return np.column_stack([times[:-1], np.diff(times)])


def box_form(scheme: Scheme, box: BlackBox) -> BoxForm:
    """Return the form of a step of a black box; InvalidInput at walls, and where it is not affine in normal noise."""
    if box.intervals[0].walled or scheme.observed is not None:
        raise InvalidInput(
            f"{box.name} is a black box; its laws are known without walls, by schemes that show positions as they are"
        )
    return BoxForm(scheme=scheme, process=box, normal=NormalStep.of(scheme, box))
