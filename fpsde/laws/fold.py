"""The fold of a quadratic step (Milstein's): where it is within reach, and the dt with which it is not."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from fpsde.errors import NotConverged
from fpsde.laws.evolution import Run

#: Mass beyond the fold in one step up to which the kernel is taken for its one branch: Phi(-8.3) = 5e-17.
UNFOLDED = 1e-16


def refuse_fold(found: Run, *, scheme: str, times: np.ndarray) -> None:
    """Raise NotConverged, with the dt that works, if a step carries mass beyond its fold.

    B grows as sqrt(dt) and C as dt, so the fold B/(2 C) lies at a distance that grows as dt^(-1/2).
    """
    if found.folded <= UNFOLDED:
        return
    fold, mass = found.folding
    fraction = np.exp(np.linspace(0.0, np.log(1e-6), 2000))  # of dt
    beyond = np.array([mass @ ndtr(-fold / np.sqrt(f)) for f in fraction])
    longest, span = float(np.max(np.diff(times))), float(times[-1] - times[0])
    dt = span / np.ceil(span / (longest * fraction[np.argmax(beyond <= UNFOLDED)]))
    raise NotConverged(
        f"dt={longest:.6g}: {found.folded:.3g} of the mass of a step of {scheme} lies beyond the fold of its noise x' = A + B z + C z^2, "
        f"where its density is singular; at most {UNFOLDED:g} may. It works with dt={dt:.12g} (or less)"
    )
