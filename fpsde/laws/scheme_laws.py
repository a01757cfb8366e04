"""scheme_law(): the law of the discretised process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsde.density import Law, Point
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, uncalled
from fpsde.laws.box import found_box
from fpsde.laws.markov_chain import Chain
from fpsde.laws.metropolis_run import moves
from fpsde.laws.recursion import closed_laws, is_closed
from fpsde.laws.results import Leak, Method, SchemeLaw
from fpsde.laws.scheme_forms import step_form
from fpsde.laws.settling import settled
from fpsde.laws.sources import refuse_outside
from fpsde.laws.transition import Region
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite, increasing, longest_step, positive, time_grid

#: Distance, relative to the longest time, up to which a time is on the grid of steps.
ON_GRID = 1e-9
#: Round-off of one step of a recursion.
ROUND_OFF = 2e-16


def scheme_law(
    process: Process | BlackBox,
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
    """Return the exact law of the chain that ``scheme`` makes of ``process``: at the end, and ``at`` times on the way.

        p_{n+1}(y) = int k_n(y | x) p_n(x) dx,   k_n: the law of one step, and of what the walls do to it

    An affine chain on the line is a closed recursion; every other one is summed on Gauss-Legendre panels as wide as the
    kernel, which are halved until no distribution function changes by more than ``tolerance``.

    Parameters
    ----------
    process, scheme : of one dimension; a step that reads no other state than x and increases in a standard normal z,
        with more normals or discrete noise besides (at walls x' = A(x) + B(x) z + C(x) z^2 alone), or that accepts or
        rejects such a proposal. What the step of a scheme on a process is, is read off its trace. Of a black box
        the step must be affine in normals, x' = A(x) + B(x) z, without walls; it is evaluated at the nodes.
    x0 : the point or the law at the first time.
    t_end, dt : horizon and step in the process's unit of time (dt must divide t_end); or ``times``, an increasing grid.
    at : increasing times of the grid.
    box : (low, high), up to the walls where there are some: the law is conditioned on never having left it. Without
        one it is found so that less than 1e-16 leaks in a step or, where a chain leaks out of every box, what must.
    tolerance : of the distribution functions.

    A Metropolised chain (mala) has an atom of what was never accepted, at each point that it started from. Its kernel
    has kinks, at which panels end; a law that is not stationary settles to about 1e-9: state a ``tolerance``.
    A spike of the drift much narrower than a step of the noise, or than 1/2000 of the box, is not seen by the nodes.

    Raises
    ------
    InvalidInput   a process or scheme of another kind, an ``x0`` or a box outside of the domain, times off the grid
    UnstableStep   more than 1e-10 leaking in a step (on a superlinear drift, or out of the domain)
    NotConverged   a tolerance that is not reached; Milstein's step with its fold within reach, with the dt that works
    """
    refuse_kinds(process, scheme, boxes=True)
    form = step_form(scheme, process)  # first: where there is none, no x0 helps
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    initial = x0 if isinstance(x0, Law) else Point(finite("x0", x0))
    tolerance = positive("tolerance", tolerance)
    domain = process.intervals[0]
    refuse_outside(initial, domain, what="the domain")
    shown = steps_at(at, grid)
    steps = sorted({*shown, len(grid) - 1})
    laws: dict[int, Law] = {0: initial}
    if box is None and is_closed(form, initial, domain):
        laws |= closed_laws(form, initial, times=grid, steps=steps)
        accuracy, leak, ends = ROUND_OFF * (len(grid) - 1), Leak(0.0, 0.0), (-np.inf, np.inf)
        method, n_nodes = Method.RECURSION, 0
    else:
        operator, runs = moves(form)
        chain = Chain(form, grid, initial, steps, operator)
        if box is None:
            region = found_box(chain, domain, runs=runs)
        else:
            region = stated_box(box, domain)
            held = Interval(region.low, region.high, domain.low_wall, domain.high_wall)
            refuse_outside(initial, held, what="the box")
        found = settled(chain, region, tolerance=tolerance, runs=runs)
        laws |= found.run.laws
        accuracy, leak = found.accuracy, Leak(found.run.lost, found.run.largest)
        method, n_nodes, ends = Method.OPERATOR, found.run.n_nodes, (region.low, region.high)
    return SchemeLaw(
        law=laws[len(grid) - 1],
        laws=tuple(laws[n] for n in shown),
        times=tuple(grid[shown].tolist()),
        accuracy=accuracy,
        leak=leak,
        box=ends,
        n_nodes=n_nodes,
        method=method,
        provenance=provenance(process, scheme, grid, longest_step(grid, dt), tolerance),
    )


def refuse_kinds(process: Any, scheme: Any, *, boxes: bool = False) -> None:
    """Raise InvalidInput unless these are a Process, or a BlackBox where ``boxes`` go as well, and a Scheme."""
    if not isinstance(process, (Process, BlackBox) if boxes else Process):
        raise InvalidInput(
            f"process={process!r} is not a Process; {uncalled(process) or 'state one, or take one of the catalogue'}"
        )
    if not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"scheme={scheme!r} is not a Scheme; {uncalled(scheme) or 'give one such as euler_maruyama'}"
        )


def provenance(
    process: Process | BlackBox, scheme: Scheme, grid: np.ndarray, dt: float, tolerance: float
) -> dict[str, Any]:
    """Return where a result comes from: what was run, and the versions and the machine."""
    return {
        "process": process.name,
        "scheme": scheme.name,
        "n_steps": len(grid) - 1,
        "t_end": float(grid[-1]),
        "dt": dt,
        "tolerance": tolerance,
        **environment(),
    }


def steps_at(at: Any, grid: np.ndarray) -> list[int]:
    """Return the number of steps up to each of the times asked for."""
    if at is None:
        return []
    asked = increasing("at", at)
    steps = np.clip(np.searchsorted(grid, asked), 1, len(grid) - 1)
    steps = steps - (asked - grid[steps - 1] < grid[steps] - asked)
    off = np.abs(grid[steps] - asked) > ON_GRID * np.max(np.abs(grid))
    if off.any():
        k = int(np.argmax(off))
        raise InvalidInput(
            f"at[{k}]={asked[k]} is not on the grid of steps; the nearest of its times is {grid[steps[k]]}"
        )
    return steps.tolist()


def stated_box(box: Any, interval: Interval) -> Region:
    """Return the region of a box (low, high); InvalidInput unless it is in the domain and reaches its walls."""
    if np.shape(box) != (2,):
        raise InvalidInput(f"box={box!r} is not a pair; give (low, high)")
    low, high = finite("box[0]", box[0]), finite("box[1]", box[1])
    if not interval.low <= low < high <= interval.high:
        raise InvalidInput(
            f"box ({low}, {high}) must be an interval inside of the domain ({interval.low}, {interval.high})"
        )
    for end, wall, at in ((low, interval.low_wall, interval.low), (high, interval.high_wall, interval.high)):
        if wall is not Wall.NONE and end != at:
            raise InvalidInput(
                f"the box ({low}, {high}) ends at {end}, but must reach the {wall.value} wall at {at}; "
                "it cuts only where there is no wall"
            )
    return Region(low, high, interval)
