"""Modes of two components: closed forms, sums of the rates of one component, and the numbers of a Galerkin method."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde import checks
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.plane.generator import centres
from fpsde.grid import Grid
from fpsde.processes import nonnormal_ou, overdamped, rotating_ou, underdamped
from fpsde.processes.process import Process


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


def wells(temperature=0.25, **options):
    """Two double wells side by side, which do not know of one another."""
    noise = np.sqrt(2 * temperature)
    return Process(
        lambda x: (-4 * x[0] * (x[0] ** 2 - 1), -4 * x[1] * (x[1] ** 2 - 1)),
        lambda x: (noise + 0 * x[0], noise + 0 * x[1]),
        dim=2,
        name="wells",
        **options,
    )


def walk(*domain, drift=(0.0, 0.0)):
    return Process(
        lambda x: tuple(v + 0 * x[0] for v in drift), lambda x: (1.0, 1.0), dim=2, domain=domain or LINE, name="walk"
    )


def double(x):
    return (x**2 - 1) ** 2


@pytest.mark.parametrize(
    ("process", "box", "exact"),
    [
        (rotating_ou(1.0, 1.0), ((-6, 6), (-6, 6)), [1 + 1j, 1 - 1j, 2.0]),  # n_1 (1 + i) + n_2 (1 - i)
        (nonnormal_ou(shear=2.0), ((-6, 6), (-4, 4)), [1.0]),  # n_1 + 2 n_2
    ],
)
def test_rates_of_linear_systems_are_sums_of_eigenvalues_at_order_two(process, box, exact):
    cells, found = (32, 44, 60, 84), []
    for n in cells:
        modes = FokkerPlanck(process, Grid.uniform(*box, cells=n)).modes(len(exact))
        assert modes.residual.max() < 1e-9 and modes.edge.max() < 1e-6
        found.append(modes.eigenvalues - exact)
    errors = np.array(found).T
    for error in [*errors.real, *(e.imag for e in errors[:2] if np.abs(e.imag).max() > 0)]:
        assert passes(checks.grid_order(1 / np.array(cells), error, expected=2)), error


def test_rates_of_harmonic_klein_kramers_come_at_order_one():
    slow, cells, errors = (3 - np.sqrt(5)) / 2, (40, 56, 80, 112), []  # (g - sqrt(g^2 - 4 w^2))/2, g = 3, w = 1
    process = underdamped(lambda x: x**2 / 2, 1.0, friction=3.0)
    for n in cells:
        modes = FokkerPlanck(process, Grid.uniform((-6, 6), (-6, 6), cells=n)).modes(2)
        assert modes.eigenvalues.dtype == float
        errors.append(modes.eigenvalues - [slow, 2 * slow])
    for error in np.array(errors).T:
        assert passes(checks.grid_order(1 / np.array(cells), error, expected=1)), error
        assert not passes(checks.grid_order(1 / np.array(cells), error, expected=2))


@pytest.mark.slow
def test_an_underdamped_oscillator_turns_at_its_frequency():
    process, found = underdamped(lambda x: x**2 / 2, 1.0, friction=0.5), []
    for n in (60, 120):
        modes = FokkerPlanck(process, Grid.uniform((-6, 6), (-6, 6), cells=n)).modes(3)
        found.append(modes.eigenvalues)
    extrapolated = 2 * found[1] - found[0]
    np.testing.assert_allclose(extrapolated, [0.25 + 0.968246j, 0.25 - 0.968246j, 0.5], atol=0.01)
    assert np.abs(found[1] - extrapolated).max() > 0.03


@pytest.mark.slow
def test_rates_over_a_barrier_of_klein_kramers_are_those_of_a_galerkin_method():
    cells = np.array([50, 70, 100, 140])
    for friction, rate in ((0.5, 0.02658078), (1.0, 0.02251921), (3.0, 0.01045435)):
        process = underdamped(lambda x: x**4 / 4 - x**2 / 2, 0.1, friction=friction)
        found = [
            FokkerPlanck(process, Grid.uniform((-2.4, 2.4), (-2.2, 2.2), cells=int(n))).modes(1).gap for n in cells
        ]
        limit = np.polynomial.Polynomial.fit(1 / cells, found, len(cells) - 1)(0.0)
        assert limit == pytest.approx(rate, rel=4e-3)
        assert abs(found[-1] / rate - 1) > 0.01


def test_two_wells_that_do_not_know_of_one_another_have_the_sums_of_their_rates_to_round_off():
    grid = Grid.uniform((-2.2, 2.2), cells=60)
    for temperature, cut in ((0.25, 1e-12), (0.03, 1e-7)):  # there the slowest rate is 6e-15
        one = FokkerPlanck(overdamped(double, temperature), grid).modes(3).eigenvalues
        found = FokkerPlanck(wells(temperature), Grid((grid.faces, grid.faces))).modes(6)
        a, b = one[:2]
        np.testing.assert_allclose(found.eigenvalues[:3], [a, a, 2 * a], rtol=1e-7 if temperature < 0.1 else 1e-10)
        np.testing.assert_allclose(found.eigenvalues[3:], [b, b, a + b], rtol=1e-10)
        assert (
            found.provenance["method"] == "Scharfetter-Gummel, Lanczos iteration in the stationary law"
            and found.residual[3:].max() < cut
        )
        left, right = (v.reshape(6, -1) for v in (found.left, found.right))
        np.testing.assert_allclose(left @ right.T, np.eye(6), atol=1e-9)
        np.testing.assert_allclose(right, left * found.stationary.ravel(), rtol=1e-12)


def test_walls_that_absorb_have_a_quasi_stationary_mode_and_sines():
    process = walk(Interval.between(0, 1, Wall.ABSORBING), Interval.between(0, 2, Wall.ABSORBING))
    modes = FokkerPlanck(process, Grid.uniform((0, 1), (0, 2), cells=(40, 50))).modes(3)
    h = np.array([1 / 40, 2 / 50])
    n = np.array([[1, 1], [1, 2], [1, 3]])
    exact = 2 * np.sin(n * np.pi / np.array([1, 2]) * h / 2) ** 2 / h**2  # of the cells, but for the half one at walls
    np.testing.assert_allclose(modes.eigenvalues, exact.sum(axis=1), rtol=2e-3)
    assert modes.stationary is None and modes.gap == modes.eigenvalues[0]
    x, y = centres(modes.grid)
    np.testing.assert_allclose(
        modes.left[0].ravel() / modes.left[0].max(), np.sin(np.pi * x) * np.sin(np.pi * y / 2), atol=2e-3
    )
    with pytest.raises(InvalidInput, match="a wall absorbs, so there is no stationary law"):
        modes.autocorrelation(lambda x, y: x, times=[1.0])
    survived = modes.relaxation(lambda x, y: 1 + 0 * x, (0.3, 0.8), times=[0.3, 0.6])
    k = np.arange(1, 30, 2)
    decay = [
        np.prod([(4 / (np.pi * k) * np.sin(k * np.pi * a) * np.exp(-0.5 * (k * np.pi / c) ** 2 * t)).sum()
                 for a, c in ((0.3, 1), (0.4, 2))])
        for t in (0.3, 0.6)
    ]  # fmt: skip
    np.testing.assert_allclose(survived, decay, rtol=0.02)


def test_a_driven_torus_has_the_rates_of_waves_that_are_carried_round():
    ring = Interval.between(0, 1, Wall.PERIODIC)
    solver = FokkerPlanck(walk(ring, ring, drift=(1.3, -0.4)), Grid.uniform((0, 1), (0, 1), cells=(24, 30)))
    modes = solver.modes(8)
    rates = [solver_rate(24, 1.3, 1 / 24), solver_rate(30, -0.4, 1 / 30)]
    exact = sorted([*rates, *np.conj(rates)] * 1, key=lambda value: (value.real, -value.imag))
    np.testing.assert_allclose(modes.eigenvalues[:4], exact, rtol=1e-9)
    assert len(modes.eigenvalues) == 8 and modes.eigenvalues[4].real > 1.9 * exact[0].real
    # the corner of four cells is no end: there a sine vanishes
    waves = [modes.relaxation(lambda x, y, k=k: np.sin(2 * np.pi * (x, y)[k]), (0.0, 1.0), times=[0.0]) for k in (0, 1)]
    np.testing.assert_allclose(waves, 0.0, atol=1e-9)


def solver_rate(n, mu, h):
    """-sum over the two jumps of rate (e^(2 pi i/n) - 1), with the rates of Scharfetter and Gummel."""
    up, down = (0.5 / h**2 * (w / np.expm1(w)) for w in (-2 * mu * h, 2 * mu * h))
    turn = np.exp(2j * np.pi / n)
    return up * (1 - turn) + down * (1 - 1 / turn)


def test_observables_relax_and_correlate_as_in_closed_form():
    grid = Grid.uniform((-6, 6), (-6, 6), cells=60)
    modes = FokkerPlanck(rotating_ou(1.0, 1.0), grid).modes(8)
    t = np.array([0.0, 0.5, 1.5])
    mean = modes.relaxation(lambda x, y: x, (1.0, -0.5), times=t)
    a, b = modes.eigenvalues[0].real, abs(modes.eigenvalues[0].imag)
    turns = 1.0 if modes.relaxation(lambda x, y: x, (0.0, 1.0), times=[0.1])[0] > 0 else -1.0
    np.testing.assert_allclose(mean, np.exp(-a * t) * (np.cos(b * t) - turns * 0.5 * np.sin(b * t)), atol=1e-3)
    np.testing.assert_allclose(
        modes.autocorrelation(lambda x, y: x, times=t), np.exp(-a * t) * np.cos(b * t), atol=4e-3
    )
    law = FokkerPlanck(rotating_ou(1.0, 1.0), grid).evolve((1.0, -0.5), t_end=0.8, dt=0.05).law
    from_law = modes.relaxation(lambda x, y: x * y, law, times=[0.7])
    np.testing.assert_array_equal(from_law, modes.relaxation(lambda x, y: x * y, law.masses, times=[0.7]))
    later = FokkerPlanck(rotating_ou(1.0, 1.0), grid).evolve(law.masses, t_end=0.7, dt=0.01).law
    assert from_law[0] == pytest.approx(later.expectation(lambda x, y: x * y), abs=2e-4)
    assert modes.relaxation(lambda x, y: 1.0, (0.0, 0.0), times=[0.0, 9.0]) == pytest.approx([1.0, 1.0], rel=1e-9)
    for start, message in (
        ((0.0, 9.0), "outside of the grid"),
        (0.3, "no start of two"),
        (np.ones((3, 3)), r"\(3, 3\)"),
    ):
        with pytest.raises(InvalidInput, match=message):
            modes.relaxation(lambda x, y: x, start, times=[1.0])


def test_modes_that_the_grid_does_not_hold_or_that_are_not_there_are_refused_or_doubted():
    solver = FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-6, 6), (-6, 6), cells=24))
    with pytest.raises(InvalidInput, match=r"count=200 modes were asked for; of 576 cells at most 144"):
        solver.modes(200)
    assert len(solver.modes(np.float32(2)).eigenvalues) == 2
    with pytest.raises(InvalidInput, match=r"does not hold rotating_ou"):
        FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-2, 2), (-2, 2), cells=24)).modes(2)
    assert any(
        doubt.startswith("mode") and "along axis 0: the Peclet number" in doubt for doubt in solver.modes(3).doubts
    )
    small = FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-5.2, 5.2), (-5.2, 5.2), cells=60)).modes(20)
    assert any("of its weight at a cut end of the grid" in doubt for doubt in small.doubts)


def test_one_component_and_two_give_the_same_relaxation_from_points_between_centres():
    grid = Grid.uniform((-6, 6), cells=40)
    times, start = np.array([0.3, 1.0]), 0.7345
    one = FokkerPlanck(Process(lambda x: -x, lambda x: 1.0, name="one"), grid).modes(4)
    both = Process(lambda x: (-x[0], -x[1]), lambda x: (1.0, 1.0), dim=2, name="both")
    two = FokkerPlanck(both, Grid((grid.faces, grid.faces))).modes(12)
    np.testing.assert_allclose(
        two.relaxation(lambda x, y: x**2, (start, -0.2), times=times),
        one.relaxation(lambda x: x**2, start, times=times),
        rtol=1e-9,
    )
