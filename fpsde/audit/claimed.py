"""What code claims to be: a scheme on a process, from a start, on a grid of times.

A claim gives the judges what they compare with: the scheme's own step as array code, the exact laws of its chain, and
the laws of the process that it should go to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.chain import asked
from fpsde.checks import CheckResult, Verdict
from fpsde.corners import Corners
from fpsde.density import Law, Normal, Point
from fpsde.edge_scheme import scheme_edge
from fpsde.edge_solver import closed_form, solver_edge
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.refinement import evolve_refined
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.integrators.initial import start_of
from fpsde.joint_law import JointNormal
from fpsde.laws import joint_scheme_law, scheme_law
from fpsde.processes.process import Process
from fpsde.question import Question, Reference
from fpsde.schemes.array_step import ArrayStep, array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import dividing_step, time_grid

#: Cells of the coarsest grid on which a law of the process is found where none is known.
CELLS = 200
#: Points, besides the faces of the grid, at which two laws are compared.
LOOKED_AT = 2001
#: To what distribution functions of exact laws settle: no sample of 10^12 would see it, and MALA's go no further.
SETTLED = 1e-9


@dataclass(frozen=True)
class View:
    """The exact law of one number read off the positions: ``weights`` (d,) times x."""

    name: str
    weights: np.ndarray
    law: Law


@dataclass(frozen=True)
class Target:
    """The law of the process at a time, known to ``parts`` in its distribution function; ``source`` says from where."""

    law: Law
    parts: tuple[tuple[str, float], ...]
    source: str


@dataclass(frozen=True, eq=False)
class Claim:
    """That code is ``scheme`` on ``process``, from ``x0``, on ``times`` (n_steps + 1,)."""

    process: Process
    scheme: Scheme
    x0: Any
    times: np.ndarray
    window: tuple[float, float] | None = None

    def __str__(self) -> str:
        return f"{self.scheme.name} on {self.process.name}, {self.n_steps} steps"

    @property
    def n_steps(self) -> int:
        """The number of steps."""
        return len(self.times) - 1

    @property
    def dim(self) -> int:
        """The number of components."""
        return self.process.dim

    @cached_property
    def reference(self) -> ArrayStep:
        """The step that is claimed, as array code."""
        return array_step(self.scheme, self.process)

    @property
    def normals(self) -> int:
        """Rows of standard normals that a step takes."""
        return self.reference.normals

    def advance(self, x: np.ndarray, i: int, z: np.ndarray, *, stretch: float = 1.0) -> np.ndarray:
        """Return the positions (d, n) that the claimed step i makes of x (d, n) and normals z (normals, n).

        ``stretch`` makes the step so many times longer: what code does that counts its steps wrongly.
        """
        t, after = float(self.times[i]), float(self.times[i + 1])
        state = self.reference.started(np.asarray(x, float), t)
        return self.reference.advance(state, np.asarray(z, float), t, stretch * (after - t))[: self.dim]

    def start(self, n: int, seed: int) -> np.ndarray:
        """Return n positions (d, n) of the start."""
        return start_of(self.x0, self.process, n_particles=n, seed=seed)(0, n)

    def paths(self, n: int, seed: int) -> np.ndarray:
        """Return n paths (n_steps + 1, d, n) of the claimed step, from noise of their own."""
        rng, x = generator(seed), self.start(n, seed)
        out = np.empty((self.n_steps + 1, *x.shape))
        out[0] = x
        for i in range(self.n_steps):
            out[i + 1] = x = self.advance(x, i, rng.standard_normal((self.normals, n)))
        return out

    def refuse_hidden_state(self) -> None:
        """Raise InvalidInput where a step of the scheme reads more than positions and normals."""
        kept = {*self.scheme.auxiliary, *self.scheme.scalars} - set(self.scheme.internal)
        if kept or self.reference.observed:
            raise InvalidInput(
                f"a step of {self.scheme.name} has state besides x ({', '.join(sorted(kept))}), which a function "
                "step(x, i, ...) cannot hold; hand the code over as a whole run, fpsde.audit.run"
            )

    @cached_property
    def _known(self) -> dict[tuple[str, int], Any]:
        """Laws that were found, so that several audits of one claim find each once."""
        return {}

    def laws(self, step: int) -> list[View]:
        """Return the exact laws after ``step`` steps: of x, or of each component and of one mixed sum.

        Raises InvalidInput, UnstableStep and NotConverged where they are not known.
        """
        if ("laws", step) not in self._known:
            self._known["laws", step] = self._laws(step)
        return self._known["laws", step]

    def _laws(self, step: int) -> list[View]:
        grid = self.times[: step + 1]
        if self.dim == 1:
            found = scheme_law(self.process, self.scheme, x0=self.x0, times=grid, tolerance=SETTLED)
            return [View("x", np.ones(1), found.law)]
        return views(joint_scheme_law(self.process, self.scheme, x0=self.x0, times=grid).law)

    @cached_property
    def question(self) -> Question:
        """The chain of laws of the claim. InvalidInput where it has more components, unequal steps or no window."""
        if np.ptp(np.diff(self.times)) > 1e-9 * float(self.times[-1]) or self.times[0] != 0:
            raise InvalidInput("an order is that of equal steps from time 0")
        end = float(self.times[-1])
        return asked(
            self.process, self.scheme, x0=self.x0, t_end=end, dt=end / self.n_steps, window=self.window, n_particles=2
        )

    @cached_property
    def solved(self) -> tuple[list[CheckResult], Reference]:
        """The law of the process at the end, and the verdicts on what it rests on."""
        return solver_edge(self.question, Corners())

    @cached_property
    def order(self) -> list[CheckResult]:
        """The verdicts on how the exact law of the scheme goes to that of the process as dt falls."""
        rows, reference = self.solved
        sound = all(row.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) for row in rows)
        return scheme_edge(self.question, Corners(), reference, sound=sound)

    def cut(self, k: int) -> Claim:
        """Return the same claim with each step cut into ``k``; what a table holds for a step holds for its parts."""
        parts = np.arange(k * self.n_steps + 1) / k
        times = np.interp(parts, np.arange(self.n_steps + 1), self.times)
        tables = {name: np.repeat(values, k) for name, values in self.process.tables.items()}
        return replace(self, process=replace(self.process, tables=tables) if tables else self.process, times=times)

    def target(self, step: int) -> Target:
        """Return the law of the process after ``step`` steps: closed form, or the Fokker-Planck solution."""
        if ("target", step) not in self._known:
            self._known["target", step] = self._target(step)
        return self._known["target", step]

    def _target(self, step: int) -> Target:
        q = replace(self.question, t_end=float(self.times[step]))
        exact = closed_form(q)
        if exact is not None:
            return Target(exact, (), "closed form")
        solver = FokkerPlanck(self.process, Grid.uniform(q.window, cells=CELLS))
        found = evolve_refined(solver, self.x0, t_end=q.t_end)
        return Target(found.law, (("grid", found.tau), ("between faces", found.between)), "Fokker-Planck")


def views(law: JointNormal) -> list[View]:
    """Return the laws of the components of a normal law, and of one sum of all of them."""
    d = law.dim
    mixed = np.array([(-1.0) ** i / (1 + i) for i in range(d)])
    rows = [(f"component {i}", np.eye(d)[i]) for i in range(d)] + [("a sum of all components", mixed)]
    return [View(name, w, _normal(float(w @ law.mean), float(w @ law.covariance @ w))) for name, w in rows]


def _normal(mean: float, variance: float) -> Law:
    return Normal(mean, math.sqrt(variance)) if variance > 0 else Point(mean)


def distance(a: Law, b: Law) -> float:
    """Return the largest difference of two distribution functions over a fine grid of their ranges."""
    low, high = (f(x, y) for f, x, y in zip((min, max), a.range(), b.range(), strict=True))
    x = np.linspace(low, high, LOOKED_AT)
    return float(np.max(np.abs(a.cdf(x) - b.cdf(x))))


def generator(seed: int) -> np.random.Generator:
    """Return NumPy's Philox generator: the noise of an audit is none of fpsde's."""
    return np.random.Generator(np.random.Philox(seed))


def claim(
    process: Process,
    scheme: Scheme,
    *,
    x0: Any = None,
    t_end: float | None = None,
    dt: float | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    window: tuple[float, float] | None = None,
) -> Claim:
    """Return what code claims to be: ``scheme`` on ``process``, from ``x0`` to ``t_end`` in steps ``dt``, or on times.

    What is left out comes from the process's own setting. ``x0`` is a number, d of them, a law, or d laws; ``window``
    holds the mass of the process for the Fokker-Planck solution. Raises InvalidInput for what is no process or scheme,
    times that are no grid, and Unsuited where the scheme has no form on the process.
    """
    if not isinstance(process, Process) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"a claim is a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            "fpsde.process_named and fpsde.scheme_named find them by name"
        )
    setting = process.setting
    if times is None:
        t_end = setting.t_end if t_end is None else t_end
        dt = dividing_step(t_end, setting.dt) if dt is None else dt
    grid = time_grid(t_end=None if times is not None else t_end, dt=None if times is not None else dt, times=times)
    made = Claim(process, scheme, setting.x0 if x0 is None else x0, grid, window)
    made.start(1, 0)  # an x0 that is none is refused here
    assert made.reference is not None  # and so is a scheme that has no form
    return made
