"""stationary_scheme_law(): the law that a discretised process keeps."""

from __future__ import annotations

import math

import numpy as np

from fpsde.density import Law, Normal, Point
from fpsde.domain import LINE, Wall
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.laws.box import found_box
from fpsde.laws.markov_chain import Chain
from fpsde.laws.metropolis_run import moves
from fpsde.laws.results import Leak, Method, SchemeLaw
from fpsde.laws.scheme_forms import step_form
from fpsde.laws.scheme_laws import ROUND_OFF, refuse_kinds, stated_box
from fpsde.laws.settling import settled
from fpsde.laws.stationary_run import stationary_run
from fpsde.laws.step_form import StepForm
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite, positive

#: Steps of the particles that find where the chain is.
PILOT_STEPS = 500


def stationary_scheme_law(
    process: Process,
    scheme: Scheme,
    *,
    dt: float,
    box: tuple[float, float] | None = None,
    tolerance: float = 1e-12,
) -> SchemeLaw:
    """Return the stationary law of the chain that ``scheme`` makes of ``process``, of what observers see.

        nu(y) = int k(y | x) nu(x) dx / (1 - leak),   k: the law of one step, and of what the walls do to it

    A chain that leaves every box sooner or later, such as that of euler_maruyama on a superlinear drift, has no
    stationary law: the one given is then quasi-stationary, that of the chain conditioned on never having left the
    ``box``, and ``leak`` is the part that leaves in one step. An affine chain has its closed form.

    Parameters
    ----------
    process, scheme : as for :func:`scheme_law`; coefficients free of t, no absorbing wall.
    dt : the step, in the process's unit of time.
    box : (low, high), up to the walls where there are some. Without one it is found, as by :func:`scheme_law`.
    tolerance : of the distribution function, between panels and halved ones.

    Raises
    ------
    InvalidInput   a process or scheme of another kind, coefficients that depend on t, an absorbing wall
    UnstableStep   no stationary law: an affine chain that grows, or more than 1e-10 leaking in a step
    NotConverged   a tolerance that is not reached, a fold within reach, two laws that are all but stationary
    """
    refuse_kinds(process, scheme)
    form = step_form(scheme, process)
    dt, tolerance = positive("dt", dt), positive("tolerance", tolerance)
    domain = process.intervals[0]
    if process.time_dependent or process.tables:
        raise InvalidInput(f"the coefficients of {process.name} depend on time, so its chains have no stationary law")
    if Wall.ABSORBING in (domain.low_wall, domain.high_wall):
        raise InvalidInput(f"all mass of {process.name} ends on an absorbing wall; scheme_law follows it there")
    x0 = process.setting.x0
    start = x0 if isinstance(x0, Law) else Point(finite("x0 of the setting", x0))
    chain = Chain(form, dt * np.arange(PILOT_STEPS + 1), start, (1,), moves(form)[0])
    law: Law
    if box is None and form.affine is not None and domain == LINE:
        law, accuracy, leak, ends = _affine(form, chain.rows[0], dt), ROUND_OFF, 0.0, (-np.inf, np.inf)
        method, n_nodes = Method.RECURSION, 0
    else:
        region = found_box(chain, domain, runs=stationary_run) if box is None else stated_box(box, domain)
        found = settled(chain, region, tolerance=tolerance, runs=stationary_run)
        law, accuracy, leak = found.run.laws[1], found.accuracy, found.run.lost
        method, n_nodes, ends = Method.OPERATOR, found.run.n_nodes, (region.low, region.high)
    return SchemeLaw(
        law=law,
        laws=(),
        times=(),
        accuracy=accuracy,
        leak=Leak(leak, leak),
        box=ends,
        n_nodes=n_nodes,
        method=method,
        provenance={
            "process": process.name,
            "scheme": scheme.name,
            "dt": dt,
            "tolerance": tolerance,
            **environment(),
        },
    )


def _affine(form: StepForm, row: np.ndarray, dt: float) -> Normal:
    """Return the law with  m = a m + c  and  v = a^2 v + b^2."""
    assert form.affine is not None
    a, c, b = (float(v) for v in form.affine(*row))
    if not abs(a) < 1 or not b:
        raise UnstableStep(
            f"{form.process.name} with dt={dt:.6g} has no stationary density: a step is x' = {a:.6g} x + {c:.3g} + "
            f"{b:.3g} z"
        )
    return Normal(c / (1 - a), abs(b) / math.sqrt((1 - a) * (1 + a)))
