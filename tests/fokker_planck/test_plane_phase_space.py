"""Klein and Kramers's equation to high order: linear systems, a Galerkin method, Gibbs's law, planted defects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.sparse.linalg import eigs
from scipy.stats import multivariate_normal

from fpsde import checks
from fpsde.density import Normal
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_sides
from fpsde.fokker_planck.plane.phase_space import phase_space
from fpsde.fokker_planck.plane.phase_space_evolution import SPLITTING, extrapolated
from fpsde.fokker_planck.plane.phase_space_steps import PhaseSpaceSteps
from fpsde.fokker_planck.plane.waves import averages_of, values_of
from fpsde.grid import Grid
from fpsde.processes import duffing, nonnormal_ou, underdamped, underdamped_oscillator, underdamped_washboard
from fpsde.processes.process import Process

OSCILLATOR = underdamped_oscillator(stiffness=2.0, temperature=0.5, friction=0.7, mass=1.5)
BOX, START, T_END = ((-5.0, 5.0), (-5.0, 5.0)), (Normal(0.8, 0.45), Normal(-0.4, 0.5)), 1.5
MULTIPLES = (1, 2, 3)


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


def gaussian_masses(grid, mean, covariance):
    """Return the masses of the cells by five Gauss points along each axis."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    x, v = (
        (0.5 * (f[1:] + f[:-1]))[:, None] + 0.5 * np.diff(f)[:, None] * nodes for f in grid.axes
    )  # fmt: skip
    density = multivariate_normal(mean, covariance).pdf(
        np.stack(np.broadcast_arrays(x[:, None, :, None], v[None, :, None, :]), axis=-1)
    )
    area = float(np.diff(grid.axes[0])[0] * np.diff(grid.axes[1])[0])
    return 0.25 * area * np.einsum("ijab,a,b->ij", density, weights, weights)


def oscillator_masses(grid, t=T_END):
    """Return the masses of the oscillator's law: mean and covariance of a linear system."""
    A = np.array([[0.0, -1.0], [2.0 / 1.5, 0.7]])
    turn = expm(-A * t)
    start = np.diag([START[0].std ** 2, START[1].std ** 2])
    moved = turn @ start @ turn.T + OSCILLATOR.exact.covariance(np.zeros(2), t)
    return gaussian_masses(grid, turn @ [0.8, -0.4], moved)


def distance(law, masses):
    return 0.5 * float(np.abs(law.masses - masses).sum())


def evolved(process, cells, *, box=BOX, start=START, t_end=T_END, **options):
    return FokkerPlanck(process, Grid.uniform(*box, cells=cells)).evolve_to_high_order(start, t_end=t_end, **options)


def test_the_oscillator_is_met_faster_than_by_any_power_of_the_cell_width():
    cells = np.array([34, 40, 47])
    grids = [Grid.uniform(*BOX, cells=int(n)) for n in cells]
    errors = []
    for grid in grids:
        steps, values = by_steps(OSCILLATOR, grid)
        errors.append(np.abs(averages_of(steps.axes, run(steps, values, 96)) - oscillator_masses(grid)).sum())
    orders = -np.diff(np.log(errors)) / np.diff(np.log(cells))
    assert orders[0] > 8 and errors[-1] < 1e-6, errors
    found = evolved(OSCILLATOR, (64, 64), tolerance=1e-8)
    assert distance(found.law, oscillator_masses(found.law.grid)) < 1e-8 and found.time_error <= 1e-8
    assert found.mass_error < 1e-12 and found.law.masses.min() > -1e-7 * found.law.masses.max()
    assert found.provenance["method"] == f"trigonometric polynomials, {SPLITTING}"


def by_steps(process, grid):
    space = phase_space(Coefficients(process, grid, 0.0, plane_sides(process, grid)))
    steps = PhaseSpaceSteps(space, np.zeros((4, int(np.prod(grid.shape)))))
    masses = np.multiply.outer(*(np.diff(law.cdf(f)) for law, f in zip(START, grid.axes, strict=True)))
    return steps, values_of(steps.axes, masses)


def run(steps, values, n):
    return extrapolated([steps.march(values, 0.0, T_END / (k * n), k * n, np.zeros(4)) for k in MULTIPLES], MULTIPLES)


@pytest.mark.parametrize(("multiples", "order"), [((1,), 2), ((1, 2), 4), ((1, 2, 3), 6)])
def test_steps_are_of_order_two_and_extrapolated_of_orders_four_and_six(multiples, order):
    grid = Grid.uniform(*BOX, cells=64)
    (steps, values), exact = by_steps(OSCILLATOR, grid), oscillator_masses(grid)
    counts, errors = (8, 11, 16, 22, 32), []
    for n in counts:
        runs = [steps.march(values, 0.0, T_END / (k * n), k * n, np.zeros(4)) for k in multiples]
        masses = averages_of(steps.axes, extrapolated(runs, multiples))
        x, v = (0.5 * (f[1:] + f[:-1]) for f in grid.axes)
        errors.append(np.einsum("ij,i,j->", masses - exact, x**2, np.cos(v)))
    assert passes(checks.order(1 / np.array(counts), errors, expected=order)), errors


def galerkin(process_force, x, kT, g, n_hermite):
    """Return the matrix of the equation on Fourier collocation in x and Hermite functions in v, (n_hermite, len(x)).

    p = sum_n c_n(x) He_n(v/s) N(v; 0, s^2)/sqrt(n!), s^2 = kT:
    dc_n/dt = -g n c_n - s (sqrt(n) c_(n-1)' + sqrt(n+1) c_(n+1)') + (f/s) sqrt(n) c_(n-1)
    """
    n, s = len(x), np.sqrt(kT)
    k = 2 * np.pi / (n * (x[1] - x[0])) * np.fft.fftfreq(n, 1 / n)
    k[n // 2] = 0.0
    slope = np.fft.ifft(1j * k[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real
    raising = np.diag(np.sqrt(np.arange(1, n_hermite)), -1)
    found = np.kron(raising, np.diag(process_force(x) / s) - s * slope) - np.kron(raising.T, s * slope)
    return found - np.kron(np.diag(g * np.arange(n_hermite)), np.eye(n))


def test_a_double_well_relaxes_at_the_rate_of_a_galerkin_method():
    kT, box = 0.1, ((-2.2, 2.2), (-2.4, 2.4))
    x = np.linspace(-2.4, 2.4, 65)[:-1]
    rest, rate = np.sort(-eigs(galerkin(lambda x: x - x**3, x, kT, 1.0, 20), k=2, sigma=-0.02)[0].real)
    assert abs(rest) < 1e-9  # what stays: the next rate is the slowest
    assert rate == pytest.approx(0.02251921, abs=3e-7)
    found = FokkerPlanck(duffing(kT), Grid.uniform(*box, cells=(64, 64))).evolve_to_high_order(
        (Normal(-0.9, 0.2), Normal(0.0, np.sqrt(kT))), t_end=30.0, times=[24.0], tolerance=1e-7
    )
    early, late = (law.mean[0] for law in found.laws)
    assert np.log(early / late) / 6.0 == pytest.approx(rate, abs=2e-6)


@pytest.mark.slow
def test_a_driven_washboard_agrees_with_a_galerkin_method():
    process, kT, t = underdamped_washboard(1.0, 0.5, 0.4), 0.4, 2.0
    start = Normal(np.pi, 0.5), Normal(0.0, np.sqrt(kT))
    grid = Grid.uniform((0.0, 2 * np.pi), (-4.8, 5.2), cells=(48, 64))
    law = FokkerPlanck(process, grid).evolve_to_high_order(start, t_end=t, tolerance=1e-8).law
    x, n_hermite = np.arange(48) * 2 * np.pi / 48, 28
    c = np.zeros((n_hermite, len(x)))
    c[0] = np.exp(-0.5 * ((x - np.pi) / 0.5) ** 2) / (0.5 * np.sqrt(2 * np.pi))
    c = (expm(t * galerkin(lambda x: 0.5 - np.sin(x), x, kT, 1.0, n_hermite)) @ c.ravel()).reshape(c.shape)
    step, h = x[1], 2 * np.pi / 48
    at = law.centres
    for wave in (np.cos, np.sin):  # masses are averages over cells, which shrink the first wave
        theirs = step * np.array([c[0] @ wave(x), np.sqrt(kT) * c[1] @ wave(x)])
        ours = np.array([law.masses.sum(axis=1) @ wave(at[0]), wave(at[0]) @ law.masses @ at[1]])
        np.testing.assert_allclose(ours / np.sinc(h / (2 * np.pi)), theirs, atol=1e-7)
    slack = FokkerPlanck(underdamped_washboard(1.0, 0.49, 0.4), grid).evolve_to_high_order(start, t_end=t).law
    assert abs(law.mean[1] - slack.mean[1]) > 1e-3


def test_gibbs_law_stays():
    process, grid = duffing(0.5), Grid.uniform((-3.0, 3.0), (-4.5, 4.5), cells=(72, 64))
    laws = [process.exact.stationary_component(i) for i in (0, 1)]
    masses = np.multiply.outer(*(np.diff(law.cdf(f)) for law, f in zip(laws, grid.axes, strict=True)))
    found = FokkerPlanck(process, grid).evolve_to_high_order(masses, t_end=3.0, tolerance=1e-7)
    assert distance(found.law, masses) < 1e-7
    hotter = FokkerPlanck(duffing(0.505), grid).evolve_to_high_order(masses, t_end=3.0)
    assert distance(hotter.law, masses) > 1e-3


def test_a_force_that_depends_on_time_is_met():
    process = underdamped(lambda x, t: x**2 / 2 - x * np.sin(3 * t), 0.5)
    found = evolved(process, 64, t_end=2.0, tolerance=1e-7, times=[0.7])
    A = np.array([[0.0, -1.0], [1.0, 1.0]])
    mean = solve_ivp(
        lambda t, m: -A @ m + [0.0, np.sin(3 * t)], (0, 2), [0.8, -0.4], t_eval=[0.7, 2.0], rtol=1e-11, atol=1e-12
    ).y
    still = underdamped_oscillator(1.0, 0.5, 1.0, 1.0)
    for law, t, m in zip(found.laws, (0.7, 2.0), mean.T, strict=True):
        turn = expm(-A * t)
        covariance = turn @ np.diag([0.45**2, 0.5**2]) @ turn.T + still.exact.covariance(np.zeros(2), t)
        assert distance(law, gaussian_masses(law.grid, m, covariance)) < 2e-7
    assert distance(evolved(still, 64, t_end=2.0).law, found.law.masses) > 1e-2


class Planted:
    """The oscillator with a defect in one of its coefficients."""

    def __init__(self, drift=lambda x, mu: mu, noise=1.0):
        self._drift, self._noise = drift, noise

    def __getattr__(self, name):
        return getattr(OSCILLATOR, name)

    def ito_drift(self, x, t):
        return self._drift(x, OSCILLATOR.ito_drift(x, t))

    def diffusivity(self, x, t):
        return self._noise * OSCILLATOR.diffusivity(x, t)


@pytest.mark.parametrize(
    "defect",
    [
        Planted(lambda x, mu: mu + np.stack([0 * x[1], 0.35 * x[1]])),  # half of the friction
        Planted(lambda x, mu: np.stack([mu[0], -mu[1] - 1.4 * x[1]])),  # the force turned round
        Planted(noise=1.5),  # kT in place of kT/mass
        Planted(noise=1.01),
    ],
)
def test_planted_defects_are_seen(defect):
    box = ((-9.0, 9.0), (-9.0, 9.0))
    exact = oscillator_masses(Grid.uniform(*box, cells=80))
    assert distance(evolved(Planted(), 80, box=box).law, exact) < 1e-6
    assert distance(evolved(defect, 80, box=box).law, exact) > 1e-3


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InvalidInput, match="rough on this grid"):
        evolved(OSCILLATOR, 48, start=(0.5, 0.0))
    with pytest.raises(InvalidInput, match="coarse"):
        well = underdamped(lambda x: (x**2 - 1) ** 2, 0.5)
        inside = Normal(-1.0, 0.25), Normal(0.0, np.sqrt(0.5))
        evolved(well, 36, box=((-2.4, 2.4), (-5.5, 5.5)), start=inside, t_end=3.0, tolerance=1e-4)
    with pytest.raises(InvalidInput, match="does not hold"):
        evolved(OSCILLATOR, 48, start=(Normal(0.8, 0.45), Normal(0.0, 0.3)), box=((-5, 5), (-2.6, 2.6)))
    with pytest.raises(InvalidInput, match="wide"):
        stretched = Grid((np.linspace(-5, 5, 41), np.sinh(np.linspace(-2, 2, 41))))
        FokkerPlanck(OSCILLATOR, stretched).evolve_to_high_order(START, t_end=1.0)
    with pytest.raises(InvalidInput, match="only the force may depend on time"):
        warming = Process(
            lambda x, t: (x[1], -x[0] - x[1]), lambda x, t: [[0.0], [1 + 0.1 * np.sin(t)]], dim=2, name="warming"
        )
        evolved(warming, 48)
    with pytest.raises(NotConverged, match="allow a larger tolerance"):
        evolved(OSCILLATOR, 36, tolerance=1e-15)


def test_other_equations_and_given_orders_go_to_central_differences():
    assert evolved(nonnormal_ou(), 64, t_end=0.2).provenance["method"].startswith("central differences of order 6")
    given = evolved(OSCILLATOR, 64, t_end=0.2, order=6)
    assert given.provenance["method"].startswith("central differences of order 6")
    grid = Grid.uniform(*BOX, cells=24)
    bent = Process(lambda x: (x[1], -x[0] - x[1] * (1 + 0.1 * x[0] ** 2)), lambda x: [[0.0], [1.0]], dim=2, name="bent")
    assert phase_space(Coefficients(bent, grid, 0.0, plane_sides(bent, grid))) is None
