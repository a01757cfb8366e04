"""What ``fpsde verify`` judges where no process is named: the whole catalogue, schemes and walls included."""

from __future__ import annotations

from fpsde.processes import CATALOGUE, ddpm_chain
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, ddpm_step, euler_maruyama, milstein


def default_suite() -> list[tuple[Process, Scheme]]:
    """Return (process, scheme): Euler-Maruyama on all, Milstein where noise is multiplicative, walls, DDPM."""
    pairs: list[tuple[Process, Scheme]] = []
    for factory in CATALOGUE.values():
        process = factory()
        pairs.append((process, euler_maruyama))
        if not process.additive:
            pairs.append((process, milstein))
        if process.rate is not None:
            pairs.append((process, ddpm_step))
    return [*pairs, (ddpm_chain(), euler_maruyama), (ddpm_chain(), ddpm_step)]
