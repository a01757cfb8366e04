"""What a scheme is: a one-step map, its random inputs, and the orders that it claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fpsde.errors import InvalidInput, Unsuited
from fpsde.schemes.conormal import conormals
from fpsde.schemes.inputs import RandomInput
from fpsde.schemes.kernel import cuda_source, numba_source
from fpsde.schemes.noise_types import NoiseType, is_black_box, noise_types
from fpsde.schemes.tracing import traced_step
from fpsde.schemes.walls import CORRECTED, WallForm


@dataclass(frozen=True)
class Orders:
    """An order of convergence by class of noise; ``None`` where the scheme does not apply or claims nothing."""

    additive: float | None
    commutative: float | None  #: multiplicative noise that commutes; diagonal and scalar noise do
    general: float | None

    def on(self, process: Any) -> float | None:
        """Return the order on the noise of a process."""
        types = noise_types(process)
        if NoiseType.ADDITIVE in types:
            return self.additive
        return self.commutative if NoiseType.COMMUTATIVE in types else self.general


@dataclass(frozen=True)
class StationaryOrder:
    """An order of the bias of the stationary law on the processes ``where`` a condition holds, and that elsewhere."""

    where: Callable[[Any], bool]
    order: float
    elsewhere: float


@dataclass(frozen=True, eq=False)
class Scheme:
    """A one-step map  x' = step(model, x, t, dt, noise)  written with operators and NumPy ufuncs.

    ``x`` are the components ``(d,)``. ``model`` (:class:`~fpsde.schemes.models.Model`) gives the coefficients of the
    process, in Itô form: ``model.drift(x, t)`` (d,), ``model.sigma(x, t)`` (d, m), ``model.noise(x, t, dw)`` = sigma dw
    (d,) and so on, and the parameters ``model.p``. ``noise`` holds the declared inputs by name, ``noise.dw`` (m,): a
    step draws nothing.

    A scheme with auxiliary state names it in ``auxiliary`` (one value for each component) and ``scalars`` (one for each
    particle): the step then also gets ``aux`` (name -> (d,), or one value) and returns an
    :class:`~fpsde.schemes.advance.Advance`. What is ``internal`` of it is not kept for each particle at the end of a
    run: a force that the next step begins with is of no use to anybody else. ``observed`` maps (x, aux) to what
    observers see, where that is not x; ``start(model, x, t)`` gives the auxiliary state at the start of a run (zeros if
    it is left out). A step that ``may_fail`` returns the condition under which it did.
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
    noise: frozenset[NoiseType] = frozenset({NoiseType.GENERAL})  #: it takes noise that is of one of these classes
    stationary: float | StationaryOrder | None = None  #: order in dt of the bias of the stationary law, additive noise
    auxiliary: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()  #: names of auxiliary state that a run does not return
    start: Callable[..., Mapping[str, Any]] | None = None
    observed: Callable[..., Any] | None = None
    may_fail: bool = False
    parts: tuple[Scheme, ...] = ()  #: steps that this one is made of, in their order
    wall_form: WallForm = CORRECTED  #: another one makes a negative control

    def __repr__(self) -> str:
        return f"<scheme {self.name}: {self.equation}>"

    def refuse_unsuited(self, process: Any) -> None:
        """Raise Unsuited if the noise of the process is of no class that the scheme takes, or a wall has no form."""
        if not self.noise & noise_types(process):
            raise Unsuited(
                f"{self.name} takes {_names(self.noise)} noise; "
                f"that of {process.name} is {_names(noise_types(process))}"
            )
        for interval in process.intervals:
            if interval.walled and not interval.periodic and self.wall_order is None:
                raise Unsuited(
                    f"{self.name} has no form at the {interval.low_wall.value}/{interval.high_wall.value} walls of "
                    f"{process.name}"
                )
        conormals(process)  # correlated noise at a reflecting wall, where there is no reflection that is right

    def strong_order(self, process: Any) -> float:
        """Return the strong order claimed on the noise of a process; InvalidInput where none is."""
        order = None if self.strong is None else self.strong.on(process)
        if order is None:
            raise InvalidInput(
                f"{self.name} claims no strong order on {process.name}: there is no order to measure; its conditions: "
                f"{self.conditions}"
            )
        return order

    def weak_order(self, process: Any) -> float:
        """Return the weak order claimed on a process, walls included; InvalidInput where none is."""
        walled = any(interval.walled and not interval.periodic for interval in process.intervals)
        order = None if self.weak is None else self.weak.on(process)
        if walled and order is not None:
            order = None if self.wall_order is None else min(order, self.wall_order)
        if order is None:
            kind = f"{_names(noise_types(process))} noise" + (" at a wall" if walled else "")
            raise InvalidInput(f"{self.name} claims no weak order for {kind}; its conditions: {self.conditions}")
        return order

    def stationary_order(self, process: Any) -> float | None:
        """Return the order in dt of the bias of the stationary law that is claimed on a process with additive noise."""
        if isinstance(self.stationary, StationaryOrder):
            return self.stationary.order if self.stationary.where(process) else self.stationary.elsewhere
        return self.stationary

    def kernel_source(self, process: Any, *, cuda: bool = False, dtype: str = "float64") -> str:
        """Return the text of the step on a process as the CPU kernel has it, or as CUDA C++ (``cuda=True``)."""
        if is_black_box(process):
            raise Unsuited(
                f"{process.name} is a black box of array functions: it has no kernel, and runs as array code, "
                "fpsde.simulate(process, scheme, ...)"
            )
        step = traced_step(self, process)
        return cuda_source(step, dtype=dtype) if cuda else numba_source(step, dtype=dtype)


def _names(types: frozenset[NoiseType]) -> str:
    return ", ".join(kind.value for kind in NoiseType if kind in types)
