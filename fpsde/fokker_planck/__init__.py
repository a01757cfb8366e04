"""Fokker-Planck equations as Markov generators on cells."""

from fpsde.fokker_planck.batch_results import BatchEvolution
from fpsde.fokker_planck.generator import Generator, assemble
from fpsde.fokker_planck.natural_scale import scale_speed
from fpsde.fokker_planck.path_integral import PathIntegral, evolve_by_path_integral
from fpsde.fokker_planck.plane.assembly import assemble_plane
from fpsde.fokker_planck.plane.cell_averages import speed_measure
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.in_time import Stepping
from fpsde.fokker_planck.plane.results import (
    PlaneEvolution,
    PlaneFunction,
    PlanePassageTime,
    PlaneSplitting,
    PlaneStationary,
)
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.plane.spectrum import PlaneModes
from fpsde.fokker_planck.refinement import Estimate, PlaneRefined, Refined, estimate_refined, evolve_refined
from fpsde.fokker_planck.results import Evolution, Stationary
from fpsde.fokker_planck.solver import FokkerPlanck

__all__ = [
    "BatchEvolution",
    "Estimate",
    "Evolution",
    "FokkerPlanck",
    "Generator",
    "PathIntegral",
    "PlaneEvolution",
    "PlaneFokkerPlanck",
    "PlaneFunction",
    "PlaneGenerator",
    "PlaneModes",
    "PlanePassageTime",
    "PlaneRefined",
    "PlaneSplitting",
    "PlaneStationary",
    "Refined",
    "Stationary",
    "Stepping",
    "assemble",
    "assemble_plane",
    "estimate_refined",
    "evolve_by_path_integral",
    "evolve_refined",
    "scale_speed",
    "speed_measure",
]
