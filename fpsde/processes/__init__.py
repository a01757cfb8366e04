"""Processes, one family per file, and the catalogue of them by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fpsde.domain import Interval, Wall
from fpsde.errors import unknown_name
from fpsde.processes.beta_schedules import BetaSchedule, constant_beta, linear_beta
from fpsde.processes.gradient import langevin_of, overdamped
from fpsde.processes.linear import brownian, ornstein_uhlenbeck
from fpsde.processes.multiplicative import cox_ingersoll_ross, geometric_brownian, jacobi, pearson
from fpsde.processes.noising import ddpm_chain, variance_preserving
from fpsde.processes.nonlinear import benes
from fpsde.processes.process import ITO, KINETIC, STRATONOVICH, Exact, Interpretation, Process, Setting
from fpsde.processes.wells import double_well, duffing_well, tilted_well, washboard

__all__ = [
    "CATALOGUE",
    "ITO",
    "KINETIC",
    "STRATONOVICH",
    "BetaSchedule",
    "Exact",
    "Interpretation",
    "Process",
    "Setting",
    "benes",
    "brownian",
    "constant_beta",
    "cox_ingersoll_ross",
    "ddpm_chain",
    "double_well",
    "duffing_well",
    "geometric_brownian",
    "jacobi",
    "langevin_of",
    "linear_beta",
    "ornstein_uhlenbeck",
    "overdamped",
    "pearson",
    "process_named",
    "tilted_well",
    "variance_preserving",
    "washboard",
]

#: The processes that are complete without a function from the user: name -> function of keyword parameters.
CATALOGUE: dict[str, Callable[..., Process]] = {
    factory.__name__: factory
    for factory in (
        brownian,
        ornstein_uhlenbeck,
        geometric_brownian,
        cox_ingersoll_ross,
        double_well,
        duffing_well,
        tilted_well,
        washboard,
        benes,
        pearson,
        jacobi,
        variance_preserving,
    )
}
CATALOGUE |= {
    f"brownian_{wall.value}": partial(brownian, domain=Interval.between(0.0, 1.0, wall))
    for wall in (Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC)
}


def process_named(name: str, **parameters: Any) -> Process:
    """Return the process of the catalogue with this name, with ``parameters`` in place of its defaults.

    Raises InvalidInput for an unknown name or parameter, with the nearest known one.
    """
    if name not in CATALOGUE:
        raise unknown_name("process", name, CATALOGUE)
    return CATALOGUE[name]().with_params(**parameters)
