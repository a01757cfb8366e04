"""What laws ask of one step of a scheme in one dimension, whatever form it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.laws.kernels import Kernel
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, constant_rows


@dataclass(frozen=True, eq=False)
class StepForm(ABC):
    """A step before any wall has its say. ``x`` are points ``(n,)`` or broadcast against a ``row`` of constants.

    Arrays of constants broadcast against points.
    """

    scheme: Scheme
    process: Any  #: the process without its walls

    #: constants -> (a, c, b) of x' = a x + c + b z, where the step is that
    affine: Callable[..., tuple] | None = None
    #: (x, *constants) -> what vanishes where the step is not smooth in x
    switches: Callable[..., tuple] | None = None

    @property
    def sees_other(self) -> bool:
        """Whether observers see something else than the position that the next step starts from."""
        return self.scheme.observed is not None

    @abstractmethod
    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn; callers expect overflows."""

    @abstractmethod
    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the middle of a step from ``x`` and the standard deviation of its noise there."""

    def kernel(self, x: np.ndarray, row: np.ndarray, *, cuts: int, seen: bool = False) -> Kernel:
        """Return the kernel of the steps from ``x``, or of what observers see after them.

        ``cuts`` doubles the nodes of what is summed in it. NotConverged where a step has no noise or is not finite,
        InvalidInput where its noise is discrete.
        """
        raise InvalidInput(f"a step of {self.scheme.name} on {self.process.name} has no density")

    @abstractmethod
    def rows(self, times: np.ndarray) -> np.ndarray:
        """Return the constants of each step ``(n_steps, n_reads)``; equal steps get equal rows."""


@dataclass(frozen=True, eq=False)
class TracedForm(StepForm):
    """A step that was traced. ``reads`` are the constants (t, dt, parameters, tables) that it reads."""

    step: TracedStep = field(kw_only=True)
    reads: np.ndarray = field(kw_only=True)

    def rows(self, times: np.ndarray) -> np.ndarray:
        """Return the constants of each step ``(n_steps, n_reads)``; equal steps get equal rows."""
        rows = constant_rows(self.process, times)
        dt = np.diff(times)
        rounding = 8 * np.finfo(float).eps * np.max(np.abs(times))
        if np.ptp(dt) <= rounding:
            rows[:, 1], rows[:, 2] = dt.mean(), np.sqrt(dt.mean())
        return rows[:, self.reads]
