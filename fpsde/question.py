"""What a chain of laws is asked, and what its edges hand to one another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from fpsde.checks import CheckResult, OrderResult, Verdict
from fpsde.corners import Corners
from fpsde.density import Law, Point
from fpsde.laws import SchemeLaw
from fpsde.processes.process import Process
from fpsde.schemes import Scheme

#: Floors of distribution functions up to this size are those of round-off; agreement to more proves little.
ROUND_OFF = 1e-9


@dataclass(frozen=True)
class Question:
    """What is asked: does ``scheme`` with step ``dt`` up to ``t_end`` agree with the process, corner by corner?"""

    process: Process
    scheme: Scheme
    x0: float | Law
    t_end: float
    dt: float
    window: tuple[float, float]
    n_particles: int
    seed: int
    alpha: float

    @property
    def point(self) -> float | None:
        """The point where all start, or None for a law that is not one."""
        if isinstance(self.x0, Law):
            return float(self.x0.at) if isinstance(self.x0, Point) else None
        return float(self.x0)

    @property
    def n_steps(self) -> int:
        return round(self.t_end / self.dt)

    def times(self, refined: int = 1) -> np.ndarray:
        """The step grid ``(n + 1,)``, with each step cut into ``refined``."""
        return np.linspace(0.0, self.t_end, self.n_steps * refined + 1)

    def key(self, purpose: str) -> int:
        """The generator's key for one use in this question, so that no two of a session share their noise."""
        text = f"{self.seed} {self.process.name} {self.scheme.name} {purpose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Reference:
    """The distribution function of the process at ``faces``, good to ``tau``; ``law`` is what it was read from.

    ``proven`` says whether it rests on a law that is known: a closed form, or a solver that met a stationary law.
    """

    law: Law
    faces: np.ndarray
    cdf: np.ndarray
    tau: float
    source: str
    proven: bool


def law_of(q: Question, corners: Corners, *, refined: int = 1) -> SchemeLaw:
    """Return the law of the scheme at ``t_end``, with each step cut into ``refined``.

    What a table holds for a step then holds for each of its parts.
    """
    process = corners.claimed(q.process)
    if process.tables:
        process = replace(process, tables={name: np.repeat(values, refined) for name, values in process.tables.items()})
    return corners.law(process, corners.stated(q.scheme), x0=q.x0, times=q.times(refined))


def projected(errors: np.ndarray) -> np.ndarray:
    """Return one signed number for each level: the part of the error functions ``(levels, n)`` along the coarsest one.

    It has the size of the coarsest error's largest value; where that leading error does not vanish, neither does its
    projection, and a sign is kept that a norm would lose.
    """
    lead = errors[0]
    size = float(lead @ lead)
    return np.zeros(len(errors)) if size == 0 else errors @ lead * (np.max(np.abs(lead)) / size)


def blind(result: OrderResult, floor: float) -> bool:
    """Return whether two laws agree only because ``floor``, far above round-off, hides how they differ."""
    return result.verdict is Verdict.PASS and result.order is None and floor > ROUND_OFF


def bounded(name: str, value: float, bound: float, what: str) -> CheckResult:
    """Return a deterministic check: a number that must not exceed its bound."""
    verdict = Verdict.PASS if value <= bound else Verdict.FAIL
    return CheckResult(name, verdict, statistic=value, threshold=bound, tolerance=bound, detail=f"{what}: {value:.2g}")
