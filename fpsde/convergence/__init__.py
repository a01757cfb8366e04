"""Studies of convergence: what a scheme does to laws as its step goes to zero."""

from fpsde.convergence.bias import BiasTable, stationary_bias
from fpsde.convergence.strong import StrongOrder, strong_order
from fpsde.convergence.weak import WeakOrder, weak_order
from fpsde.convergence.wells import bias_tables

__all__ = ["BiasTable", "StrongOrder", "WeakOrder", "bias_tables", "stationary_bias", "strong_order", "weak_order"]
