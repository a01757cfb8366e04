"""Closed forms as functions: what is common to the laws of all families."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from fpsde.density import Law, Mixture, Point
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes.process import Exact, Setting
from fpsde.smoothed import affine_image
from fpsde.validation import finite

#: Mass of each law that a window may leave out on each side.
LEFT_OUT = 1e-13


def elapsed(t: float) -> float:
    """Return ``t`` as a finite time of at least zero."""
    t = finite("t", t)
    if t < 0:
        raise InvalidInput(f"t={t} must not be negative; laws are known forward in time from 0")
    return t


def inside(x0: float, domain: Interval) -> float:
    """Return ``x0`` as a point of ``domain``: an end belongs to it where there is a wall."""
    x0 = finite("x0", x0)
    ends = ((domain.low, domain.low_wall), (domain.high, domain.high_wall))
    if domain.low < x0 < domain.high or x0 in [end for end, wall in ends if wall is not Wall.NONE]:
        return x0
    raise InvalidInput(f"x0={x0} lies outside of the domain ({domain.low}, {domain.high}); give a point inside")


def known_from_points(law: Callable[[float, float], Law], *, domain: Interval = LINE) -> Exact:
    """Return the closed forms of a process from ``law(x0, t)``, its law at t > 0 when it starts from a point.

    The marginal is then known for initial laws that are points, or mixtures of points.
    """

    def transition(x0: float, t: float) -> Law:
        x0, t = inside(x0, domain), elapsed(t)
        return law(x0, t) if t > 0 else Point(x0)

    def marginal(initial: Law, t: float) -> Law:
        if isinstance(initial, Mixture):
            return Mixture(initial.weights, [marginal(part, t) for part in initial.laws])
        if isinstance(initial, Point):
            return transition(initial.at, t)
        given = type(initial).__name__
        raise InvalidInput(f"no closed form from a {given} initial law; start from a Point or a Mixture of Points")

    return Exact(
        transition=transition,
        marginal=marginal,
        mean=lambda x0, t: float(transition(x0, t).mean),
        variance=lambda x0, t: float(transition(x0, t).variance),
    )


def gaussian(
    *, scale: Callable[[float], float], shift: Callable[[float], float], variance: Callable[[float], float]
) -> Exact:
    """Return the closed forms of X_t = scale(t) X_0 + shift(t) + N(0, variance(t)), the solution of a linear process.

    The marginal is known for every initial law that :func:`fpsde.smoothed.affine_image` takes.
    """

    def marginal(initial: Law, t: float) -> Law:
        t = elapsed(t)
        return affine_image(initial, scale=scale(t), shift=shift(t), std=math.sqrt(variance(t)))

    return Exact(
        transition=lambda x0, t: marginal(Point(x0), t),
        marginal=marginal,
        mean=lambda x0, t: float(marginal(Point(x0), t).mean),
        variance=lambda x0, t: variance(elapsed(t)),
    )


def setting_of(known: Exact, x0: float | Law, *, t_end: float, n_steps: int) -> Setting:
    """Return the setting of a run whose window holds the exact law at nine times from 0 to ``t_end``."""
    assert known.marginal is not None  # for the type checker: it is called where the marginal is known
    laws = [known.marginal(starting_law(x0), t_end * k / 8) for k in range(9)]
    return Setting(x0, t_end, dt=t_end / n_steps, window=window_of(laws))


def starting_law(x0: float | Law) -> Law:
    """Return the law of a start: ``x0`` itself, or the point."""
    return x0 if isinstance(x0, Law) else Point(x0)


def window_of(laws: Iterable[Law]) -> tuple[float, float]:
    """Return a window that leaves out at most ``LEFT_OUT`` of each law on each side."""
    ends = np.array([law.ppf(np.array([LEFT_OUT, 1 - LEFT_OUT])) for law in laws])
    return float(ends[:, 0].min()), float(ends[:, 1].max())
