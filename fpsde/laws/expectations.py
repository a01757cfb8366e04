"""scheme_expectation(): expectations of smooth functions of a chain, for every scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law, Point
from fpsde.domain import LINE
from fpsde.errors import InvalidInput
from fpsde.laws.box import found_box
from fpsde.laws.evolution import Run, run
from fpsde.laws.frame_expectations import frame_expectation
from fpsde.laws.levels import point_of
from fpsde.laws.markov_chain import Chain
from fpsde.laws.nodal import NodalOperator
from fpsde.laws.results import Leak
from fpsde.laws.scheme_forms import step_form
from fpsde.laws.scheme_laws import provenance, refuse_kinds, stated_box
from fpsde.laws.settling import refuse_leak, settled
from fpsde.laws.valued_form import valued_form
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import traced_step
from fpsde.validation import finite, positive, time_grid

#: Tolerance that is taken where none is given: on the line, and on axes.
TIGHT, LOOSE = 1e-12, 1e-9


@dataclass(frozen=True, eq=False)
class Expectation:
    """E f(X_n); of one component on the line given that the chain never left the ``box``, with what leaked.

    ``accuracy`` is the change when panels were halved and the nodes of the noise doubled, or when axes were made finer
    and wider, relative to max(1, |value|).
    """

    value: float
    accuracy: float
    leak: Leak | None
    box: tuple[float, float] | None
    n_nodes: int
    provenance: Mapping[str, Any]


def scheme_expectation(
    process: Process,
    scheme: Scheme,
    f: Callable[..., Any],
    *,
    x0: float | Law | Sequence[float],
    t_end: float,
    dt: float,
    box: tuple[float, float] | None = None,
    tolerance: float | None = None,
) -> Expectation:
    """Return E f(X_n) of the chain that ``scheme`` makes of ``process``, without sampling, for every map of the noise.

        E f(X_n) = (P_1 ... P_n f)(x0),   (P u)(x) = E u(step(x, noise))

    The noise is summed exactly where it is discrete, by Gauss-Hermite nodes where it is normal; functions are
    polynomials on panels, which are halved, and the nodes doubled, until the value settles. So no density is needed:
    steps may have two- and three-point variables (platen_weak2, ri1), or fold. Of two components, and on rings,
    functions are held on axes that are made finer and wider instead; of any number exactly, where steps are affine and
    f is a polynomial.

    Parameters
    ----------
    process, scheme : without walls other than seams; a step that reads nothing but the position, and on the line never
        rejects.
    f : a smooth function of the components as arrays. With a kink or a jump the value does not settle.
    x0 : the point at time 0, a number for each component; on the line a law as well.
    t_end, dt : horizon and step in the process's unit of time; dt must divide t_end.
    box : (low, high) on the line: the expectation is of chains that never left it. Without one it is found, as by
        scheme_law.
    tolerance : of the value, relative to max(1, |value|); left out: 1e-12 on the line, else 1e-9.

    Raises
    ------
    InvalidInput   walls, more than two components, more memory, steps that reject; :func:`scheme_law` takes some
    UnstableStep   more than 1e-10 leaking in a step
    NotConverged   a value that does not settle: an f or a step with kinks (that of tamed_euler), or discrete noise on a
        drift that pulls paths apart, where expectations vary on ever smaller scales
    """
    refuse_kinds(process, scheme)
    grid, line = time_grid(t_end=t_end, dt=dt), tuple(process.intervals) == (LINE,)
    allowed = positive("tolerance", (TIGHT if line else LOOSE) if tolerance is None else tolerance)
    origin = provenance(process, scheme, grid, float(dt), allowed)
    if line:
        initial = x0 if isinstance(x0, Law) else Point(finite("x0", x0))
        return _on_panels(process, scheme, f, initial, grid, box, allowed, origin)
    if box is not None:
        raise InvalidInput(f"box={box}; a box is for one component on the line, {process.name} has none: leave it out")
    start, end = point_of(process, x0), float(grid[-1])
    value, accuracy, nodes = frame_expectation(
        process, scheme, f, start, t_end=end, n_steps=len(grid) - 1, tolerance=allowed
    )
    return Expectation(value, accuracy, None, None, nodes, origin)


def _on_panels(
    process: Process,
    scheme: Scheme,
    f: Callable[..., Any],
    initial: Law,
    grid: np.ndarray,
    box: tuple[float, float] | None,
    tolerance: float,
    origin: Mapping[str, Any],
) -> Expectation:
    form, last = valued_form(scheme, process, traced_step(scheme, process)), len(grid) - 1

    def value(run: Run) -> float:
        return run.laws[last].expectation(f)

    def change(coarse: Run, fine: Run) -> float:
        return abs(value(coarse) - value(fine)) / max(1.0, abs(value(fine)))

    chain = Chain(form, grid, initial, (last,), NodalOperator)
    # weights with signs say little of what leaks: densities do, where there are some
    boxed = Chain(step_form(scheme, process), grid, initial, ()) if form.summed else chain
    region = found_box(boxed, LINE) if box is None else stated_box(box, LINE)
    held = run(boxed, region, cuts=0, show=False)
    refuse_leak(held, boxed, region)
    found = settled(chain, region, tolerance=tolerance, change=change)
    return Expectation(
        value=value(found.run),
        accuracy=found.accuracy,
        leak=Leak(held.lost, held.largest),
        box=(region.low, region.high),
        n_nodes=found.run.n_nodes,
        provenance=origin,
    )
