"""The laws of a Metropolised chain: on panels that end where the law has kinks, with the mass that never moved yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.optimize import brentq, root

from fpsde.density import Law
from fpsde.errors import InvalidInput
from fpsde.laws.evolution import MANY, MOST_NODES, ONE_BY_ONE, Record, Run, Runs, leap, run, walk
from fpsde.laws.markov_chain import Chain
from fpsde.laws.mesh import Mesh, refuse_if_too_many
from fpsde.laws.metropolis_form import MetropolisForm
from fpsde.laws.metropolis_operator import MetropolisOperator
from fpsde.laws.sources import faces_of
from fpsde.laws.step_form import StepForm
from fpsde.laws.transition import Region
from fpsde.laws.transition_operator import Operator

#: Intervals of the table in which zeros of a gain are sought: an odd number, so that seldom one is on a point of it.
TABLE = 2047
#: Points of the table in which meetings of two zeros are sought, and the step of a derivative in its widths.
LATTICE, STENCIL = 401, 1e-3
#: The narrowest panel, in widths of the region.
NARROWEST = 1e-9


def moves(form: StepForm) -> tuple[type[Operator], Runs]:
    """Return what moves the masses of a form, and what follows a chain of it."""
    return (MetropolisOperator, metropolis_run) if isinstance(form, MetropolisForm) else (Operator, run)


def metropolis_run(chain: Chain, region: Region, *, cuts: int, show: bool = True) -> Run:
    """Return the run of a chain of equal steps within a region, as :func:`fpsde.laws.evolution.run` does."""
    if np.any(chain.rows != chain.rows[0]):
        raise InvalidInput(f"the law of {chain.form.scheme.name} takes equal steps; give t_end and dt")
    places = np.array([at for at, _ in chain.initial.atoms])
    mesh = _mesh(chain, region, places, cuts)
    operator = MetropolisOperator(
        chain.form, chain.rows[0], np.concatenate([mesh.nodes, places]), region, mesh, cuts, again=True
    )
    density = mesh.weights * chain.initial.pdf(mesh.nodes)
    record, laws, n = Record(np.concatenate([density, [mass for _, mass in chain.initial.atoms]])), {}, 0
    # a density that starts beyond the region would stay there
    record.rates = np.array([max(0.0, float(chain.initial.cdf(region.low))), 1 - float(chain.initial.cdf(region.high))])
    record.lost = record.largest = float(record.rates.sum())
    low, high = np.clip(chain.initial.range(), region.low, region.high).tolist()
    record.extent = low, high
    wanted = set(chain.steps) if show else set()
    for stop in sorted({*wanted, len(chain.rows)}):
        while n < stop:
            leaping = n >= ONE_BY_ONE and stop - n >= MANY and len(operator.x) <= MOST_NODES
            n += leap(record, operator, stop - n) if leaping else walk(record, operator, min(stop - n, ONE_BY_ONE))
        if stop in wanted:
            laws[stop] = operator.law(record.mass, record.walls, 1 - record.lost)
    return record.result(laws, len(mesh.nodes))


def _mesh(chain: Chain, region: Region, places: np.ndarray, cuts: int) -> Mesh:
    """Return panels that end at the atoms, and where the law has kinks.

    One step from an atom has kinks where its gain vanishes; and the probability to stay has them, weak ones, where in
    a point the gain of a short move vanishes, because there other zeros of the gain pass through the point itself, and
    where two zeros meet: its power 3/2 would leave no more than 1e-7 of accuracy to panels that do not end there.
    """
    low, high = region.low, region.high
    form, row = chain.form, chain.rows[0]
    assert isinstance(form, MetropolisForm)

    def of_move(at: float, y: np.ndarray) -> np.ndarray:
        return form.gain(np.full(np.shape(y), at), y, row)

    def of_short_move(x: np.ndarray) -> np.ndarray:
        return form.short_gain(x, row)

    kinks = [_zeros(of_short_move, low, high), *(_zeros(partial(of_move, at), low, high) for at in places)]
    kinks.append(_meetings(form, row, low, high))
    own = _own_faces(chain.initial, chain, low, high)
    faces = np.unique(np.concatenate([chain.start_mesh(low, high).faces, own, places, *kinks]))
    mesh = Mesh(faces[np.append(True, np.diff(faces) > NARROWEST * (high - low))])
    for _ in range(cuts):
        refuse_if_too_many(2 * (len(mesh.faces) - 1))
        mesh = mesh.halved
    return mesh


def _own_faces(law: Law, chain: Chain, low: float, high: float) -> np.ndarray:
    start, end = (float(np.clip(e, low, high)) for e in law.range())
    return faces_of(law, chain.start_mesh, start, end) if start < end else np.empty(0)


def _zeros(f: Callable, low: float, high: float) -> np.ndarray:
    """Return the zeros of f in (low, high) at which it changes sign between two points of a table."""
    s = np.linspace(low, high, TABLE + 1)
    values = np.nan_to_num(f(s), neginf=-1.0)
    k = np.flatnonzero(values[:-1] * values[1:] < 0)
    return np.array([brentq(lambda y: float(f(np.asarray(y))), s[i], s[i + 1], xtol=1e-15) for i in k])


def _meetings(form: MetropolisForm, row: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the points x in (low, high) at which two zeros y of G = gain(x, y)/(y - x) meet, and are none beyond.

    There dG/dy is zero too; the two equations are solved from every cell of a table in which both change sign.
    """
    x, apart = np.linspace(low, high, LATTICE, retstep=True)
    beyond = LATTICE // 4
    y = low + apart * (np.arange(-beyond, LATTICE + beyond) + 0.5)  # never on the diagonal

    def ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # a search may come upon the diagonal
            return form.gain(x, y, row) / (y - x)

    def equations(point: np.ndarray) -> list[float]:
        at, values = point[1] + STENCIL * apart * np.array([-1.0, 0.0, 1.0]), np.full(3, point[0])
        below, middle, above = ratio(values, at)
        return [float(middle), float(above - below) / (2 * STENCIL)]

    def mixed(signs: np.ndarray) -> np.ndarray:
        corners = signs[:-1, :-1], signs[1:, :-1], signs[:-1, 1:], signs[1:, 1:]
        return np.ptp(np.stack(corners), axis=0) > 0

    with np.errstate(invalid="ignore"):
        table = ratio(*np.broadcast_arrays(x[:, None], y[None]))
        candidates = mixed(np.sign(table))[:, :-1] & mixed(np.sign(np.diff(table, axis=1)))
    found: list[np.ndarray] = []
    for i, k in np.argwhere(candidates):
        if any(np.hypot(*(other - [x[i], y[k]])) < 4 * apart for other in found):
            continue
        solution = root(equations, [x[i] + 0.5 * apart, y[k] + apart], tol=1e-13)
        if solution.success and low < solution.x[0] < high and np.hypot(*(solution.x - [x[i], y[k]])) < 4 * apart:
            found.append(solution.x)
    return np.array([at for at, _ in found])
