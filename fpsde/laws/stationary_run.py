"""The stationary law of a chain within a region: what one more step, given that it does not leak, leaves as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import eye_array
from scipy.sparse.linalg import splu

from fpsde.errors import NotConverged
from fpsde.laws.evolution import Run, widened
from fpsde.laws.markov_chain import Chain
from fpsde.laws.mesh import Mesh
from fpsde.laws.transition import Region

#: Inverse iteration: how far its shift is above 1, how often it is repeated at most, and the change that may be left.
#: Rounding grows as 1/shift where chains hardly ever move, as a Metropolised one far out does.
SHIFT, MOST_REPEATS, LEFT = 1e-8, 400, 1e-12
#: Steps after it, in which the sign of what is far out comes right: there rounding is more than the law.
SMOOTHING = 8


def stationary_run(chain: Chain, region: Region, *, cuts: int, show: bool = True) -> Run:
    """Return the run of one step of a chain of equal steps from its stationary law: quasi-stationary where it leaks.

    nu P 1_region = (1 - leak) nu
    """
    mesh = chain.mesh(1, region.low, region.high, cuts=cuts)
    operator = chain.operator(chain.form, chain.rows[0], mesh.nodes, region, mesh, cuts, again=True)
    mass = _fixed(operator.step, mesh, chain)
    losses = operator.losses @ mass
    leak = float(losses[:2].sum())
    laws = {}
    if show:
        laws[1] = operator.law(operator.shown @ mass, np.zeros(2), 1 - leak)
    return Run(
        laws=laws,
        rates=losses[:2],
        largest=leak,
        lost=leak,
        defect=max(
            abs(float(e) - 1) for e in ((operator.step @ mass).sum() + leak, *(law.mass for law in laws.values()))
        ),
        n_nodes=len(mesh.nodes),
        extent=widened((np.inf, -np.inf), mesh, mass),
        folded=float(losses[4]),
        folding=(operator.fold, mass),
    )


def _fixed(step: Any, mesh: Mesh, chain: Chain) -> np.ndarray:
    """Return the masses, of sum 1, that a step changes by one factor close to 1.

    Raises NotConverged where there are two such laws, of wells that hardly ever meet.
    """
    n = step.shape[0]
    if isinstance(step, np.ndarray):
        factors = lu_factor(step - (1 + SHIFT) * np.eye(n), check_finite=False)
        solve = lambda v: lu_solve(factors, v, check_finite=False)  # noqa: E731
    else:
        solve = splu((step - (1 + SHIFT) * eye_array(n)).tocsc()).solve
    # from where particles start: laws that they never reach, of places that are never left, have no part in it then
    mass = np.zeros(n)
    mass[np.argmin(np.abs(mesh.nodes - chain.initial.ppf(0.5)))] = 1.0
    for _ in range(MOST_REPEATS):
        before, mass = mass, solve(mass)
        mass = mass / mass.sum()
        if np.abs(mass - before).sum() <= LEFT:
            break
    else:
        raise NotConverged(
            f"the stationary law of {chain.form.scheme.name} on {chain.form.process.name} is not told apart from a "
            "second one that lasts about as long; take a larger dt, or a box with one well in it"
        )
    for _ in range(SMOOTHING):
        mass = step @ mass
        mass = mass / mass.sum()
    return mass
