"""Audits: somebody else's code, what it claims to be, and the chain of laws judged level by level.

A door for each way in which code can be handed over; each says which levels it reaches:

* :func:`step`: ``step(x, i, z)`` with the noise handed in;
* :func:`drawn_step`: ``step(x, i, rng)``, which draws its own;
* :func:`run`: ``run(n, seed)``, a whole run;
* :func:`sample`: an array.

What the code claims to be is declared by :func:`claim` (a scheme on a process) or :func:`denoising` (a sampler of a
diffusion model, with an exact model in it), never guessed. Numbers that are known exactly have doors of their own:
:func:`noising`, :func:`schedule`, :func:`loss`, :func:`bound`, :func:`log_density`, and :func:`solution` for
Fokker-Planck equations.
"""

from fpsde.audit.claimed import Claim, claim
from fpsde.audit.doors import drawn_step, run, step
from fpsde.audit.exact_models import DenoisingClaim, denoising, noising
from fpsde.audit.findings import LEVELS, Audit, Level, Quantity
from fpsde.audit.samples import law_of_density, sample
from fpsde.audit.solutions import solution
from fpsde.audit.tables import Table, bound, log_density, loss, schedule

__all__ = [
    "LEVELS",
    "Audit",
    "Claim",
    "DenoisingClaim",
    "Level",
    "Quantity",
    "Table",
    "bound",
    "claim",
    "denoising",
    "drawn_step",
    "law_of_density",
    "log_density",
    "loss",
    "noising",
    "run",
    "sample",
    "schedule",
    "solution",
    "step",
]
