"""Laws of affine chains in any dimension: against closed forms, recursions by hand, and particles."""

import numpy as np
import pytest
from scipy import stats

import fpsde
from fpsde.density import Normal, Point
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.joint_law import JointNormal
from fpsde.laws.affine_chain import AffineChain, normal_start
from fpsde.processes import linear_system, nonnormal_ou, underdamped, underdamped_oscillator

A = np.array([[1.0, -0.8, 0.1], [0.3, 0.5, 0.0], [0.0, 0.2, 0.7]])
B = np.array([[1.0, 0.0], [0.5, 0.4], [0.2, 0.3]])
LINEAR = linear_system(A, B)
START = JointNormal([1.0, -0.5, 0.2], [[0.3, 0.1, 0.0], [0.1, 0.2, 0.05], [0.0, 0.05, 0.4]])


def test_exact_sampling_has_the_law_of_the_process() -> None:
    """The transition itself as a scheme: mean and covariance are those of the process, whatever the step."""
    process = fpsde.noised_mixture(fpsde.linear_beta(0.1, 4.0))
    chain, exact = AffineChain(fpsde.exact_sampling, process), process.exact
    for n in (1, 7, 100):
        law = chain.laws(normal_start((1.0, -0.3), 2), np.linspace(0.0, 0.8, n + 1), [n])[n]
        assert law.mean == pytest.approx(exact.mean((1.0, -0.3), 0.8), rel=1e-13)
        assert law.covariance == pytest.approx(exact.covariance((1.0, -0.3), 0.8), rel=1e-13, abs=1e-15)


def test_euler_maruyama_of_three_components_is_the_recursion_written_by_hand() -> None:
    n, dt = 37, 0.05
    mean, covariance = START.mean, START.covariance
    M = np.eye(3) - dt * A
    for _ in range(n):
        mean, covariance = M @ mean, M @ covariance @ M.T + dt * B @ B.T
    chain = AffineChain(fpsde.euler_maruyama, LINEAR)
    laws = chain.laws(START, dt * np.arange(n + 1), [1, 20, n])
    assert laws[n].mean == pytest.approx(mean, rel=1e-13)
    assert laws[n].covariance == pytest.approx(covariance, rel=1e-13)
    wrong = AffineChain(fpsde.euler_maruyama, linear_system(A, 1.001 * B)).laws(START, dt * np.arange(n + 1), [n])[n]
    assert np.abs(wrong.covariance - covariance).max() > 1e-4  # negative control


def test_coefficients_that_depend_on_time_are_read_at_every_step() -> None:
    beta = fpsde.linear_beta(0.1, 4.0)
    process = fpsde.noised_mixture(beta)
    chain = AffineChain(fpsde.euler_maruyama, process)
    grid = np.array([0.0, 0.05, 0.2, 0.25, 0.6, 1.0])  # uneven
    scale, variance = 1.0, 0.0
    for t, dt in zip(grid[:-1], np.diff(grid), strict=True):
        rate = 0.1 + 3.9 * t
        scale, variance = scale * (1 - rate * dt / 2), variance * (1 - rate * dt / 2) ** 2 + rate * dt
    law = chain.laws(normal_start((2.0, -1.0), 2), grid, [5])[5]
    assert law.mean == pytest.approx(scale * np.array([2.0, -1.0]), rel=1e-13)
    assert law.covariance == pytest.approx(variance * np.eye(2), rel=1e-13, abs=1e-16)


@pytest.mark.parametrize("h", [0.1, 0.5, 1.5])
def test_stationary_laws_of_the_harmonic_oscillator(h) -> None:
    """BAOAB has the exact variance kT/k of positions (Leimkuhler & Matthews 2013); Euler's solves its equations."""
    process = underdamped_oscillator()
    assert AffineChain(fpsde.baoab, process).stationary(h).covariance[0, 0] == pytest.approx(1.0, rel=1e-12)
    if h < 1:
        M, S = np.array([[1, h], [-h, 1 - h]]), np.diag([0.0, 2 * h])
        C = AffineChain(fpsde.euler_maruyama, process).stationary(h).covariance
        assert C == pytest.approx(M @ C @ M.T + S, abs=1e-12)
        assert C[0, 0] > 1 + 0.4 * h  # far from the process's


def test_memory_of_noise_is_part_of_the_state() -> None:
    """Leimkuhler and Matthews' scheme is exact for a harmonic well in what it shows (2013), in two dimensions."""
    process = fpsde.overdamped(lambda x: x[0] ** 2 + x[1] ** 2 / 2 + x[0] * x[1] / 2, 0.7, dim=2)
    K = np.array([[2.0, 0.5], [0.5, 1.0]])
    law = AffineChain(fpsde.leimkuhler_matthews, process).stationary(0.3)
    assert law.covariance == pytest.approx(0.7 * np.linalg.inv(K), rel=1e-12)
    euler = AffineChain(fpsde.euler_maruyama, process).stationary(0.3)
    assert euler.covariance == pytest.approx(0.7 * np.linalg.inv(K @ (np.eye(2) - 0.15 * K)), rel=1e-12)


def test_particles_have_the_law(seed) -> None:
    """Four sums of squares of a coupled underdamped pair, whitened by the law: chi-squared at level 1e-8 each."""
    process = underdamped(lambda x: x[0] ** 2 + (x[1] - x[0]) ** 2, dim=2, mass=[[2.0, 0.5], [0.5, 1.0]])
    n, law = (
        100_000,
        AffineChain(fpsde.obabo, process).laws(normal_start((1.0, 0, 0, 0), 4), 0.1 * np.arange(21), [20])[20],
    )
    run = fpsde.simulate(process, fpsde.obabo, x0=(1.0, 0.0, 0.0, 0.0), t_end=2.0, dt=0.1, n_particles=n, seed=seed)
    for shown, holds in ((run.x, True), (run.x * 1.03, False)):
        z = np.linalg.solve(np.linalg.cholesky(law.covariance), shown - law.mean[:, None])
        p = [2 * min(stats.chi2.cdf(s, n), stats.chi2.sf(s, n)) for s in np.sum(z**2, axis=1)]
        assert bool(min(p) > 1e-8) is holds


def test_the_public_doors_give_these_laws() -> None:
    process = underdamped_oscillator()
    found = fpsde.joint_scheme_law(process, fpsde.baoab, x0=(1.0, 0.0), t_end=2.0, dt=0.1, at=[0.5, 2.0])
    alone = fpsde.joint_scheme_law(process, fpsde.baoab, x0=(1.0, 0.0), t_end=0.5, dt=0.1)
    assert found.times == pytest.approx((0.5, 2.0))
    assert found.laws[0].covariance == pytest.approx(alone.law.covariance, rel=1e-12)
    assert found.laws[1].mean.tolist() == found.law.mean.tolist()
    assert found.provenance["n_steps"] == 20
    far = fpsde.joint_scheme_law(process, fpsde.baoab, x0=(1.0, 0.0), t_end=1e5, dt=0.1)  # 10^6 steps
    assert far.law.covariance == pytest.approx(
        fpsde.stationary_joint_scheme_law(process, fpsde.baoab, dt=0.1).law.covariance, rel=1e-9, abs=1e-9
    )
    with pytest.raises(InvalidInput, match="joint_scheme_law"):
        fpsde.scheme_law(process, fpsde.baoab, x0=0.0, t_end=1.0, dt=0.1)
    with pytest.raises(InvalidInput, match="depend on time"):
        fpsde.stationary_joint_scheme_law(fpsde.noised_mixture(), fpsde.euler_maruyama, dt=0.1)
    with pytest.raises(InvalidInput, match="is not on the grid"):
        fpsde.joint_scheme_law(process, fpsde.baoab, x0=(1.0, 0.0), t_end=1.0, dt=0.1, at=[0.55])


def test_a_start_of_independent_components() -> None:
    start = normal_start((Normal(1.0, 0.5), 2.0), 2)
    assert start.mean.tolist() == [1.0, 2.0]
    assert start.covariance.tolist() == [[0.25, 0.0], [0.0, 0.0]]
    assert isinstance(start.component(1), Point)
    assert start.component(0) == Normal(1.0, 0.5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: AffineChain(fpsde.euler_maruyama, fpsde.duffing()).map(0, 0.1), InvalidInput, "is not affine in"),
        (lambda: AffineChain(fpsde.platen_weak2, nonnormal_ou()).map(0, 0.1), InvalidInput, "and in normal noise"),
        (lambda: AffineChain(fpsde.euler_maruyama, nonnormal_ou()).stationary(3.0), UnstableStep, "largest eigenvalue"),
        (
            lambda: AffineChain(fpsde.euler_maruyama, nonnormal_ou()).laws(
                normal_start((1.0, 1.0), 2), 3.0 * np.arange(2001), [2000]
            ),
            UnstableStep,
            "explodes within 2000 steps",
        ),
        (lambda: normal_start((1.0, 2.0), 3), InvalidInput, "give 3 numbers"),
        (lambda: normal_start(START, 2), InvalidInput, "x0 has 3 components, the process 2"),
        (lambda: JointNormal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), InvalidInput, "has the eigenvalue -1; none"),
        (lambda: JointNormal([0.0, 0.0], [[1.0, 0.2], [0.0, 1.0]]), InvalidInput, "is not symmetric"),
        (lambda: JointNormal([0.0], np.eye(2)), InvalidInput, r"mean has shape \(1,\), covariance \(2, 2\)"),
        (lambda: START.component(3), InvalidInput, "component 3 of 3"),
    ],
)  # fmt: skip
def test_what_has_no_normal_law_is_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
