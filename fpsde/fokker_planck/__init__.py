"""Fokker-Planck equations as Markov generators on cells.

Public names are loaded when first used: who solves a line does not wait for what planes need.
"""

from fpsde.optional import names_of

#: Public name: the module that defines it.
_HOMES = {
    "BatchEvolution": "batch_results",
    "Estimate": "refinement",
    "Evolution": "results",
    "FokkerPlanck": "solver",
    "Generator": "generator",
    "PathIntegral": "path_integral",
    "PlaneEvolution": "plane.results",
    "PlaneFokkerPlanck": "plane.solver",
    "PlaneFunction": "plane.start_function",
    "PlaneGenerator": "plane.generator",
    "PlaneModes": "plane.spectrum",
    "PlanePassageTime": "plane.results",
    "PlaneRefined": "refinement",
    "PlaneSplitting": "plane.results",
    "PlaneStationary": "plane.results",
    "Refined": "refinement",
    "Stationary": "results",
    "Stepping": "plane.in_steps",
    "assemble": "generator",
    "assemble_plane": "plane.assembly",
    "estimate_refined": "refinement",
    "evolve_by_path_integral": "path_integral",
    "evolve_refined": "refinement",
    "scale_speed": "natural_scale",
    "speed_measure": "plane.cell_averages",
}

__all__ = [*_HOMES]

__getattr__ = names_of(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
