"""Studies of convergence: what a scheme does to laws as its step goes to zero."""

from fpsde.convergence.bias import BiasTable, stationary_bias
from fpsde.convergence.weak import WeakOrder, weak_order

__all__ = ["BiasTable", "WeakOrder", "stationary_bias", "weak_order"]
