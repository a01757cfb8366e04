"""Underdamped dynamics, and potentials in several dimensions: forces, stationary laws, twins, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy import integrate

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.processes import (
    Setting,
    double_well,
    duffing,
    duffing_well,
    energy_van_der_pol,
    geometric_brownian,
    langevin_of,
    mueller_brown,
    overdamped,
    process_named,
    tilted_well,
    underdamped,
    underdamped_of,
    underdamped_oscillator,
    underdamped_washboard,
    washboard,
)

RING = Interval.between(0.0, 2 * np.pi, Wall.PERIODIC)
M = np.array([[2.0, 0.5], [0.5, 1.0]])


def coupled(x, p):
    return p.k * x[0] ** 2 * x[1] ** 2 / 2 + (x[0] - x[1]) ** 2 + x[0] ** 4 / 4 + x[1] ** 4 + np.cos(x[1])


ONE = {"params": {"k": 1.5}, "dim": 2}
GIBBS = {
    "double_well": double_well(),
    "overdamped": overdamped(coupled, 0.7, **ONE),
    "overdamped, mobility a number": overdamped(coupled, 0.7, mobility=1.7, **ONE),
    "overdamped, mobility a vector": overdamped(coupled, 0.7, mobility=[1.7, 0.4], **ONE),
    "overdamped, mobility a matrix": overdamped(coupled, 0.7, mobility=M, **ONE),
    "overdamped, mobility on the line": overdamped(lambda x: x**4 - x, 0.7, mobility=1.7),
    "langevin_of": langevin_of(lambda x: -(x[0] ** 2) - x[0] * x[1] - x[1] ** 4, 0.7, dim=2, mobility=M),
    "mueller_brown": mueller_brown(),
    "duffing": duffing(0.3, 1.7, 0.6),
    "underdamped_oscillator": underdamped_oscillator(1.2, 0.3, 1.7, 0.6),
    "underdamped_washboard": underdamped_washboard(tilt=0.0),
    "underdamped, numbers": underdamped(coupled, 0.7, friction=0.4, mass=1.3, **ONE),
    "underdamped, vectors": underdamped(coupled, 0.7, friction=[0.4, 1.1], mass=[1.3, 0.5], **ONE),
    "underdamped, matrix": underdamped(coupled, 0.7, friction=0.4, mass=M, **ONE),
    "energy_van_der_pol": energy_van_der_pol(1.3, 0.7, 0.4),
}


def fokker_planck_residual(process):
    """Return the largest |-d_i(mu_i p) + d_i d_j(D_ij p)|/p at a few points, with p = exp(-energy/temperature)."""
    s = process.statement
    numbers = dict(zip(s.parameters, map(sp.Float, process.parameter_values()), strict=True))
    phi = (s.energy / process.params["temperature"]).subs(numbers)
    found = sp.Integer(0)
    for i, x_i in enumerate(s.x):  # of each flux J_i = mu_i p - d_j(D_ij p): J_i/p, and (d_i J_i)/p from it
        spread = [s.diffusivity[i, j].subs(numbers) for j in range(len(s.x))]
        flux = s.ito_drift[i].subs(numbers) - sum(
            d.diff(x_j) - d * phi.diff(x_j) for d, x_j in zip(spread, s.x, strict=True)
        )
        found += flux.diff(x_i) - flux * phi.diff(x_i)
    points = np.random.default_rng(5).uniform(-1.1, 1.3, (len(s.x), 40))
    return np.abs(sp.lambdify(s.x, found)(*points)).max()


@pytest.mark.parametrize("name", GIBBS)
def test_the_stated_energy_solves_the_stationary_fokker_planck_equation(name) -> None:
    process = GIBBS[name]
    assert fokker_planck_residual(process) < 1e-9
    louder = replace(
        process,
        sigma=lambda x, t, p: np.multiply(1.01, np.array(call(process.sigma, x, t, p), dtype=object)),
        factory=None,
    )
    assert fokker_planck_residual(louder) > 1e-3


def test_force_noise_and_energy_by_hand() -> None:
    process = underdamped(coupled, 0.7, friction=0.4, mass=M, **ONE)
    x = np.array([0.3, -1.1, 0.8, 2.0])
    grad = np.array([1.5 * 0.3 * 1.21 + 2 * 1.4 + 0.027, 1.5 * 0.09 * -1.1 - 2 * 1.4 - 4 * 1.331 - np.sin(-1.1)])
    drift = np.concatenate([x[2:], -np.linalg.solve(M, grad) - 0.4 * x[2:]])
    assert process.ito_drift(x[:, None])[:, 0] == pytest.approx(drift, rel=1e-13)
    D = process.diffusivity(x[:, None])[..., 0]
    assert pytest.approx(0.4 * 0.7 * np.linalg.inv(M), rel=1e-13) == D[2:, 2:]
    assert not D[:2].any()
    assert process.channels == 2
    s = process.statement
    values = dict(zip((*s.x, *s.parameters), (*x, *process.parameter_values()), strict=True))
    u = 1.5 * 0.09 * 1.21 / 2 + 1.96 + 0.0081 / 4 + 1.1**4 + np.cos(1.1)
    assert float(s.energy.subs(values)) == pytest.approx(u + x[2:] @ M @ x[2:] / 2, rel=1e-13)


def test_mobility_by_hand() -> None:
    x = np.array([[0.3], [-1.1]])
    plain = overdamped(coupled, 0.7, **ONE)
    for mobility, matrix in ((1.7, 1.7 * np.eye(2)), ([1.7, 0.4], np.diag([1.7, 0.4])), (M, M)):
        process = overdamped(coupled, 0.7, mobility=mobility, **ONE)
        assert process.ito_drift(x) == pytest.approx(matrix @ plain.ito_drift(x), rel=1e-13)
        assert process.diffusivity(x)[..., 0] == pytest.approx(0.7 * matrix, abs=1e-14)
        changed = process.with_params(mobility=2 * np.asarray(mobility), temperature=0.35)
        assert changed.diffusivity(x)[..., 0] == pytest.approx(0.7 * matrix, abs=1e-14)
        assert changed.ito_drift(x) == pytest.approx(2 * matrix @ plain.ito_drift(x), rel=1e-13)


def test_mobility_on_the_line_keeps_the_law_and_scales_time() -> None:
    plain, fast = (overdamped(lambda x: x**4 - x, 0.7, mobility=m) for m in (None, 4.0))
    x = np.linspace(-1, 2, 7)
    assert fast.exact.stationary().cdf(x) == pytest.approx(plain.exact.stationary().cdf(x), abs=1e-14)
    assert fast.setting.t_end == pytest.approx(plain.setting.t_end / 4, rel=1e-12)
    assert "mobility" in fast.equation
    assert "mobility" not in plain.params


@pytest.mark.parametrize(
    ("process", "states"),
    [
        (overdamped(lambda x: x**2), True),
        (overdamped(lambda x, t: (x - np.sin(t)) ** 2), False),
        (overdamped(lambda x: -(x**2), domain=Interval.between(0.0, 1.0, Wall.ABSORBING)), False),
        (overdamped(lambda x: -np.log1p(x**2)), False),  # no Z
        (washboard(), False),
        (washboard(tilt=0.0), True),
        (underdamped_washboard(), False),
        (underdamped_washboard(tilt=0.0), True),
        (underdamped(lambda x: -(x**2)), False),
        (underdamped(lambda x, t: (x - np.sin(t)) ** 2), False),
        (underdamped(coupled, [0.7, 0.8], **ONE), False),
        (overdamped(lambda x: np.sin(x[0]) * x[1] ** 2, dim=2, domain=(RING, Interval())), True),
        (overdamped(lambda x: np.cos(x[0] / 2) * x[1] ** 2, dim=2, domain=(RING, Interval())), False),
        (overdamped(lambda x, t: (x[0] - np.sin(t)) ** 2 + x[1] ** 2, dim=2), False),
        (
            overdamped(lambda x: x[0] ** 2, dim=2, domain=(Interval(), Interval.between(0.0, 1.0, Wall.ABSORBING))),
            False,
        ),
        (underdamped(lambda x, t: (x[0] - np.sin(t)) ** 2 + x[1] ** 2, dim=2), False),
    ],
)
def test_an_energy_is_stated_only_where_it_gives_the_stationary_law(process, states) -> None:
    assert (process.energy is not None) == states
    known = process.exact
    if not states and process.dim == 2:
        assert known.stationary_component is known.stationary_covariance is None


def test_the_stationary_law_of_duffings_oscillator() -> None:
    exact, kT, m = duffing(0.3, 1.7, 0.6).exact, 0.3, 0.6

    def weighted(x, power):
        return x**power * np.exp(-(x**4 / 4 - x**2 / 2) / kT)

    z, second = (integrate.quad(weighted, -6, 6, args=(power,), epsabs=1e-13)[0] for power in (0, 2))
    assert exact.stationary_covariance() == pytest.approx(np.diag([second / z, kT / m]), abs=1e-11)
    assert exact.stationary_mean() == pytest.approx([0.0, 0.0], abs=1e-13)
    assert exact.stationary_component(0).variance == pytest.approx(second / z, rel=1e-11)
    assert exact.stationary_component(1) == Normal(0.0, np.sqrt(kT / m))


def test_velocities_in_several_dimensions_have_their_variance() -> None:
    process = underdamped(coupled, 0.7, friction=0.4, mass=M, **ONE)
    expected = 0.7 * np.linalg.inv(M)
    assert process.exact.stationary_component(2).variance == pytest.approx(expected[0, 0])
    assert process.exact.stationary_component(3).variance == pytest.approx(expected[1, 1])
    by_vector = underdamped(coupled, 0.7, mass=[1.3, 0.5], **ONE)
    assert by_vector.exact.stationary_component(3).variance == pytest.approx(1.4)
    with pytest.raises(InvalidInput, match=r"component 1 is not known; that of velocities, 2 to 3, is"):
        process.exact.stationary_component(1)


@pytest.mark.parametrize("name", ["double_well", "duffing_well", "tilted_well", "mueller_brown"])
def test_a_named_overdamped_process_has_a_twin(name) -> None:
    process = process_named(name)
    twin = underdamped_of(process, friction=2.0, mass=0.5)
    k = process.dim
    x = np.linspace(0.2, 1.1, 2 * k)[:, None]
    force = np.atleast_1d(process.ito_drift(x[:k, 0] if k == 1 else x[:k]).squeeze())
    assert twin.ito_drift(x)[:, 0] == pytest.approx([*x[k:, 0], *(force / 0.5 - 2 * x[k:, 0])], rel=1e-13)
    assert twin.params.keys() == {*process.params, "friction", "mass"}
    assert twin.name == f"underdamped_{name}"
    assert len(twin.setting.x0) == 2 * k
    assert fokker_planck_residual(twin) < 1e-9


def test_every_parameter_of_a_twin_can_be_changed() -> None:
    twin = underdamped_of(tilted_well(), friction=2.0)
    changed = twin.with_params(friction=1.5, temperature=0.5, mass=2.0, tilt=0.3)
    assert dict(changed.params) == {"temperature": 0.5, "friction": 1.5, "mass": 2.0, "tilt": 0.3}
    direct = underdamped_of(tilted_well(0.3, 0.5), friction=1.5, mass=2.0)
    x = np.array([[0.4], [-0.8]])
    assert changed.ito_drift(x) == pytest.approx(direct.ito_drift(x), rel=1e-15)
    assert changed.noise_coefficient(x) == pytest.approx(direct.noise_coefficient(x), rel=1e-15)
    assert changed.exact.stationary_covariance() == pytest.approx(direct.exact.stationary_covariance(), rel=1e-12)
    by_matrix = underdamped(coupled, 0.7, mass=M, **ONE).with_params(mass=2 * M, k=0.5)
    assert by_matrix.diffusivity(np.ones((4, 1)))[2:, 2:, 0] == pytest.approx(0.7 * np.linalg.inv(2 * M))
    assert by_matrix.params["k"] == 0.5
    # run-time values: what is traced, and so what is compiled, stays the same
    assert twin.statement == changed.statement


def test_what_is_given_to_a_log_density_is_passed_on_and_stays() -> None:
    box = (Interval.between(-1.0, 1.0, Wall.REFLECTING), Interval())
    given = dict(
        dim=2, mobility=[0.3, 2.0], params={"k": 2.0}, domain=box, setting=Setting((0.2, 0.1), 3.0, 0.1), name="mine"
    )
    one = langevin_of(lambda x, p: -p.k * x[0] ** 2 - x[1] ** 4, 0.5, **given)
    other = overdamped(lambda x, p: p.k * x[0] ** 2 + x[1] ** 4, 0.5, **given, equation="as stated")
    assert one.statement == other.statement
    for process in (one, other, one.with_params(k=3.0), other.with_params(k=3.0, mobility=1.5)):
        assert process.intervals == box and process.setting == given["setting"] and process.name == "mine"
    assert other.with_params(k=3.0).equation == "as stated"


def test_what_is_given_stays_when_parameters_change() -> None:
    given = dict(
        domain=(RING, Interval()), setting=Setting((0.1, 0.2, 0.3, 0.4), 3.0, 0.1), name="mine", equation="mine"
    )
    for process in (made := underdamped(coupled, **ONE, **given), made.with_params(k=3.0, mass=[2.0, 1.0])):
        assert process.intervals == (RING, *(Interval(),) * 3) and process.setting == given["setting"]
        assert process.name == process.equation == "mine"


def test_the_twin_of_a_driven_process_is_driven() -> None:
    twin = underdamped_of(washboard(), friction=2.0, mass=0.5)
    assert twin.statement == underdamped_washboard(friction=2.0, mass=0.5).statement
    assert twin.intervals == underdamped_washboard().intervals
    assert twin.energy is None
    assert twin.with_params(tilt=0.0).energy is not None


def test_the_twin_of_duffings_well_is_duffings_oscillator() -> None:
    one, other = underdamped_of(duffing_well(0.3), friction=1.7, mass=0.6), duffing(0.3, 1.7, 0.6)
    assert one.statement == other.statement
    assert one.exact.stationary_covariance() == pytest.approx(other.exact.stationary_covariance())
    started = underdamped_of(overdamped(lambda x: x**2, setting=Setting(x0=Normal(0.7, 0.1))))
    assert started.setting.x0 == pytest.approx((0.7, 0.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: underdamped(coupled, mass=[[1, 1], [1, 1]], **ONE),
            r"mass is singular: its eigenvalues go from 0 to 2",
        ),
        (lambda: underdamped(coupled, mass=[[1, 0], [0, 1e-15]], **ONE), r"mass is singular: .* from 1e-15 to 1"),
        (
            lambda: underdamped(coupled, mass=[[1, 0], [0, -1]], **ONE),
            r"mass is not positive definite: .* from -1 to 1",
        ),
        (lambda: underdamped(coupled, mass=[[1, 0.2], [0.1, 1]], **ONE), r"mass is not symmetric: .* as large as 0.1"),
        (lambda: underdamped(coupled, mass=np.eye(3), **ONE), r"mass has shape \(3, 3\); \(2, 2\) is needed"),
        (
            lambda: underdamped(coupled, mass=[1.0, 0.0], **ONE),
            r"mass=\[1.0, 0.0\] must be positive in every component",
        ),
        (
            lambda: underdamped(coupled, friction=[1, 2, 3], **ONE),
            r"friction has shape \(3,\); a number, or one for each",
        ),
        (lambda: underdamped(coupled, friction=np.eye(2), **ONE), r"friction has shape \(2, 2\); a number"),
        (lambda: underdamped(lambda x: x**2, friction=0.0), r"friction=0.0 must be positive"),
        (lambda: underdamped(lambda x: x**2, temperature=-1.0), r"temperature=-1.0 must be positive"),
        (lambda: underdamped(lambda x: x**2, mass=np.nan), r"mass has 1 of 1 values that are NaN"),
        (
            lambda: underdamped(coupled, [1, 2], mass=M, **ONE),
            r"temperature has one value for each .* mass is a matrix",
        ),
        (lambda: underdamped(coupled, friction=[1, 2], mass=M, **ONE), r"friction has one value for each component"),
        (lambda: underdamped(lambda x: x**2, params={"mass": 1.0}), r"params holds a mass, .* give it as mass="),
        (
            lambda: underdamped(lambda x: x**2, domain=Interval.between(0, 1, Wall.REFLECTING)),
            r"domain \(0, 1\) of positions .* give the line or a periodic interval",
        ),
        (lambda: underdamped(lambda x: x**2, dim=0), r"dim=0 must be at least 1"),
        (
            lambda: underdamped_of(geometric_brownian()),
            r"geometric_brownian states no potential .* fpsde.underdamped\(potential",
        ),
        (lambda: underdamped_of(double_well(), friction=-1.0), r"friction=-1.0 must be positive"),
        (lambda: underdamped_of(double_well()).with_params(mas=1.0), r"'mas': did you mean 'mass'"),
        (lambda: overdamped(coupled, mobility=[[1, 1], [1, 1]], **ONE), r"mobility is singular"),
        (lambda: overdamped(lambda x: x**2, mobility=0.0), r"mobility=0.0 must be positive"),
        (lambda: overdamped(lambda x: x**2, mobility=[1, 2]), r"mobility has shape \(2,\); .* of 1 component"),
        (lambda: overdamped(lambda x: x**2, params={"mobility": 2.0}), r"give it as mobility="),
        (lambda: overdamped(coupled, dim=2, params={"j": 1.0}), r"unknown parameter 'k'"),
    ],
)
def test_bad_masses_frictions_and_mobilities_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
