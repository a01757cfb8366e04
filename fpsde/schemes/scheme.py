"""What a scheme is: a one-step map, its random inputs, and the orders that it claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fpsde.errors import InvalidInput
from fpsde.schemes.inputs import RandomInput
from fpsde.schemes.kernel import cuda_source, numba_source
from fpsde.schemes.tracing import traced_step


@dataclass(frozen=True)
class Orders:
    """An order of convergence by class of noise; ``None`` where the scheme does not apply or claims nothing."""

    additive: float | None
    multiplicative: float | None


@dataclass(frozen=True, eq=False)
class Scheme:
    """A one-step map  x' = step(model, x, t, dt, noise)  written with operators and NumPy ufuncs.

    ``x`` are the components ``(d,)``. ``model`` gives the coefficients of the process, in Itô form:
    ``model.drift(x, t)`` (d,), ``model.sigma(x, t)`` (d, m), ``model.noise(x, t, dw)`` = sigma dw (d,),
    ``model.sigma_sigma_x(x, t)`` (d,), ``model.rate(t)``, and the parameters ``model.p``. ``noise`` holds the declared
    inputs by name, ``noise.dw`` (m,): a step draws nothing.

    A scheme with auxiliary state names it in ``auxiliary``: the step then also gets ``aux`` (name -> (d,)) and returns
    an :class:`~fpsde.schemes.advance.Advance`. ``observed`` maps (x, aux) to what observers see, where that is not x;
    ``start(model, x, t)`` gives the auxiliary state at the start of a run (zeros if it is left out). A step that
    ``may_fail`` returns the condition under which it did.
    """

    name: str
    equation: str
    step: Callable[..., Any]
    inputs: tuple[RandomInput, ...]
    convention: str
    strong: Orders | None
    weak: Orders | None
    wall_order: float | None  #: weak order at reflecting and absorbing walls; None: refused there
    conditions: str
    evaluations: int  #: drift evaluations for each step
    source: str
    auxiliary: tuple[str, ...] = ()
    start: Callable[..., Mapping[str, Any]] | None = None
    observed: Callable[..., Any] | None = None
    may_fail: bool = False

    def weak_order(self, *, additive: bool, walled: bool) -> float:
        """Return the weak order claimed for a class of noise, with or without walls that reflect or absorb."""
        order = None if self.weak is None else (self.weak.additive if additive else self.weak.multiplicative)
        if walled and order is not None:
            order = None if self.wall_order is None else min(order, self.wall_order)
        if order is None:
            kind = ("additive" if additive else "multiplicative") + (" noise at a wall" if walled else " noise")
            raise InvalidInput(f"{self.name} claims no weak order for {kind}; its conditions: {self.conditions}")
        return order

    def kernel_source(self, process: Any, *, cuda: bool = False, dtype: str = "float64") -> str:
        """Return the text of the step on a process as the CPU kernel has it, or as CUDA C++ (``cuda=True``)."""
        step = traced_step(self, process)
        return cuda_source(step, dtype=dtype) if cuda else numba_source(step, dtype=dtype)
