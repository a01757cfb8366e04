"""Particles: the loop on the CPU, observers, initial laws."""

from fpsde.integrators.observers import Histogram, Moments, Snapshots
from fpsde.integrators.simulation import simulate

__all__ = ["Histogram", "Moments", "Snapshots", "simulate"]
