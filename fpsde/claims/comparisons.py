"""Comparisons that several experiments make: with the Fokker-Planck equation, and of particles with a law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Lab
from fpsde.ddpm import round_mixture
from fpsde.density import CellLaw, Law
from fpsde.domain import LINE
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.refinement import Refined, estimate_refined, evolve_refined
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.laws import scheme_law
from fpsde.processes.gibbs import gibbs_law
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

#: Data without a symmetry that could hide an error.
MIXTURE = round_mixture([0.3, 0.7], [[-1.5], [1.0]], [0.3, 0.5])
#: Mass that steps in time may move in a solution of the Fokker-Planck equation.
IN_TIME = 1e-7
#: How far the exact law of a chain has to settle.
SETTLED = 1e-6
#: Round-off of masses and distribution functions.
ROUND_OFF = 1e-12


def law_of_log_density(log_q: Callable[[np.ndarray], np.ndarray]) -> Law:
    """Return the law q/Z on the line by quadrature; InvalidInput where q has no integral."""
    law = gibbs_law(lambda x: -log_q(x), LINE)
    if law is None:
        raise InvalidInput("this density has no integral; change the parameters so that it has one")
    return law


def stationary_is(process: Process, law: Law, *, window: tuple[float, float], cells: int, effect: float) -> CheckResult:
    """Return whether the stationary Fokker-Planck law of ``process`` is ``law``: largest difference of cell masses."""
    solver = FokkerPlanck(process, Grid.uniform(window, cells=cells))
    faces = solver.grid.faces
    found = estimate_refined(solver, lambda fp: fp.stationary().law.cell_masses(faces), scale=1.0)
    error = [("grid", float(found.error.max())), ("round-off", ROUND_OFF)]
    return checks.agreement(found.value, law.cell_masses(faces), accuracy=error, effect=effect, unit="of the mass")


def solution(
    process: Process,
    x0: float | Law,
    *,
    t_end: float,
    window: tuple[float, float],
    cells: int,
    t_start: float = 0.0,
    in_time: float = IN_TIME,
) -> Solution:
    """Return the Fokker-Planck law of ``process`` at ``t_end``, on three grids; ``in_time`` is what steps may move."""
    solver = FokkerPlanck(process, Grid.uniform(window, cells=cells))
    return Solution(evolve_refined(solver, x0, t_end=t_end, t_start=t_start, tolerance=in_time), in_time)


@dataclass(frozen=True, eq=False)
class Solution:
    """A law on three grids, whose distribution function is extrapolated at the faces of the coarsest."""

    refined: Refined
    in_time: float

    @property
    def law(self) -> CellLaw:
        """The law on the finest grid."""
        return self.refined.law

    def is_law(self, law: Law, *, effect: float) -> CheckResult:
        """Return whether it is ``law``: the sup-distance at the faces."""
        found = self.refined
        error = [("grid", found.tau_cdf), ("time", self.in_time), ("round-off", ROUND_OFF)]
        return checks.agreement(found.cdf, law.cdf(found.faces), accuracy=error, effect=effect, unit="sup-distance")


def particles_follow(
    lab: Lab, process: Process, x0: Law, law: Law, *, t_end: float, dt: float, n: int, effect: float
) -> tuple[CheckResult, np.ndarray]:
    """Return whether particles by Euler-Maruyama have ``law`` at ``t_end``, and where they are.

    What the step makes of the law is known exactly, and forgiven: sup|F_chain - F|.
    """
    x = particles(process, euler_maruyama, x0, n=n, seed=lab.seed, t_end=t_end, dt=dt)
    chain = scheme_law(process, euler_maruyama, x0=x0, t_end=t_end, dt=dt, tolerance=SETTLED).law
    step = distances.kolmogorov(chain, law) + SETTLED
    return checks.density(x, law, alpha=lab.level(), tolerance=[("step", step)], effect=effect + step), x
