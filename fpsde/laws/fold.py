"""The fold of a step (Milstein's quadratic one): where it is within reach, and the dt with which it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from fpsde.errors import NotConverged, UnstableStep
from fpsde.laws.box import found_box
from fpsde.laws.evolution import Run, Runs
from fpsde.laws.markov_chain import Chain
from fpsde.laws.transition import Region

#: Share of the tolerance that the mass beyond the folds of all steps may take: the density is singular there, too.
SHARE = 0.01
#: Trials of a smaller dt, by how much it falls from one to the next at most, and steps that a trial may have.
TRIALS, MOST_PARTS, MOST_STEPS = 8, 4, 4_000


def refuse_fold(found: Run, chain: Chain, region: Region, *, tolerance: float, runs: Runs) -> None:
    """Raise NotConverged, with a dt that works, if too much mass lies beyond the folds of the steps."""
    most = SHARE * tolerance / len(chain.rows)
    if found.folded <= most:
        return
    parts, works = _enough_parts(found, chain, region, tolerance, runs)
    dt = float(np.max(np.diff(chain.times)))
    advice = f"it works with dt={dt / parts:.12g}" if works else f"even dt={dt / parts:.3g} may be too large"
    raise NotConverged(
        f"dt={dt:.6g}: {found.folded:.3g} of the mass of a step of {chain.form.scheme.name} lies beyond the fold of "
        "its kernel, where x' turns back as the noise grows (the density is singular there), or the step fails; at "
        f"most {most:.3g} may, with tolerance={tolerance:g}; {advice}"
    )


def _enough_parts(found: Run, chain: Chain, region: Region, tolerance: float, runs: Runs) -> tuple[int, bool]:
    """Return into how many parts the steps must be cut, tried out, and whether the last trial had no mass beyond.

    B grows as sqrt(dt) and C as dt, so the fold B/(2 C) recedes as dt^(-1/2), but the law comes nearer to it, too.
    """
    parts = 1
    for _ in range(TRIALS):
        fold, mass = found.folding
        most = SHARE * tolerance / (parts * len(chain.rows))
        more = np.linspace(1, MOST_PARTS, 400)
        enough = [mass @ ndtr(-fold * np.sqrt(m)) <= most for m in more]
        factor = more[np.argmax(enough)] if any(enough) else MOST_PARTS
        parts = max(parts + 1, int(np.ceil(parts * factor)))
        if chain.form.process.tables or parts * len(chain.times) > MOST_STEPS:
            break
        times = _cut(chain.times, parts)
        trial = replace(chain, times=times)
        try:
            found = runs(trial, found_box(trial, region.interval, runs=runs), cuts=0, show=False)
        except (NotConverged, UnstableStep):
            break
        if found.folded <= SHARE * tolerance / len(trial.rows):
            return parts, True
    return parts, False


def _cut(times: np.ndarray, parts: int) -> np.ndarray:
    return np.interp(np.arange((len(times) - 1) * parts + 1) / parts, np.arange(len(times)), times)
