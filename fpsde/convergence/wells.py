"""bias_tables(): the stationary biases of one scheme in three wells, with and without velocities, at temperature 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fpsde.convergence.bias import BiasTable, stationary_bias
from fpsde.errors import InvalidInput, NotConverged, UnstableStep, Unsuited
from fpsde.processes import overdamped, underdamped
from fpsde.processes.process import Process
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme


@dataclass(frozen=True, eq=False)
class Well:
    """A process that rests in a well, the steps at which biases are computed there, and what they settle to."""

    process: Process
    dts: tuple[float, ...]
    tolerance: float


POTENTIALS: Mapping[str, Callable[[Any], Any]] = {
    "harmonic": lambda x: x**2 / 2,
    "double well": lambda x: x**4 / 4 - x**2 / 2,
    "quartic": lambda x: x**4 / 4,
}
WELLS: Mapping[str, Well] = {
    **{
        f"overdamped, {name}": Well(overdamped(potential, 1.0), (0.1, 0.05, 0.025, 0.0125), 1e-7)
        for name, potential in POTENTIALS.items()
    },
    **{
        f"underdamped, {name}": Well(underdamped(potential, 1.0), (0.2, 0.1, 0.05, 0.025), 1e-6)
        for name, potential in POTENTIALS.items()
    },
}


def bias_tables(
    scheme: Scheme, *, wells: Mapping[str, Well] = WELLS
) -> Iterator[tuple[str, BiasTable | NotConverged | UnstableStep]]:
    """Yield the biases of E x^2, E x^4 and the total variation in each well on which the scheme has a form, by name.

    The wells are U = x^2/2, x^4/4 - x^2/2 and x^4/4 at temperature 1; with velocities mass and friction are 1. Where
    nothing settles the error comes in place of a table: explicit chains leave a superlinear well at large steps.

    Raises InvalidInput for a scheme that has a form on none of them, or claims nothing of stationary laws.
    """
    if scheme.stationary is None:
        raise InvalidInput(f"{scheme.name} claims nothing of stationary laws; take a scheme that does, fpsde schemes")
    suited = {name: well for name, well in wells.items() if _suits(scheme, well.process)}
    if not suited:
        raise InvalidInput(f"{scheme.name} has no form on any of {', '.join(wells)}")
    return ((name, _table(scheme, well)) for name, well in suited.items())


def _suits(scheme: Scheme, process: Process) -> bool:
    try:
        array_step(scheme, process)
    except Unsuited:
        return False
    return True


def _table(scheme: Scheme, well: Well) -> BiasTable | NotConverged | UnstableStep:
    try:
        return stationary_bias(well.process, scheme, dts=well.dts, tolerance=well.tolerance)
    except (NotConverged, UnstableStep) as error:
        return error
