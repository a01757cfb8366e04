"""Laws of chains of two components in cells: closed recursions, backward expectations, particles, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from order_problems import altered
from scipy.stats import multivariate_normal

import fpsde
from fpsde import checks
from fpsde.checks import Verdict
from fpsde.convergence.weak_problems import WEAK
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.grid import Grid
from fpsde.joint_law import JointNormal
from fpsde.laws import joint_scheme_law, plane_scheme_law
from fpsde.laws.axes import segment
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.frame import Frame
from fpsde.processes import linear_system, overdamped, underdamped
from fpsde.processes.process import Process
from fpsde.schemes import aboba, baoab, euler_maruyama, lf_middle, oabao, obabo, platen_weak2, tamed_euler

GRID = Grid.uniform((-4.0, 4.0), (-4.0, 4.0), cells=(10, 8))
WIDE = Grid.uniform((-8.0, 8.0), (-8.0, 8.0), cells=(12, 10))
START = JointNormal([0.6, -0.2], [[0.1, 0.02], [0.02, 0.2]])


def masses_of(law: JointNormal, grid: Grid) -> np.ndarray:
    """Return the masses that a normal law has in the cells."""
    corners = np.stack(np.meshgrid(*grid.axes, indexing="ij"), axis=-1)
    cdf = multivariate_normal(law.mean, law.covariance).cdf(corners)
    return np.diff(np.diff(cdf, axis=0), axis=1)


@pytest.mark.parametrize(
    ("noise", "x0"),
    [
        pytest.param([[0.8, 0.0], [0.0, 0.6]], (0.5, -0.5), id="from a point"),
        pytest.param([[0.8, 0.0], [0.4, 0.6]], START, id="correlated, from a law", marks=pytest.mark.slow),
    ],
)
def test_linear_chains_have_the_masses_of_their_recursion(noise: Any, x0: Any) -> None:
    process = linear_system([[1.0, 0.4], [-0.3, 0.7]], noise)
    options: dict[str, Any] = {"x0": x0, "t_end": 0.6, "dt": 0.1}
    found = plane_scheme_law(process, euler_maruyama, grid=GRID, at=[0.3], **options)
    closed = joint_scheme_law(process, euler_maruyama, at=[0.3], **options)
    for law, exact in ((found.law, closed.law), (found.laws[0], closed.laws[0])):
        np.testing.assert_allclose(law.masses, masses_of(exact, GRID), atol=1e-9)
    wrong = plane_scheme_law(process, altered(euler_maruyama, lambda v: 1.001 * v), grid=GRID, **options)
    assert np.abs(wrong.law.masses - masses_of(closed.law, GRID)).max() > 1e-5
    assert found.accuracy <= 1e-9 and found.leak.largest < 1e-10


@pytest.mark.parametrize("scheme", [baoab, pytest.param(lf_middle, marks=pytest.mark.slow)], ids=lambda s: s.name)
def test_letters_of_splittings_move_lines_and_spread_them(scheme: Any) -> None:
    oscillator = underdamped(lambda x: x**2 / 2, 1.0)
    found = plane_scheme_law(oscillator, scheme, x0=START, grid=WIDE, t_end=0.6, dt=0.2)
    exact = joint_scheme_law(oscillator, scheme, x0=START, t_end=0.6, dt=0.2).law
    np.testing.assert_allclose(found.law.masses, masses_of(exact, WIDE), atol=1e-9)
    assert 0 < found.accuracy <= 1e-9
    finer = joint_scheme_law(oscillator, scheme, x0=START, t_end=0.6, dt=0.1).law
    assert np.abs(found.law.masses - masses_of(finer, WIDE)).max() > 1e-5  # another step is another law


@pytest.mark.parametrize(
    "scheme",
    [baoab, obabo, *(pytest.param(scheme, marks=pytest.mark.slow) for scheme in (aboba, lf_middle, oabao))],
    ids=lambda s: s.name,
)
def test_a_point_becomes_a_curve_and_then_a_density(scheme: Any) -> None:
    """In the second step, or where two O make one step in the first; on an oscillator all of it is normal."""
    oscillator = underdamped(lambda x: x**2 / 2, 1.0)
    options: dict[str, Any] = {"x0": (0.6, -0.2), "t_end": 1.2, "dt": 0.4}
    first = 1 if scheme in (oabao, obabo) else 2
    found = plane_scheme_law(oscillator, scheme, grid=WIDE, at=[0.4 * first], **options)
    exact = joint_scheme_law(oscillator, scheme, at=[0.4 * first], **options)
    for law, closed in ((found.law, exact.law), (found.laws[0], exact.laws[0])):
        np.testing.assert_allclose(law.masses, masses_of(closed, WIDE), atol=1e-9)
    if first == 2:
        with pytest.raises(InvalidInput, match=r"lies on a curve, and has no density, before t=0\.8"):
            plane_scheme_law(oscillator, scheme, grid=WIDE, at=[0.4], **options)


@pytest.mark.parametrize("shared", [0.0, pytest.param(0.5, marks=pytest.mark.slow)])
def test_round_a_period_normal_laws_are_wound_up(shared: float) -> None:
    """Constant drift and noise: Euler and Maruyama's chain is N(x0 + c t, B B^T t), on a ring and a line."""
    turns = Interval.between(-1.0, 2.0, Wall.PERIODIC)
    noise = np.array([[0.9, 0.0], [shared, 0.6]])
    process = Process(
        drift=lambda x: (1.5, -0.4), sigma=lambda x: tuple(map(tuple, noise.tolist())), dim=2, domain=(turns, LINE)
    )
    grid = Grid((np.linspace(-1.0, 2.0, 6), np.linspace(-6.0, 6.0, 7)))
    options: dict[str, Any] = {"grid": grid, "t_end": 1.2, "dt": 0.6}
    found = plane_scheme_law(process, euler_maruyama, x0=(1.8, 0.3), **options).law
    law = JointNormal([1.8 + 1.5 * 1.2, 0.3 - 0.4 * 1.2], 1.2 * noise @ noise.T)
    wound = sum(masses_of(law, Grid((grid.axes[0] + 3.0 * k, grid.axes[1]))) for k in range(-4, 5))
    np.testing.assert_allclose(found.masses, wound, atol=1e-9)
    wrong = plane_scheme_law(process, altered(euler_maruyama, lambda v: 1.001 * v), x0=(1.8, 0.3), **options).law
    assert np.abs(wrong.masses - wound).max() > 1e-5


def test_a_pendulum_on_its_ring_has_the_expectations_of_the_backward_chain() -> None:
    """From a point. The mass of a cell is that at its centre times sin(w/2)/(w/2), in the waves of a density."""
    problem = WEAK["pendulum"]
    wound = replace(problem.process, domain=(Interval.between(0.0, 2 * np.pi, Wall.PERIODIC), LINE))
    grid = Grid.uniform((0.0, 2 * np.pi), (-7.0, 7.0), cells=(32, 3))
    options: dict[str, Any] = {"x0": problem.x0, "t_end": 1.2, "dt": 0.4, "grid": grid}
    w, waves = 2 * np.pi / 32, [lambda x, v: np.cos(x), lambda x, v: np.sin(x)]
    exact = BackwardChain(baoab, problem.process, Frame(problem.axes)).expectations(
        waves, problem.x0, t_end=1.2, n_steps=3
    )
    wrong = replace(baoab, parts=tuple(altered(part, lambda v: 1.01 * v) for part in baoab.parts))
    for scheme, equal in ((baoab, True), (wrong, False)):
        law = plane_scheme_law(wound, scheme, **options).law
        found = [law.expectation(u) / np.sinc(w / 2 / np.pi) for u in waves]
        assert equal == np.allclose(found, exact, atol=1e-8)


def test_a_double_well_with_velocities_has_the_expectations_of_the_backward_chain() -> None:
    """E x^2 and E v^2; the mass of a cell at its centre makes width^2/12 more of them (Sheppard)."""
    well, t_end, n = underdamped(lambda x: x**4 / 4 - x**2 / 2, 1.0), 0.8, 4
    cells = Grid.uniform((-5.0, 5.0), (-8.0, 8.0), cells=(100, 100))
    found = plane_scheme_law(well, baoab, x0=START, grid=cells, t_end=t_end, dt=t_end / n).law
    frame = Frame((segment(-4.2, 4.2, 44), segment(-7.0, 7.0, 44)))
    squares = frame.holding([lambda x, v: x**2, lambda x, v: v**2])
    P = BackwardChain(baoab, well, frame, nodes=30).matrix(0.0, t_end / n)
    start = multivariate_normal(START.mean, START.covariance).pdf(frame.nodes.T) * frame.lengths
    exact = start @ np.linalg.matrix_power(P, n) @ squares / start.sum()
    widths = np.array([0.1, 0.16])
    seconds = [found.expectation(lambda x, v: x**2), found.expectation(lambda x, v: v**2)]
    np.testing.assert_allclose(seconds - widths**2 / 12, exact, atol=2e-5)
    oscillator = plane_scheme_law(underdamped(lambda x: x**2 / 2, 1.0), baoab, x0=START, grid=cells, t_end=0.8, dt=0.2)
    assert abs(oscillator.law.expectation(lambda x, v: x**2) - seconds[0]) > 1e-2


def test_particles_have_the_masses(seed: int) -> None:
    """Euler and Maruyama in a plane with two wells and a coupling; noise off by 3 % is seen by as many particles."""
    plane = overdamped(lambda x: (x[0] ** 2 - 1) ** 2 / 2 + x[1] ** 2 + 0.5 * x[0] * x[1], 0.5, dim=2)
    grid = Grid.uniform((-3.5, 3.5), (-3.5, 3.5), cells=(9, 9))
    options: dict[str, Any] = {"x0": (-0.5, 0.5), "t_end": 0.4, "dt": 0.1}
    law = plane_scheme_law(plane, euler_maruyama, grid=grid, **options).law
    for scheme, verdict in (
        (euler_maruyama, Verdict.PASS),
        (altered(euler_maruyama, lambda v: 1.03 * v), Verdict.FAIL),
    ):
        run = fpsde.simulate(plane, scheme, n_particles=200_000, seed=seed, **options)
        counts = np.histogram2d(*run.positions, bins=grid.axes)[0]
        expected = law.masses.ravel()
        sure = expected > 1e-4
        both = (np.append(counts.ravel()[sure], counts.ravel()[~sure].sum()), np.append(expected[sure], 0.0))
        both[1][-1] = 1 - expected[sure].sum()
        found = checks.cells(both[0].astype(int), both[1], alpha=1e-8)
        assert found.verdict is verdict, found.detail


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda p, w: plane_scheme_law(w, baoab, x0=(0.0, 0.0), grid=GRID, t_end=0.1, dt=0.1),
            InvalidInput,
            "take more steps",
        ),
        (
            lambda p, w: plane_scheme_law(w, euler_maruyama, x0=(0.0, 0.0), grid=GRID, t_end=0.3, dt=0.1),
            InvalidInput,
            "take a splitting",
        ),
        (
            lambda p, w: plane_scheme_law(
                underdamped(lambda x: x**4 / 4, 1.0), baoab, x0=(0.0, 0.0), grid=WIDE, t_end=2.0, dt=1.0
            ),
            InvalidInput,
            "turns back along axis 0",
        ),
        (
            lambda p, w: plane_scheme_law(
                replace(p, domain=(Interval.between(-1.0, 1.0, Wall.REFLECTING), LINE)),
                euler_maruyama,
                x0=(0.0, 0.0),
                grid=GRID,
                t_end=0.2,
                dt=0.1,
            ),
            InvalidInput,
            "know seams alone",
        ),
        (
            lambda p, w: plane_scheme_law(
                replace(p, domain=(Interval.between(-1.0, 1.0, Wall.PERIODIC), LINE)),
                euler_maruyama,
                x0=(0.0, 0.0),
                grid=GRID,
                t_end=0.2,
                dt=0.1,
            ),
            InvalidInput,
            "give one period",
        ),
        (
            lambda p, w: plane_scheme_law(w, euler_maruyama, x0=START, grid=GRID, t_end=1.0, dt=0.1),
            InvalidInput,
            "take a splitting",
        ),
        (
            lambda p, w: plane_scheme_law(p, platen_weak2, x0=(0.0, 0.0), grid=GRID, t_end=1.0, dt=0.1),
            InvalidInput,
            "discrete noise",
        ),
        (
            lambda p, w: plane_scheme_law(p, euler_maruyama, x0=(5.0, 0.0), grid=GRID, t_end=1.0, dt=0.1),
            InvalidInput,
            "reaches out of the box",
        ),
        (
            lambda p, w: plane_scheme_law(p, euler_maruyama, x0=(3.0, 0.0), grid=GRID, t_end=1.0, dt=0.1),
            UnstableStep,
            "leaves the box",
        ),
        (
            lambda p, w: plane_scheme_law(p, euler_maruyama, x0=(0.0, 0.0), grid=GRID, t_end=1.0, dt=1e-5),
            InvalidInput,
            "GiB for a step",
        ),
        (
            lambda p, w: plane_scheme_law(p, tamed_euler, x0=(0.0, 0.0), grid=GRID, t_end=0.2, dt=0.1, tolerance=1e-40),
            NotConverged,
            "not to tolerance=1e-40",
        ),
        (
            lambda p, w: plane_scheme_law(
                p, euler_maruyama, x0=JointNormal([0, 0], np.diag([0.1, 0.0])), grid=GRID, t_end=0.2, dt=0.1
            ),
            InvalidInput,
            "one axis alone",
        ),
    ],
    ids=[
        "point",
        "singular from a point",
        "fold",
        "wall",
        "period",
        "singular",
        "discrete",
        "start",
        "leak",
        "nodes",
        "tolerance",
        "flat",
    ],
)
def test_what_has_no_law_in_cells_is_refused(call: Any, error: type[Exception], message: str) -> None:
    plain = linear_system([[1.0, 0.4], [-0.3, 0.7]], [[0.8, 0.0], [0.0, 0.6]])
    with pytest.raises(error, match=message):
        call(plain, underdamped(lambda x: x**2 / 2, 1.0))
