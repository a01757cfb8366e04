"""Particles: the loops on the CPU and on GPUs, observers, initial laws."""

from fpsde.backend import Backend
from fpsde.integrators.batches import Batch, simulate_batch
from fpsde.integrators.driving_paths import increments, levy_areas
from fpsde.integrators.functionals import (
    Autocorrelation,
    Crossings,
    Displacement,
    FirstPassage,
    Functional,
    Passages,
)
from fpsde.integrators.initial import Sampler
from fpsde.integrators.observers import Covariance, Histogram, JointHistogram, Moments, Observer, Snapshots
from fpsde.integrators.paths import Paths
from fpsde.integrators.runs import merged
from fpsde.integrators.simulation import simulate
from fpsde.schemes.tracked import Tracked

__all__ = [
    "Autocorrelation",
    "Backend",
    "Batch",
    "Covariance",
    "Crossings",
    "Displacement",
    "FirstPassage",
    "Functional",
    "Histogram",
    "JointHistogram",
    "Moments",
    "Observer",
    "Passages",
    "Paths",
    "Sampler",
    "Snapshots",
    "Tracked",
    "increments",
    "levy_areas",
    "merged",
    "simulate",
    "simulate_batch",
]
