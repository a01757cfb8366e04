"""Processes, one family per file, and the catalogue of them by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fpsde.domain import Interval, Wall
from fpsde.errors import unknown_name
from fpsde.processes.annealed import annealed_langevin
from fpsde.processes.area import levy_area
from fpsde.processes.beta_schedules import BetaSchedule, constant_beta, linear_beta
from fpsde.processes.black_box import BlackBox
from fpsde.processes.carried import breathing_mixture, turning_mixture
from fpsde.processes.chaos import lorenz
from fpsde.processes.debrabant import debrabant_roessler
from fpsde.processes.denoising import denoising_box, denoising_chain
from fpsde.processes.gradient import langevin_of, overdamped
from fpsde.processes.langevin import underdamped, underdamped_of
from fpsde.processes.limit_cycle import energy_van_der_pol
from fpsde.processes.linear import brownian, ornstein_uhlenbeck
from fpsde.processes.linear_systems import linear_system, nonnormal_ou, rotating_ou
from fpsde.processes.mixtures import noised_mixture
from fpsde.processes.multiplicative import (
    call_price,
    cox_ingersoll_ross,
    geometric_brownian,
    ginzburg_landau,
    jacobi,
    pearson,
)
from fpsde.processes.multiplicative_systems import commuting_linear, kubo_oscillator, linear_noise, noncommuting_linear
from fpsde.processes.noise_schedules import NoiseSchedule, schedule_of_betas, schedule_of_sigmas
from fpsde.processes.noising import ddpm_chain, variance_preserving
from fpsde.processes.noising_sdes import sub_variance_preserving, variance_exploding
from fpsde.processes.nonlinear import benes
from fpsde.processes.pathwise import (
    additive_time_dependent,
    arctan_process,
    cube_root,
    sinh_process,
    stiff_tanh,
    tanh_process,
)
from fpsde.processes.prescribed_law import manufactured
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.reversal import probability_flow_of, reverse_of
from fpsde.processes.schedule_formulas import (
    cosine_schedule,
    karras_schedule,
    linear_schedule,
    quadratic_schedule,
    reciprocal_schedule,
    scaled_linear_schedule,
    sigmoid_schedule,
    sub_variance_preserving_schedule,
    variance_exploding_schedule,
    variance_preserving_schedule,
)
from fpsde.processes.statement import ITO, KINETIC, STRATONOVICH, Interpretation
from fpsde.processes.timesteps import leading_timesteps, linspace_timesteps, quadratic_timesteps, trailing_timesteps
from fpsde.processes.wells import (
    double_well,
    duffing,
    duffing_well,
    mueller_brown,
    tilted_well,
    underdamped_oscillator,
    underdamped_washboard,
    washboard,
)

__all__ = [
    "CATALOGUE",
    "ITO",
    "KINETIC",
    "STRATONOVICH",
    "BetaSchedule",
    "BlackBox",
    "Exact",
    "Interpretation",
    "NoiseSchedule",
    "Process",
    "Setting",
    "additive_time_dependent",
    "annealed_langevin",
    "arctan_process",
    "benes",
    "breathing_mixture",
    "brownian",
    "call_price",
    "commuting_linear",
    "constant_beta",
    "cosine_schedule",
    "cox_ingersoll_ross",
    "cube_root",
    "ddpm_chain",
    "debrabant_roessler",
    "denoising_box",
    "denoising_chain",
    "double_well",
    "duffing",
    "duffing_well",
    "energy_van_der_pol",
    "geometric_brownian",
    "ginzburg_landau",
    "jacobi",
    "karras_schedule",
    "kubo_oscillator",
    "langevin_of",
    "leading_timesteps",
    "levy_area",
    "linear_beta",
    "linear_noise",
    "linear_schedule",
    "linear_system",
    "linspace_timesteps",
    "lorenz",
    "manufactured",
    "mueller_brown",
    "noised_mixture",
    "noncommuting_linear",
    "nonnormal_ou",
    "ornstein_uhlenbeck",
    "overdamped",
    "pearson",
    "probability_flow_of",
    "process_named",
    "quadratic_schedule",
    "quadratic_timesteps",
    "reciprocal_schedule",
    "reverse_of",
    "rotating_ou",
    "scaled_linear_schedule",
    "schedule_of_betas",
    "schedule_of_sigmas",
    "sigmoid_schedule",
    "sinh_process",
    "stiff_tanh",
    "sub_variance_preserving",
    "sub_variance_preserving_schedule",
    "tanh_process",
    "tilted_well",
    "trailing_timesteps",
    "turning_mixture",
    "underdamped",
    "underdamped_of",
    "underdamped_oscillator",
    "underdamped_washboard",
    "variance_exploding",
    "variance_exploding_schedule",
    "variance_preserving",
    "variance_preserving_schedule",
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
        sub_variance_preserving,
        variance_exploding,
        tanh_process,
        stiff_tanh,
        arctan_process,
        sinh_process,
        cube_root,
        additive_time_dependent,
        ginzburg_landau,
        rotating_ou,
        nonnormal_ou,
        commuting_linear,
        noncommuting_linear,
        kubo_oscillator,
        levy_area,
        debrabant_roessler,
        underdamped_oscillator,
        duffing,
        underdamped_washboard,
        energy_van_der_pol,
        mueller_brown,
        lorenz,
        noised_mixture,
        breathing_mixture,
        turning_mixture,
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
