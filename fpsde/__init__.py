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
    "BackendUnavailable": "fpsde.errors",
    "BetaSchedule": "fpsde.processes",
    "Ensemble": "fpsde.ensemble",
    "Exact": "fpsde.processes.process",
    "FokkerPlanck": "fpsde.fokker_planck",
    "FpsdeError": "fpsde.errors",
    "FrozenLaw": "fpsde.density",
    "Grid": "fpsde.grid",
    "Histogram": "fpsde.integrators",
    "ITO": "fpsde.processes.process",
    "Interpretation": "fpsde.processes.process",
    "Interval": "fpsde.domain",
    "InvalidInput": "fpsde.errors",
    "KINETIC": "fpsde.processes.process",
    "Law": "fpsde.density",
    "Mixture": "fpsde.density",
    "Moments": "fpsde.integrators",
    "Normal": "fpsde.density",
    "Normals": "fpsde.noise",
    "NotConverged": "fpsde.errors",
    "Point": "fpsde.density",
    "Process": "fpsde.processes.process",
    "Report": "fpsde.chain",
    "STRATONOVICH": "fpsde.processes.process",
    "Sampler": "fpsde.integrators",
    "Scheme": "fpsde.schemes",
    "SchemeLaw": "fpsde.laws",
    "Setting": "fpsde.processes.process",
    "Snapshots": "fpsde.integrators",
    "Uniform": "fpsde.density",
    "UnstableStep": "fpsde.errors",
    "Wall": "fpsde.domain",
    "aboba": "fpsde.schemes",
    "baoab": "fpsde.schemes",
    "benes": "fpsde.processes",
    "brownian": "fpsde.processes",
    "constant_beta": "fpsde.processes",
    "cox_ingersoll_ross": "fpsde.processes",
    "ddpm_step": "fpsde.schemes",
    "double_well": "fpsde.processes",
    "drift_implicit": "fpsde.schemes",
    "duffing_well": "fpsde.processes",
    "euler_heun": "fpsde.schemes",
    "euler_maruyama": "fpsde.schemes",
    "ddpm_chain": "fpsde.processes",
    "exact_sampling": "fpsde.schemes",
    "geometric_brownian": "fpsde.processes",
    "heun": "fpsde.schemes",
    "implicit_euler": "fpsde.schemes",
    "jacobi": "fpsde.processes",
    "langevin_of": "fpsde.processes",
    "leimkuhler_matthews": "fpsde.schemes",
    "lf_middle": "fpsde.schemes",
    "linear_beta": "fpsde.processes",
    "mala": "fpsde.schemes",
    "milstein": "fpsde.schemes",
    "milstein_derivative_free": "fpsde.schemes",
    "oabao": "fpsde.schemes",
    "obab": "fpsde.schemes",
    "obabo": "fpsde.schemes",
    "ornstein_uhlenbeck": "fpsde.processes",
    "overdamped": "fpsde.processes",
    "pearson": "fpsde.processes",
    "platen_weak2": "fpsde.schemes",
    "process_named": "fpsde.processes",
    "ri1": "fpsde.schemes",
    "scheme_law": "fpsde.laws",
    "scheme_named": "fpsde.schemes",
    "sgld": "fpsde.schemes",
    "simulate": "fpsde.integrators",
    "split_step_backward_euler": "fpsde.schemes",
    "splitting": "fpsde.schemes",
    "sra1": "fpsde.schemes",
    "sra3": "fpsde.schemes",
    "sriw1": "fpsde.schemes",
    "tamed_euler": "fpsde.schemes",
    "tilted_well": "fpsde.processes",
    "trapezoidal": "fpsde.schemes",
    "variance_preserving": "fpsde.processes",
    "verify": "fpsde.chain",
    "washboard": "fpsde.processes",
}
#: Public submodules, used as ``fpsde.checks.density(...)``.
_SUBMODULES = ("checks",)

__all__ = [*_HOMES, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"fpsde.{name}")
    if name not in _HOMES:
        raise AttributeError(str(unknown_name("name in fpsde", name, __all__)))
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
