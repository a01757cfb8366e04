"""Checks of stochastic simulators: particles, the exact law of their scheme, the Fokker-Planck equation, edge by edge.

Public names are loaded when first used, so ``import fpsde`` costs milliseconds and numba, sympy, scipy and matplotlib
are loaded only by what needs them.
"""

from __future__ import annotations

import importlib
from typing import Any

from fpsde.errors import unknown_name

__version__ = "0.1.0"

#: Public name: the module that defines it. A new public name is one line here.
_HOMES = {
    "aboba": "fpsde.schemes",
    "additive_time_dependent": "fpsde.processes",
    "ancestral": "fpsde.schemes",
    "annealed_langevin": "fpsde.processes",
    "arctan_process": "fpsde.processes",
    "Autocorrelation": "fpsde.integrators",
    "Backend": "fpsde.integrators",
    "BackendUnavailable": "fpsde.errors",
    "baoab": "fpsde.schemes",
    "benes": "fpsde.processes",
    "BetaSchedule": "fpsde.processes",
    "bias_tables": "fpsde.convergence",
    "BlackBox": "fpsde.processes",
    "breathing_mixture": "fpsde.processes",
    "brownian": "fpsde.processes",
    "call_price": "fpsde.processes",
    "commuting_linear": "fpsde.processes",
    "constant_beta": "fpsde.processes",
    "cosine_schedule": "fpsde.processes",
    "Covariance": "fpsde.integrators",
    "cox_ingersoll_ross": "fpsde.processes",
    "Crossings": "fpsde.integrators",
    "cube_root": "fpsde.processes",
    "ddim": "fpsde.schemes",
    "ddpm_chain": "fpsde.processes",
    "ddpm_step": "fpsde.schemes",
    "debrabant_roessler": "fpsde.processes",
    "denoising_box": "fpsde.processes",
    "denoising_chain": "fpsde.processes",
    "Displacement": "fpsde.integrators",
    "double_well": "fpsde.processes",
    "drift_implicit": "fpsde.schemes",
    "duffing": "fpsde.processes",
    "duffing_well": "fpsde.processes",
    "energy_van_der_pol": "fpsde.processes",
    "Ensemble": "fpsde.ensemble",
    "estimate_refined": "fpsde.fokker_planck",
    "euler_heun": "fpsde.schemes",
    "euler_maruyama": "fpsde.schemes",
    "evolve_by_path_integral": "fpsde.fokker_planck",
    "evolve_refined": "fpsde.fokker_planck",
    "Exact": "fpsde.processes.process",
    "exact_sampling": "fpsde.schemes",
    "FirstPassage": "fpsde.integrators",
    "FokkerPlanck": "fpsde.fokker_planck",
    "FpsdeError": "fpsde.errors",
    "FrozenLaw": "fpsde.density",
    "Functional": "fpsde.integrators",
    "geometric_brownian": "fpsde.processes",
    "ginzburg_landau": "fpsde.processes",
    "Grid": "fpsde.grid",
    "heun": "fpsde.schemes",
    "Histogram": "fpsde.integrators",
    "implicit_euler": "fpsde.schemes",
    "increments": "fpsde.integrators",
    "Interpretation": "fpsde.processes.process",
    "Interval": "fpsde.domain",
    "InvalidInput": "fpsde.errors",
    "ITO": "fpsde.processes.process",
    "jacobi": "fpsde.processes",
    "joint_scheme_law": "fpsde.laws",
    "JointCellLaw": "fpsde.joint_law",
    "JointHistogram": "fpsde.integrators",
    "JointNormal": "fpsde.joint_law",
    "karras": "fpsde.schemes",
    "karras_schedule": "fpsde.processes",
    "KINETIC": "fpsde.processes.process",
    "kubo_oscillator": "fpsde.processes",
    "langevin_of": "fpsde.processes",
    "Law": "fpsde.density",
    "leading_timesteps": "fpsde.processes",
    "leimkuhler_matthews": "fpsde.schemes",
    "levy_area": "fpsde.processes",
    "levy_areas": "fpsde.integrators",
    "lf_middle": "fpsde.schemes",
    "linear_beta": "fpsde.processes",
    "linear_noise": "fpsde.processes",
    "linear_schedule": "fpsde.processes",
    "linear_system": "fpsde.processes",
    "linspace_timesteps": "fpsde.processes",
    "lorenz": "fpsde.processes",
    "mala": "fpsde.schemes",
    "manufactured": "fpsde.processes",
    "merged": "fpsde.integrators",
    "milstein": "fpsde.schemes",
    "milstein_derivative_free": "fpsde.schemes",
    "Mixture": "fpsde.density",
    "mixture_log_density": "fpsde.processes",
    "Moments": "fpsde.integrators",
    "mueller_brown": "fpsde.processes",
    "multilevel_estimate": "fpsde.multilevel",
    "multilevel_levels": "fpsde.multilevel",
    "noised_mixture": "fpsde.processes",
    "NoiseSchedule": "fpsde.processes",
    "noncommuting_linear": "fpsde.processes",
    "nonnormal_ou": "fpsde.processes",
    "NoiseType": "fpsde.noise_class",
    "Normal": "fpsde.density",
    "NormalMixture": "fpsde.processes",
    "Normals": "fpsde.noise",
    "NotConverged": "fpsde.errors",
    "oabao": "fpsde.schemes",
    "obab": "fpsde.schemes",
    "obabo": "fpsde.schemes",
    "Observer": "fpsde.integrators",
    "ornstein_uhlenbeck": "fpsde.processes",
    "overdamped": "fpsde.processes",
    "Paths": "fpsde.integrators",
    "pearson": "fpsde.processes",
    "PlaneFokkerPlanck": "fpsde.fokker_planck",
    "plane_scheme_law": "fpsde.laws",
    "PlaneSchemeLaw": "fpsde.laws",
    "platen_weak2": "fpsde.schemes",
    "Point": "fpsde.density",
    "Prediction": "fpsde.signal_and_noise",
    "predictor_corrector": "fpsde.schemes",
    "probability_flow_of": "fpsde.processes",
    "Process": "fpsde.processes.process",
    "process_named": "fpsde.processes",
    "reciprocal_schedule": "fpsde.processes",
    "Report": "fpsde.chain",
    "reverse_of": "fpsde.processes",
    "ri1": "fpsde.schemes",
    "rotating_ou": "fpsde.processes",
    "Sampler": "fpsde.integrators",
    "scale_speed": "fpsde.fokker_planck",
    "scaled_linear_schedule": "fpsde.processes",
    "schedule_of_betas": "fpsde.processes",
    "schedule_of_sigmas": "fpsde.processes",
    "Scheme": "fpsde.schemes",
    "scheme_expectation": "fpsde.laws",
    "scheme_law": "fpsde.laws",
    "scheme_named": "fpsde.schemes",
    "SchemeLaw": "fpsde.laws",
    "Setting": "fpsde.processes.process",
    "sgld": "fpsde.schemes",
    "sigmoid_schedule": "fpsde.processes",
    "simulate": "fpsde.integrators",
    "sinh_process": "fpsde.processes",
    "Snapshots": "fpsde.integrators",
    "split_step_backward_euler": "fpsde.schemes",
    "speed_measure": "fpsde.fokker_planck",
    "splitting": "fpsde.schemes",
    "sra1": "fpsde.schemes",
    "sra3": "fpsde.schemes",
    "sriw1": "fpsde.schemes",
    "stationary_joint_scheme_law": "fpsde.laws",
    "stationary_bias": "fpsde.convergence",
    "stiff_tanh": "fpsde.processes",
    "stationary_scheme_law": "fpsde.laws",
    "Stepping": "fpsde.fokker_planck",
    "STRATONOVICH": "fpsde.processes.process",
    "strong_order": "fpsde.convergence",
    "sub_variance_preserving": "fpsde.processes",
    "sub_variance_preserving_schedule": "fpsde.processes",
    "tamed_euler": "fpsde.schemes",
    "tanh_process": "fpsde.processes",
    "tilted_well": "fpsde.processes",
    "Tracked": "fpsde.integrators",
    "trailing_timesteps": "fpsde.processes",
    "trapezoidal": "fpsde.schemes",
    "turning_mixture": "fpsde.processes",
    "underdamped": "fpsde.processes",
    "underdamped_of": "fpsde.processes",
    "underdamped_oscillator": "fpsde.processes",
    "underdamped_washboard": "fpsde.processes",
    "Uniform": "fpsde.density",
    "UnstableStep": "fpsde.errors",
    "variance_exploding": "fpsde.processes",
    "variance_exploding_schedule": "fpsde.processes",
    "variance_preserving": "fpsde.processes",
    "variance_preserving_schedule": "fpsde.processes",
    "verify": "fpsde.chain",
    "Wall": "fpsde.domain",
    "washboard": "fpsde.processes",
    "weak_order": "fpsde.convergence",
}
#: Public submodules, used as ``fpsde.checks.density(...)``.
_SUBMODULES = ("checks", "ddpm")

__all__ = [*_HOMES, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"fpsde.{name}")
    if name not in _HOMES:
        raise AttributeError(_made_by_name(name) or str(unknown_name("name in fpsde", name, __all__)))
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _made_by_name(name: str) -> str:
    """Return what to write for a process of the catalogue that has no function here, such as brownian_reflecting."""
    # names with underscores are asked for by Python itself and by tools: nothing is loaded for them
    known = () if name.startswith("_") else importlib.import_module("fpsde.processes").CATALOGUE
    return f"unknown name in fpsde {name!r}: did you mean fpsde.process_named({name!r})?" if name in known else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
