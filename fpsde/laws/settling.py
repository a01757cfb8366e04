"""Accuracy: a law is computed on panels and on halved ones, until they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.errors import NotConverged, UnstableStep
from fpsde.laws.evolution import Run, Runs, run
from fpsde.laws.fold import refuse_fold
from fpsde.laws.markov_chain import Chain
from fpsde.laws.transition import Region

#: Largest leak of a step, of the mass still there, with which a law conditioned on not having leaked is given.
MOST_LEAK = 1e-10
#: How often panels are halved, as long as the change falls to this share each time: it falls exponentially unless the
#: law is not smooth on the panels, or round-off is reached.
HALVINGS, WORTHWHILE = 4, 0.1


#: How far two runs, on panels and on halved ones, are apart.
Change = Callable[[Run, Run], float]


@dataclass(frozen=True, eq=False)
class Settled:
    """A run that agrees with the one on panels twice as wide, up to ``accuracy``."""

    run: Run
    accuracy: float


def change_of_laws(coarse: Run, fine: Run) -> float:
    """Return the largest difference of the distribution functions, at ends and within the panels of the finer run."""
    out = 0.0
    for n, law in fine.laws.items():
        x = np.concatenate([law.faces, law.faces[:-1] + 0.37 * np.diff(law.faces)])
        out = max(out, float(np.abs(coarse.laws[n].cdf(x) - law.cdf(x)).max()))
    return out


def settled(
    chain: Chain, region: Region, *, tolerance: float, runs: Runs = run, change: Change = change_of_laws
) -> Settled:
    """Return the laws on panels that were halved until their ``change`` was no more than ``tolerance``.

    Raises NotConverged if that does not happen or if a fold is within reach, UnstableStep if too much leaks.
    """
    coarse = runs(chain, region, cuts=0)
    refuse_fold(coarse, chain, region, tolerance=tolerance, runs=runs)
    refuse_leak(coarse, chain, region)
    accuracy = np.inf
    for cuts in range(1, HALVINGS + 1):
        fine = runs(chain, region, cuts=cuts)
        before, accuracy = accuracy, max(change(coarse, fine), fine.defect)
        if accuracy <= tolerance:
            return Settled(fine, accuracy)
        if accuracy > WORTHWHILE * before:
            break
        coarse = fine
    raise NotConverged(
        f"the law of {chain.form.scheme.name} on {chain.form.process.name} settled to {accuracy:.2g} with "
        f"{fine.n_nodes} nodes, not to tolerance={tolerance:g}; allow tolerance={2 * accuracy:.1g}, or take fewer "
        "or longer steps"
    )


def refuse_leak(found: Run, chain: Chain, region: Region) -> None:
    """Raise UnstableStep if a step leaks too much for a law that is conditioned on what stayed."""
    if found.largest > MOST_LEAK:
        below, above = found.rates
        name, dt = chain.form.process.name, float(np.max(np.diff(chain.times)))
        raise UnstableStep(
            f"{name} with dt={dt:.6g} leaks: of what is inside ({region.low:.6g}, {region.high:.6g}), up to "
            f"{found.largest:.3g} leaves in a step ({below:.3g} below, {above:.3g} above), {found.lost:.3g} in all "
            f"steps; a law is given up to {MOST_LEAK:g} a step. Take a smaller dt (the leak falls steeply: try "
            f"{dt / 2:.6g}), or a box that holds the chain"
        )
