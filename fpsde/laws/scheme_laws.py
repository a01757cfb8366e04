"""scheme_law(): the law of the discretised process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from fpsde.density import Law, Point
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.box import found_box
from fpsde.laws.evolution import Chain, Run, run
from fpsde.laws.fold import refuse_fold
from fpsde.laws.mesh import laid, refuse_if_too_many
from fpsde.laws.recursion import closed_laws, is_closed
from fpsde.laws.sources import refuse_outside
from fpsde.laws.step_form import StepForm, step_form
from fpsde.laws.transition import Region
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite, increasing, positive, time_grid

#: Largest leak of a step, of the mass still there, with which a law conditioned on not having leaked is given.
MOST_LEAK = 1e-10
#: Times that the panels are halved.
HALVINGS = 4


class Method(Enum):
    """How a law was computed."""

    RECURSION = "recursion"  #: closed form of an affine chain
    OPERATOR = "transition operator"  #: quadrature on a mesh


@dataclass(frozen=True)
class Leak:
    """Mass that left the box or the domain."""

    total: float  #: in all steps together
    largest: float  #: in one step, as a share of the mass still there


@dataclass(frozen=True, eq=False)
class SchemeLaw:
    """The law of a chain. Where mass leaked, it is conditioned on not having left the ``box``.

    ``accuracy`` is what was reached: the largest change of a distribution function, at any of the times, when the panels
    were halved, or the mass that quadrature lost if that is more. Round-off alone (recursion) counts 2e-16 a step.
    """

    law: Law  #: at the end
    laws: tuple[Law, ...]  #: at each of ``times``
    times: tuple[float, ...]  #: those asked for
    accuracy: float
    leak: Leak
    box: tuple[float, float]
    n_nodes: int  #: 0 for a recursion
    method: Method
    provenance: Mapping[str, Any]


def scheme_law(
    process: Any,
    scheme: Scheme,
    *,
    x0: float | Law,
    t_end: float | None = None,
    dt: float | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    at: Sequence[float] | np.ndarray | None = None,
    box: tuple[float, float] | None = None,
    tolerance: float = 1e-12,
) -> SchemeLaw:
    """Return the exact law of the chain that ``scheme`` makes of ``process``, from ``x0`` to the end, and ``at`` times.

    p_{n+1}(y) = int k_n(y | x) p_n(x) dx,  with k_n the law of one step and of what the walls do to it. An affine chain on
    the line is a closed recursion; every other one is summed on Gauss-Legendre panels as wide as the kernel, which are
    halved until no distribution function changes by more than ``tolerance``.

    Parameters
    ----------
    process, scheme : one dimension; a step x' = A(x) + B(x) z (+ C(x) z^2), such as those of euler_maruyama, milstein, ddpm_step.
    x0 : the point or the law at the first time.
    t_end, dt : horizon and step (dt must divide t_end); or ``times``, any increasing grid.
    at : times of the grid at which the law is wanted too.
    box : (low, high), up to any walls: the law is conditioned on never having left it. Left out, it is found so that less than
        1e-16 leaks in a step, or, where a transient chain leaks out of any box, as much as comes from within.
    tolerance : of the distribution functions.

    Raises
    ------
    InvalidInput   a process or scheme of another kind, an ``x0`` outside of the domain, times that are not on the grid
    NotConverged   a tolerance that is not reached; more than 1e-10 leaking in a step (Euler-Maruyama on a superlinear drift, or
        out of the domain); Milstein's step with its fold within reach. The message says which dt would do.
    """
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    initial = x0 if isinstance(x0, Law) else Point(finite("x0", x0))
    tolerance = positive("tolerance", tolerance)
    form = step_form(scheme, process)
    refuse_outside(initial, process.domain, what="the domain")
    shown = _steps_at(at, grid)
    steps = sorted({*shown, len(grid) - 1})
    if box is None and is_closed(form, initial, process.domain):
        laws = closed_laws(form, initial, times=grid, steps=steps)
        found = _Found(laws, 2e-16 * len(grid), Leak(0.0, 0.0), (-np.inf, np.inf), 0, Method.RECURSION)
    else:
        chain = Chain(form, form.rows(grid), initial, steps)
        region = found_box(chain, process.domain) if box is None else _stated_box(box, process.domain, initial)
        found = _settled(chain, region, tolerance, scheme=scheme.name, times=grid)
    return SchemeLaw(
        law=found.laws[len(grid) - 1],
        laws=tuple(found.laws[n] for n in shown),
        times=tuple(grid[shown].tolist()),
        accuracy=found.accuracy,
        leak=found.leak,
        box=found.box,
        n_nodes=found.n_nodes,
        method=found.method,
        provenance={
            "process": process.name,
            "scheme": scheme.name,
            "n_steps": len(grid) - 1,
            "t_end": float(grid[-1]),
            "dt": float(np.max(np.diff(grid))),
            "tolerance": tolerance,
            **environment(),
        },
    )


@dataclass(frozen=True, eq=False)
class _Found:
    laws: dict[int, Law]
    accuracy: float
    leak: Leak
    box: tuple[float, float]
    n_nodes: int
    method: Method


def _steps_at(at: Any, grid: np.ndarray) -> list[int]:
    """Return the number of steps up to each of the times asked for."""
    if at is None:
        return []
    asked = increasing("at", at)
    steps = np.clip(np.searchsorted(grid, asked), 1, len(grid) - 1)
    steps = steps - (asked - grid[steps - 1] < grid[steps] - asked)
    off = np.abs(grid[steps] - asked) > 1e-9 * np.max(np.abs(grid))
    if off.any():
        k = int(np.argmax(off))
        raise InvalidInput(f"at[{k}]={asked[k]} is not on the grid of steps; the nearest of its times is {grid[steps[k]]}")
    return steps.tolist()


def _stated_box(box: Any, interval: Interval, initial: Law) -> Region:
    if np.shape(box) != (2,):
        raise InvalidInput(f"box={box!r} is not a pair; give (low, high)")
    low, high = finite("box[0]", box[0]), finite("box[1]", box[1])
    if not interval.low <= low < high <= interval.high:
        raise InvalidInput(f"box ({low}, {high}) must be an interval inside of the domain ({interval.low}, {interval.high})")
    for name, end, wall, at in (("low", low, interval.low_wall, interval.low), ("high", high, interval.high_wall, interval.high)):
        if wall is not Wall.NONE and end != at:
            raise InvalidInput(f"the {name} end {end} of the box must be the {wall.value} wall at {at}; a box cuts only where there is no wall")
    refuse_outside(initial, Interval(low, high, interval.low_wall, interval.high_wall), what="the box")
    return Region(low, high, interval)


def _settled(chain: Chain, region: Region, tolerance: float, *, scheme: str, times: np.ndarray) -> _Found:
    """Return the laws on panels that were halved until nothing changed."""
    mesh = laid(chain.widths, region.low, region.high)
    coarse = run(chain, region, mesh, cuts=0)
    refuse_fold(coarse, scheme=scheme, times=times)
    _refuse_leak(coarse, region, chain.form, float(np.max(np.diff(times))))
    for cuts in range(1, HALVINGS + 1):
        mesh = mesh.halved
        refuse_if_too_many(len(mesh.faces))
        fine = run(chain, region, mesh, cuts=cuts)
        accuracy = max(_change(coarse, fine), fine.defect)
        if accuracy <= tolerance:
            leak = Leak(fine.lost, float(fine.rates.sum(axis=1).max()))
            return _Found({0: chain.initial, **fine.laws}, accuracy, leak, (region.low, region.high), len(mesh.nodes), Method.OPERATOR)
        coarse = fine
    raise NotConverged(
        f"the law of {scheme} on {chain.form.process.name} settled to {accuracy:.2g} with {len(mesh.nodes)} nodes, not to "
        f"tolerance={tolerance:g}; allow tolerance={2 * accuracy:.1g}, or take fewer or longer steps"
    )


def _change(coarse: Run, fine: Run) -> float:
    """Return the largest difference of the distribution functions, at the ends and within the panels of the finer laws."""
    out = 0.0
    for n in fine.laws:
        faces = fine.laws[n].faces
        x = np.concatenate([faces, faces[:-1] + 0.37 * np.diff(faces)])
        out = max(out, float(np.abs(coarse.laws[n].cdf(x) - fine.laws[n].cdf(x)).max()))
    return out


def _refuse_leak(found: Run, region: Region, form: StepForm, dt: float) -> None:
    worst = found.rates[np.argmax(found.rates.sum(axis=1))]
    if worst.sum() > MOST_LEAK:
        raise NotConverged(
            f"{form.process.name} with dt={dt:.6g} leaks: of what is inside ({region.low:.6g}, {region.high:.6g}), up to {worst[0]:.3g} "
            f"a step leave below and {worst[1]:.3g} above, {found.lost:.3g} in all steps; a law is given up to {MOST_LEAK:g} a step. "
            f"Take a smaller dt: the leak falls faster than any power of it (try {dt / 2:.6g}), or a box that holds the chain"
        )
