"""Particles: the loop on the CPU, observers, initial laws."""

from fpsde.integrators.initial import Sampler
from fpsde.integrators.observers import Histogram, Moments, Snapshots
from fpsde.integrators.simulation import simulate

__all__ = ["Histogram", "Moments", "Sampler", "Snapshots", "simulate"]
