"""The divergence of a field: exactly, component by component, and by probes (Hutchinson's estimate of a trace).

    div f = tr f'(x)        E[z . f'(x) z] = tr f'(x)   for z of independent components with mean 0 and variance 1

With S the symmetric part of f'(x) one probe has the variance 2 sum_{i != j} S_ij^2 where the components are +-1
(Rademacher), 2 sum_ij S_ij^2 where they are normal. Sources: Hutchinson (1989); Grathwohl et al., ICLR (2019), eq. 7.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import beside, module_of
from fpsde.ddpm.derivatives import along
from fpsde.noise import Purpose, uniforms
from fpsde.validation import integer, seed64


class Direction(enum.Enum):
    """The law of the components of a probe."""

    RADEMACHER = "rademacher"  #: +1 or -1
    NORMAL = "normal"  #: N(0, 1)


@dataclass(frozen=True)
class Probes:
    """``count`` probes for each point, drawn by counter: a pure function of (seed, id, number of the probe)."""

    count: int
    seed: int
    direction: Direction = Direction.RADEMACHER

    def __post_init__(self) -> None:
        integer("count", self.count, least=1)
        seed64(self.seed)

    def drawn(self, dim: int, n: int, *, first: int = 0) -> np.ndarray:
        """Return the probes (count, dim, n) of the points with ids from ``first`` on."""
        ids = np.arange(first, first + n, dtype=np.uint64)
        u = uniforms(self.seed, Purpose.PROBES, particles=ids, count=self.count * dim).reshape(self.count, dim, n)
        return np.where(u < 0.5, -1.0, 1.0) if self.direction is Direction.RADEMACHER else special.ndtri(u)


def divergence(f: Callable[[Any], Any], x: Any, *, scale: Any, probes: Any = None) -> Any:
    """Return div f at ``x`` (d, n), (n,), of f from (d, n) to (d, n) that changes on the length ``scale``.

    By all components if ``probes`` is None, else the mean of the estimates with ``probes`` (count, d, n).
    """
    if probes is None:
        total = 0.0
        for i in range(len(x)):
            unit = module_of(x).zeros_like(x)
            unit[i] = 1.0
            total = total + along(f, x, unit, scale=scale)[i]
        return total
    return sum((z * along(f, x, z, scale=scale)).sum(axis=0) for z in beside(probes, x)) / len(probes)
