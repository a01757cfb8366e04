"""What ``fpsde verify`` judges where no process is named: the catalogue in one dimension, with schemes and walls."""

from __future__ import annotations

from fpsde.processes import CATALOGUE, ddpm_chain
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, ddpm_step, euler_maruyama, milstein

#: Processes of one dimension that are not judged unless named, and why.
LEFT_OUT = {
    "cube_root": "its coefficients are not Lipschitz at 0, where no scheme has the order that it claims",
    "sinh_process": "its law has tails as of exp(W), which no window of equal cells both holds and resolves",
}


def default_suite() -> list[tuple[Process, Scheme]]:
    """Return (process, scheme): Euler-Maruyama on all, Milstein where noise is multiplicative, walls, DDPM.

    Processes of more than one dimension are left out, and those of ``LEFT_OUT``.
    """
    pairs: list[tuple[Process, Scheme]] = []
    for name, factory in CATALOGUE.items():
        process = factory()
        if process.dim > 1 or name in LEFT_OUT:
            continue
        pairs.append((process, euler_maruyama))
        if not process.additive:
            pairs.append((process, milstein))
        if process.rate is not None:
            pairs.append((process, ddpm_step))
    return [*pairs, (ddpm_chain(), euler_maruyama), (ddpm_chain(), ddpm_step)]
