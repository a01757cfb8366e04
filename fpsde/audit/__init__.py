"""Audits: somebody else's code, what it claims to be, and the chain of laws judged level by level.

A door for each way in which code can be handed over; each says which levels it reaches:

* :func:`step`: ``step(x, i, z)`` with the noise handed in;
* :func:`drawn_step`: ``step(x, i, rng)``, which draws its own;
* :func:`run`: ``run(n, seed)``, a whole run;
* :func:`sample`: an array.

What the code claims to be is declared by :func:`claim`, never guessed.
"""

from fpsde.audit.claimed import Claim, claim
from fpsde.audit.doors import drawn_step, run, step
from fpsde.audit.findings import LEVELS, Audit, Level, Quantity
from fpsde.audit.samples import law_of_density, sample

__all__ = [
    "LEVELS",
    "Audit",
    "Claim",
    "Level",
    "Quantity",
    "claim",
    "drawn_step",
    "law_of_density",
    "run",
    "sample",
    "step",
]
