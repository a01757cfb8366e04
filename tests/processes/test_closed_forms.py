"""Every closed-form law obeys the Fokker-Planck equation of the process that carries it, and of no other."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from fpsde.density import Mixture, Normal, Point, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.model_functions import call
from fpsde.panels import panel_rule
from fpsde.processes import (
    CATALOGUE,
    STRATONOVICH,
    additive_time_dependent,
    arctan_process,
    benes,
    brownian,
    call_price,
    constant_beta,
    cox_ingersoll_ross,
    cube_root,
    ddpm_chain,
    geometric_brownian,
    jacobi,
    linear_beta,
    ornstein_uhlenbeck,
    pearson,
    sinh_process,
    stiff_tanh,
    sub_variance_preserving,
    tanh_process,
    variance_exploding,
    variance_preserving,
    washboard,
)

LOW_REFLECTS = Interval(-0.5, np.inf, Wall.REFLECTING, Wall.NONE)
HIGH_ABSORBS = Interval(-np.inf, 2.0, Wall.NONE, Wall.ABSORBING)
MIXED = Interval(-0.5, 1.5, Wall.REFLECTING, Wall.ABSORBING)

#: Process, start, time: every kind of law from a point.
KNOWN = {
    "brownian": (brownian(), 0.3, 0.7),
    "ornstein_uhlenbeck": (ornstein_uhlenbeck(), -0.1, 0.4),
    "geometric_brownian": (geometric_brownian(), 1.2, 0.8),
    "cox_ingersoll_ross": (cox_ingersoll_ross(), 1.1, 0.5),
    "benes": (benes(), 0.5, 1.5),
    "jacobi": (jacobi(), 0.3, 0.4),
    "jacobi, early": (jacobi(), 0.3, 0.03),
    "jacobi, narrow": (jacobi(a=1e-4), 0.395, 0.4),
    "jacobi, touching both ends": (jacobi(mean=0.4, a=0.4), 0.2, 0.3),
    "variance_preserving, linear": (variance_preserving(linear_beta(0.2, 3.0)), 0.8, 0.6),
    "variance_preserving, constant": (variance_preserving(constant_beta(1.3)), 0.8, 0.6),
    "sub_variance_preserving": (sub_variance_preserving(linear_beta(0.2, 3.0)), 0.8, 0.6),
    "variance_exploding": (variance_exploding(), 0.8, 0.6),
    "ddpm_chain": (ddpm_chain(np.linspace(0.05, 0.3, 20)), 0.8, 7.5),
    "tanh_process": (tanh_process(), 0.3, 0.6),
    "stiff_tanh": (stiff_tanh(), 0.3, 0.4),
    "arctan_process": (arctan_process(), -0.4, 0.7),
    "sinh_process": (sinh_process(), 0.2, 0.3),
    "cube_root": (cube_root(), 8.0, 0.5),
    "additive_time_dependent": (additive_time_dependent(), 1.0, 0.7),
    "reflecting": (brownian(0.0, domain=Interval.between(-0.5, 1.5, Wall.REFLECTING)), 0.3, 0.4),
    "reflecting, with drift": (brownian(0.7, domain=Interval.between(-0.5, 1.5, Wall.REFLECTING)), 0.3, 0.4),
    "reflecting, one wall": (brownian(0.0, domain=LOW_REFLECTS), 0.3, 0.4),
    "absorbing": (brownian(0.7, domain=Interval.between(-0.5, 1.5, Wall.ABSORBING)), 0.3, 0.4),
    "absorbing, one wall": (brownian(0.7, domain=HIGH_ABSORBS), 0.3, 0.8),
    "reflecting and absorbing": (brownian(0.0, domain=MIXED), 0.3, 0.4),
    "periodic": (brownian(0.7, domain=Interval.between(-0.5, 1.5, Wall.PERIODIC)), 0.3, 0.4),
}
HOMOGENEOUS = [
    name for name, (process, _, _) in KNOWN.items() if not process.time_dependent and name != "jacobi, early"
]
MULTIPLICATIVE = ["geometric_brownian", "cox_ingersoll_ross", "jacobi", "tanh_process", "sinh_process", "cube_root"]

#: Central differences of order 8: offsets -4..4.
FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])


def residual(process, law_at, t):
    """Return max |dp/dt + (mu p)_x - (D p)_xx| over inner points, relative to the greatest of the three terms."""
    law, dt = law_at(t), t / 100
    h = min(0.06 * np.sqrt(float(law.variance)), 0.02 * min(process.domain.length, 1e9))
    low, high = (float(q) for q in law.ppf(np.array([0.02, 0.98])))
    inner = np.array([max(low, process.domain.low + 5 * h), min(high, process.domain.high - 5 * h)])
    x = np.linspace(*inner, 33)[:, None] + h * np.arange(-4, 5)
    p = law.pdf(x)
    p_t = np.array([law_at(t + k * dt).pdf(x[:, 4]) for k in range(-4, 5)]).T @ FIRST / dt
    advection = (process.ito_drift(x, t) * p) @ FIRST / h
    spreading = (process.diffusivity(x, t) * p) @ SECOND / h**2
    size = max(np.abs(term).max() for term in (p_t, advection, spreading))
    return np.abs(p_t + advection - spreading).max() / size


def graded_faces(law):
    """Panels over the range of a law that halve towards its ends, where a density may go like a fractional power."""
    low, high = law.range()
    halves = 0.5 ** np.arange(8, 50)
    return low + (high - low) * np.concatenate([[0.0], halves[::-1], np.linspace(0, 1, 257)[2:-2], 1 - halves, [1.0]])


def noisier(process):
    return replace(process, sigma=lambda x, t, p: 1.01 * call(process.sigma, x, t, p), factory=None)


@pytest.mark.parametrize("name", KNOWN)
def test_a_transition_solves_the_fokker_planck_equation(name) -> None:
    process, x0, t = KNOWN[name]

    def law_at(s):
        return process.exact.transition(x0, s)

    assert residual(process, law_at, t) < 1e-7
    assert residual(noisier(process), law_at, t) > 1e-3
    reversed_drift = replace(process, drift=lambda x, t, p: -call(process.drift, x, t, p), factory=None)
    if np.any(process.ito_drift(np.array([x0, x0 + 0.1]), t) != 0):
        assert residual(reversed_drift, law_at, t) > 1e-2


@pytest.mark.parametrize("name", MULTIPLICATIVE)
def test_the_stratonovich_reading_of_a_multiplicative_process_has_another_law(name) -> None:
    process, x0, t = KNOWN[name]
    misread = replace(process, interpretation=STRATONOVICH, factory=None)
    assert residual(misread, lambda s: process.exact.transition(x0, s), t) > 1e-3


@pytest.mark.parametrize(
    "data", [Normal(0.3, 0.4), Mixture([0.2, 0.8], [Point(-1.0), Normal(0.5, 0.2)]), Uniform(0.0, 1.0)]
)
@pytest.mark.parametrize("make", [ornstein_uhlenbeck, brownian, variance_preserving])
def test_a_marginal_of_a_linear_process_solves_it_too(make, data) -> None:
    process = make()

    def law_at(t):
        return process.exact.marginal(data, t)

    assert residual(process, law_at, 0.5) < 1e-7
    assert residual(noisier(process), law_at, 0.5) > 1e-4


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_transitions_compose(name) -> None:
    """Chapman-Kolmogorov: the law at t from the law at t/3; it ties the dependence on x0 to that on x."""
    process, x0, t = KNOWN[name]
    first, whole = process.exact.transition(x0, t / 3), process.exact.transition(x0, t)
    y, w = panel_rule(np.linspace(*(float(q) for q in first.ppf(np.array([1e-13, 1 - 1e-13]))), 41))
    weights = w * first.pdf(y)
    x = np.linspace(*(float(q) for q in whole.ppf(np.array([0.05, 0.95]))), 7)
    composed = sum(v * process.exact.transition(float(at), 2 * t / 3).cdf(x) for at, v in zip(y, weights, strict=True))
    composed += sum(mass * (x >= at) for at, mass in first.atoms)
    assert composed == pytest.approx(whole.cdf(x), abs=1e-11)
    assert composed != pytest.approx(process.exact.transition(x0, 1.02 * t).cdf(x), abs=1e-4)


@pytest.mark.parametrize("name", KNOWN)
def test_a_distribution_function_is_the_integral_of_its_density(name) -> None:
    process, x0, t = KNOWN[name]
    law = process.exact.transition(x0, t)
    faces = graded_faces(law)
    x, w = panel_rule(faces)
    smooth = np.diff(law.cdf(faces) - sum(mass * (faces >= at) for at, mass in law.atoms))
    assert (w * law.pdf(x)).reshape(len(smooth), -1).sum(axis=1) == pytest.approx(smooth, abs=2e-14)
    assert float(law.cdf(law.range()[1])) == pytest.approx(1.0, abs=1e-13)


@pytest.mark.parametrize("name", KNOWN)
def test_mean_and_variance_are_those_of_the_law(name) -> None:
    process, x0, t = KNOWN[name]
    law = process.exact.transition(x0, t)
    x, w = panel_rule(graded_faces(law))
    weights = w * law.pdf(x)
    mean = weights @ x + sum(mass * at for at, mass in law.atoms)
    variance = weights @ (x - mean) ** 2 + sum(mass * (at - mean) ** 2 for at, mass in law.atoms)
    assert process.exact.mean(x0, t) == pytest.approx(mean, abs=1e-12)
    assert process.exact.variance(x0, t) == pytest.approx(variance, abs=1e-12)


@pytest.mark.parametrize("make", [pearson, jacobi, cox_ingersoll_ross, geometric_brownian])
def test_moments_obey_their_own_equation(make) -> None:
    """d/dt E X = E mu and d/dt E X^2 = E(2 X mu + 2 D), where mu is linear and D a polynomial of degree 2 in x."""
    process, x0, t, dt = make(), 0.35, 0.6, 1e-3
    nodes = np.array([0.2, 0.5, 0.8])
    slope = np.polyfit(nodes, process.ito_drift(nodes), 1)
    bend = np.polyfit(nodes, process.diffusivity(nodes), 2)

    def moments(s):
        mean = process.exact.mean(x0, s)
        return np.array([mean, process.exact.variance(x0, s) + mean**2])

    m1, m2 = moments(t)
    rates = np.array([moments(t + k * dt) for k in range(-4, 5)]).T @ FIRST / dt
    assert rates[0] == pytest.approx(slope @ [m1, 1], abs=1e-10)
    assert rates[1] == pytest.approx(2 * slope @ [m2, m1] + 2 * bend @ [m2, m1, 1], abs=1e-10)
    assert rates[1] != pytest.approx(2 * slope @ [m2, m1] + bend @ [m2, m1, 1], abs=1e-4)
    assert process.exact.mean(x0, 0.0) == pytest.approx(x0)
    assert process.exact.variance(x0, 0.0) == pytest.approx(0.0, abs=1e-15)


#: Brownian motion on a ring is left out: it is uniform whatever sigma is, so nothing wrong with it could be seen.
STATIONARY = {
    **{name: make() for name, make in CATALOGUE.items() if make().exact.stationary and name != "brownian_periodic"},
    "reflecting, with drift": KNOWN["reflecting, with drift"][0],
    "reflected half line": brownian(-0.7, domain=LOW_REFLECTS),
}


def flux(process, law, x):
    """Return mu p - (D p)' at ``x``."""
    h = 0.01 * np.sqrt(float(law.variance))
    at = x[:, None] + h * np.arange(-4, 5)
    return process.ito_drift(x, 0.0) * law.pdf(x) - (process.diffusivity(at) * law.pdf(at)) @ FIRST / h


@pytest.mark.parametrize("name", STATIONARY)
def test_a_stationary_law_carries_no_current_unless_driven(name) -> None:
    process = STATIONARY[name]
    law = process.exact.stationary()
    x = np.linspace(*(float(q) for q in law.ppf(np.array([0.1, 0.9]))), 41)
    current = flux(process, law, x)
    size = np.abs(process.ito_drift(x) * law.pdf(x)).max()
    assert np.ptp(current) < 1e-8 * size
    if name != "washboard":
        assert np.abs(current).max() < 1e-8 * size
    assert np.ptp(flux(noisier(process), law, x)) > 1e-3 * size
    x, w = panel_rule(np.linspace(*law.range(), 401))
    assert float(law.cdf(law.range()[1])) == pytest.approx(1, abs=1e-13)
    assert w @ law.pdf(x) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("amplitude", "tilt", "temperature"), [(1.0, 0.5, 0.4), (1.0, -0.5, 0.1), (2.0, 3.0, 0.05)])
def test_the_washboard_drifts_at_stratonovichs_velocity(amplitude, tilt, temperature) -> None:
    process = washboard(amplitude, tilt, temperature)
    law = process.exact.stationary()
    velocity = 2 * np.pi * float(flux(process, law, np.array([2.0]))[0])

    def energy(x):
        return (-amplitude * np.cos(x) - tilt * x) / temperature

    def inner(x):
        return quad(lambda y: np.exp(energy(y) - energy(x)), x, x + 2 * np.pi, epsabs=0, epsrel=1e-11, limit=400)[0]

    double = quad(inner, 0, 2 * np.pi, epsabs=0, epsrel=1e-10)[0]
    gain = 2 * np.pi * tilt / temperature
    expected = 2 * np.pi * temperature * -np.expm1(-gain) / double
    assert velocity == pytest.approx(expected, rel=1e-7)
    assert process.exact.velocity() == pytest.approx(expected, rel=1e-11)
    assert process.with_params(tilt=1.01 * tilt).exact.velocity() != pytest.approx(expected, rel=1e-3)
    assert law.pdf(0.0) == pytest.approx(law.pdf(2 * np.pi), rel=1e-12)


@pytest.mark.parametrize("name", [name for name in HOMOGENEOUS if KNOWN[name][0].exact.stationary])
def test_a_transition_ends_in_the_stationary_law(name) -> None:
    process, x0, _ = KNOWN[name]
    stationary = process.exact.stationary()
    x = stationary.ppf(np.linspace(0.05, 0.95, 19))
    assert process.exact.transition(x0, 60.0).cdf(x) == pytest.approx(stationary.cdf(x), abs=1e-11)
    assert process.exact.transition(x0, 0.3).cdf(x) != pytest.approx(stationary.cdf(x), abs=1e-3)


def test_published_values_are_met() -> None:
    """fokker_planck.md, section 4.5: each was computed apart from this code."""
    law = benes().exact.transition(0.5, 2.0)
    assert law.pdf(np.array([0.0, 2.0])) == pytest.approx([0.0864553978, 0.1972814513], abs=1e-10)
    assert law.mean == pytest.approx(1.4242343145, abs=1e-10)
    law = cox_ingersoll_ross(1.0, 1.0, 0.5).exact.transition(0.5, 1.0)
    assert law.pdf(np.array([1.0, 0.5])) == pytest.approx([0.9567082087, 0.9609930958], abs=1e-10)
    law = geometric_brownian(0.1, 0.3).exact.transition(1.0, 1.0)
    assert law.pdf(np.array([1.0, 1.2])) == pytest.approx([1.307646185, 1.012733218], abs=1e-9)
    data = Mixture([0.5, 0.5], [Normal(-2.0, 0.5), Normal(2.0, 0.5)])
    law = variance_preserving(constant_beta(1.0), data).exact.marginal(data, 1.0)
    assert law.pdf(0.0) == pytest.approx(0.1697151765, abs=1e-10)
    assert [part.centre for part in law.laws] == pytest.approx([-1.2130613194, 1.2130613194], abs=1e-10)
    assert law.laws[0].std ** 2 == pytest.approx(0.7240904191, abs=1e-10)


def test_the_call_has_black_and_scholes_price() -> None:
    """Giles's test set: 10.4506; and the discounted mean of the payoff under the law."""
    process = geometric_brownian(0.05, 0.2)
    price = call_price(process, 100.0, strike=100.0, t_end=1.0)
    assert price == pytest.approx(10.4506, abs=5e-5)
    law = process.exact.transition(100.0, 1.0)
    by_law, _ = quad(lambda x: (x - 90) * law.pdf(x), 90, 600, epsabs=1e-12, limit=200)
    assert call_price(process, 100.0, strike=90.0, t_end=1.0) == pytest.approx(np.exp(-0.05) * by_law, rel=1e-9)
    assert call_price(geometric_brownian(0.05, 0.202), 100.0, strike=90.0, t_end=1.0) != pytest.approx(
        np.exp(-0.05) * by_law, rel=1e-4
    )
    with pytest.raises(InvalidInput, match=r"call_price is of geometric_brownian, not of benes"):
        call_price(benes(), 1.0, strike=1.0, t_end=1.0)
    with pytest.raises(InvalidInput, match=r"strike=0.0 must be positive"):
        call_price(process, 1.0, strike=0.0, t_end=1.0)


def test_a_law_at_time_zero_is_its_start() -> None:
    for process, x0, _ in KNOWN.values():
        assert process.exact.transition(x0, 0.0) == Point(x0)


def test_laws_refuse_what_they_do_not_know() -> None:
    cir = cox_ingersoll_ross()
    with pytest.raises(InvalidInput, match=r"x0=-0.1 lies outside of the domain \(0.0, inf\)"):
        cir.exact.transition(-0.1, 1.0)
    with pytest.raises(InvalidInput, match=r"x0=-0.1 lies outside of the domain"):
        cir.exact.mean(-0.1, 1.0)
    for process, end in ((cir, 0.0), (jacobi(), 1.0)):  # out of reach, so nothing starts there
        with pytest.raises(InvalidInput, match=rf"x0={end} lies outside of the domain"):
            process.exact.transition(end, 1.0)
    with pytest.raises(InvalidInput, match=r"t=-1.0 must not be negative"):
        cir.exact.transition(0.5, -1.0)
    with pytest.raises(InvalidInput, match=r"t=-1.0 must not be negative"):
        ornstein_uhlenbeck().exact.variance(0.5, -1.0)
    with pytest.raises(
        InvalidInput, match=r"no closed form from a Normal initial law; start from a Point or a Mixture"
    ):
        benes().exact.marginal(Normal(0.0, 1.0), 1.0)
    with pytest.raises(NotConverged, match=r"eigenfunctions, and 2000 are allowed; ask for t >= "):
        jacobi().exact.transition(0.3, 1e-6)
    with pytest.raises(NotConverged, match=r"terms of size .* which cancel"):
        jacobi().exact.transition(0.01, 0.02)


def test_a_mixture_of_points_is_carried_point_by_point() -> None:
    law = benes().exact.marginal(Mixture([0.25, 0.75], [Point(-1.0), Point(0.5)]), 1.0)
    x = np.linspace(-3, 3, 7)
    parts = [benes().exact.transition(at, 1.0).cdf(x) for at in (-1.0, 0.5)]
    assert law.cdf(x) == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-15)
