"""Splittings of underdamped dynamics: each step by hand, and by exact linear algebra on harmonic wells."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from bare_kernels import LANES, one_step, rows_of
from bare_laws import affine_form, distance_to_half_steps, run_text, stationary_covariance
from scipy import linalg

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators import Moments, simulate
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, baoab, lf_middle, obab, scheme_named, splitting
from fpsde.schemes.array_models import ArrayModel
from fpsde.schemes.inputs import increments_of_parts
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.tracing import constant_rows, traced_step
from fpsde.symbolic import components

WORDS = ("BAOAB", "ABOBA", "OBABO", "OBAB", "OABAO", "BAOA", "ABO", "BOA", "OABA", "BABO", "BAOOAB", "ABABOBABA")
TIMES = [0.3, 0.55]


def oscillator(omega=1.3, friction=0.7):
    """dx = v dt, dv = (-omega^2 x - friction v) dt + sqrt(2 friction) dW: kT = m = 1."""
    return Process(
        drift=lambda x, p: (x[1], -(p.omega**2) * x[0] - p.friction * x[1]),
        sigma=lambda x, p: ((0.0,), (np.sqrt(2 * p.friction),)),
        dim=2,
        params={"omega": omega, "friction": friction},
    )


def force(x, y, t):
    return -np.sin(x) - 0.5 * y + 0.3 * np.cos(2 * t), (-0.5 * x - y**3) / 2.5


FRICTION, SPREAD = (0.4, 1.9), (0.7, 1.1)
#: masses 1 and 2.5, each component with a friction and a temperature of its own
DIAGONAL = Process(
    drift=lambda x, t, p: (
        x[2],
        x[3],
        -np.sin(x[0]) - 0.5 * x[1] + 0.3 * np.cos(2 * t) - p.friction[0] * x[2],
        (-0.5 * x[0] - x[1] ** 3) / p.mass - p.friction[1] * x[3],
    ),
    sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (SPREAD[0], 0.0), (0.0, SPREAD[1])),
    dim=4,
    params={"friction": FRICTION, "mass": 2.5},
)
MATRIX = np.array([[0.5, 0.2, -0.1], [0.3, 0.4, 0.6]])
#: one friction, three channels that both velocities share
SHARED = Process(
    drift=lambda x, t, p: (
        x[2],
        x[3],
        -np.sin(x[0]) - 0.5 * x[1] + 0.3 * np.cos(2 * t) - p.friction * x[2],
        (-0.5 * x[0] - x[1] ** 3) / 2.5 - p.friction * x[3],
    ),
    sigma=lambda x: np.concatenate([np.zeros((2, 3)), MATRIX]),
    dim=4,
    params={"friction": 0.8},
)
NOISES = {"diagonal": (DIAGONAL, np.array(FRICTION), np.diag(SPREAD)), "shared": (SHARED, np.full(2, 0.8), MATRIX)}


def by_hand(word, friction, sigma, x, v, z, t, dt):
    """Return (x, v) after the letters of ``word``; ``z`` (channels, number of O, n)."""
    counts, drawn = Counter(word), 0
    for letter in word:
        h = dt / counts[letter]
        if letter == "A":
            x, t = x + h * v, t + h
        elif letter == "B":
            v = v + h * np.array(force(*x, t))
        else:
            c = np.exp(-friction * h)[:, None]
            spread = np.sqrt((1 - c**2) / (2 * friction[:, None]))
            v, drawn = c * v + spread * (sigma @ z[:, drawn]), drawn + 1
    return x, v


def by_kernel(scheme, process, state, z):
    return one_step(scheme, process, state, z, times=TIMES)


def by_text(scheme, process, state, z):
    step = traced_step(scheme, process)
    return run_text(step, constant_rows(process, np.array(TIMES))[0], state, z)


@pytest.mark.parametrize(
    ("word", "noise", "run"),
    [
        *((word, noise, by_text) for word in WORDS for noise in NOISES),
        ("BAOAB", "shared", by_kernel),
        ("OABA", "diagonal", by_kernel),
    ],
)
def test_a_step_is_its_letters_one_after_the_other(word, noise, run, seed):
    process, friction, sigma = NOISES[noise]
    scheme, rng = splitting(word), np.random.default_rng(seed)
    x, v = rng.normal(size=(2, 2, LANES))
    z = rng.normal(size=(sigma.shape[1], word.count("O"), LANES))
    state = np.zeros((len(traced_step(scheme, process).state), LANES))
    state[:2], state[2:4] = x, v
    if scheme.auxiliary:
        state[4:6] = force(*x, TIMES[0])
    found = run(scheme, process, state, z.reshape(-1, LANES))
    x, v = by_hand(word, friction, sigma, x, v, z, TIMES[0], TIMES[1] - TIMES[0])
    np.testing.assert_allclose(found[:4], [*x, *v], rtol=1e-13, atol=1e-14)
    if scheme.auxiliary:
        np.testing.assert_allclose(found[4:6], force(*x, TIMES[1]), rtol=1e-13, atol=1e-14)


def driven(t):
    """Return friction and noise of an oscillator whose bath changes in time."""
    return 0.4 + t, 0.7 - t


DRIVEN = Process(
    drift=lambda x, t: (x[1], -np.sin(x[0]) - t - driven(t)[0] * x[1]),
    sigma=lambda x, t: ((0.0,), (driven(t)[1],)),
    dim=2,
    energy=lambda x, t: 0.5 * x[1] ** 2 - np.cos(x[0]) + t * x[0],
)


def test_friction_and_noise_are_those_of_the_time_of_their_letter(seed):
    """The first O comes before A has moved time, the second one after."""
    x, v, *z = np.random.default_rng(seed).normal(size=(4, LANES))
    found = one_step(splitting("OABAO"), DRIVEN, np.array([x, v]), np.array(z), times=TIMES)

    def bath(v, z, now):
        friction, sigma = driven(now)
        c = np.exp(-friction * 0.125)
        return c * v + np.sqrt((1 - c**2) / (2 * friction)) * sigma * z

    v = bath(v, z[0], 0.3)
    x = x + 0.125 * v
    v = v - 0.25 * (np.sin(x) + 0.425)
    x = x + 0.125 * v
    np.testing.assert_allclose(found, [x, bath(v, z[1], 0.55)], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("word", WORDS)
def test_the_force_is_evaluated_as_often_as_is_said(word):
    text = "\n".join(body_lines(traced_step(splitting(word), DIAGONAL)))
    assert text.count("sin_(x") + text.count("sin_(u") == splitting(word).evaluations
    assert bool(splitting(word).auxiliary) == (word.strip("O")[0] == word.strip("O")[-1] == "B")


def test_a_run_starts_with_the_force_where_it_starts(seed):
    x0 = (0.4, -0.3, 0.2, 0.9)
    times = 0.3 + 0.2 * np.arange(4)  # the force depends on time
    run = simulate(DIAGONAL, baoab, x0=x0, times=times, n_particles=LANES, seed=seed, normals=Normals.FLOAT64)
    z = rows_of(Normals.FLOAT64, range(6), seed=seed)
    x, v = np.array(x0)[:2, None], np.array(x0)[2:, None]
    for s in range(3):
        x, v = by_hand("BAOAB", np.array(FRICTION), np.diag(SPREAD), x, v, z[2 * s : 2 * s + 2, None], times[s], 0.2)
    np.testing.assert_allclose(run.positions, [*x, *v], rtol=1e-12, atol=1e-13)


def test_a_velocity_without_friction_moves_by_noise_alone(seed):
    free = Process(
        drift=lambda x, p: (x[2], x[3], -x[0], -x[1] - p.g * x[3]),
        sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (0.6, 0.0), (0.0, 0.5)),
        dim=4,
        params={"g": 1.2},
    )
    state, z = np.zeros((4, LANES)), np.random.default_rng(seed).normal(size=(2, LANES))
    found = one_step(splitting("ABO"), free, state, z, times=[0.0, 0.25])
    np.testing.assert_allclose(found[2], 0.6 * 0.5 * z[0], rtol=1e-14)
    np.testing.assert_allclose(found[3], 0.5 * np.sqrt((1 - np.exp(-0.6)) / 2.4) * z[1], rtol=1e-14)


# --- harmonic wells, to round-off


def quarter(dt, omega):
    return dt**2 * omega**2 / 4


#: omega^2 <x^2>, <v^2>, <x v> at kT = m = 1, from q = dt^2 omega^2/4 and dt
TABLE = {
    "baoab": lambda q, dt: (1, 1 - q, 0),
    "aboba": lambda q, dt: (1, 1 / (1 - q), 0),
    "obabo": lambda q, dt: (1 / (1 - q), 1, 0),
    "obab": lambda q, dt: (1 / (1 - q), 1, 0),
    "oabao": lambda q, dt: (1 - q, 1, 0),
    "lf_middle": lambda q, dt: (1, 1, dt / 2),
}


def harmonic_moments(scheme, omega, friction, dt):
    S = stationary_covariance(scheme, oscillator(omega, friction), dt)
    return omega**2 * S[0, 0], S[1, 1], S[0, 1]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("omega", "friction", "dt"), [(1.3, 0.7, 0.6), (1.0, 30.0, 0.3), (2.0, 0.02, 0.9)])
def test_the_stationary_covariance_of_a_harmonic_well_is_exact(name, omega, friction, dt):
    q = quarter(dt, omega)
    np.testing.assert_allclose(
        harmonic_moments(SCHEMES[name], omega, friction, dt), TABLE[name](q, dt), rtol=1e-11, atol=1e-11
    )


def test_no_row_of_the_table_fits_another_scheme():
    dt, omega = 0.6, 1.3
    rows = {name: np.array(TABLE[name](quarter(dt, omega), dt)) for name in TABLE if name != "obab"}
    for name in rows:
        found = harmonic_moments(SCHEMES[name], omega, 0.7, dt)
        assert [other for other in rows if np.max(np.abs(rows[other] - found)) < 0.01] == [name]


MASS, GAMMA = 2.5, (0.3, 1.1)
DRIFT = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [-1.5, 0.4, -GAMMA[0], 0], [0.4 / MASS, -2 / MASS, 0, -GAMMA[1]]])


def coupled(first=0.5, second=1.7):
    """Two coupled oscillators of unequal masses and frictions, each in a bath of its own temperature."""
    spread = np.sqrt(2 * GAMMA[0] * first), np.sqrt(2 * GAMMA[1] * second / MASS)
    return Process(
        drift=lambda x: tuple(sum(a * x_j for a, x_j in zip(row, x, strict=True) if a) for row in DRIFT),
        sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (spread[0], 0.0), (0.0, spread[1])),
        dim=4,
    )


def lyapunov(process):
    """Return the stationary covariance of the process itself."""
    sigma = np.array(process.statement.sigma, dtype=float)
    return linalg.solve_continuous_lyapunov(DRIFT, -sigma @ sigma.T)


def order_of_bias(word, process):
    biases = [stationary_covariance(splitting(word), process, dt) - lyapunov(process) for dt in (0.04, 0.02)]
    return np.log2(np.divide(*(np.max(np.abs(bias)) for bias in biases)))


@pytest.mark.parametrize("word", WORDS)
def test_the_bias_of_the_stationary_law_has_the_order_that_is_claimed(word):
    """An O at one end more than a palindrome has costs nothing where it leaves the stationary law alone."""
    equal, unequal = order_of_bias(word, coupled(1.3, 1.3)), order_of_bias(word, coupled())
    assert equal == pytest.approx(splitting(word).stationary_order(coupled(1.3, 1.3)), abs=0.1)
    assert unequal == pytest.approx(splitting(word).stationary_order(coupled()), abs=0.1)


@pytest.mark.parametrize("word", WORDS)
def test_means_and_covariances_at_a_time_have_the_weak_order_that_is_claimed(word):
    scheme, process, x0, t_end = splitting(word), coupled(), np.array([0.7, -0.4, 0.3, 1.1]), 1.0
    mean = linalg.expm(DRIFT * t_end) @ x0
    settle = lyapunov(process)
    covariance = settle - linalg.expm(DRIFT * t_end) @ settle @ linalg.expm(DRIFT * t_end).T
    errors = []
    for n in (32, 64):
        form = affine_form(scheme, process, t_end / n)
        state, spread = np.zeros(len(form.c)), np.zeros_like(form.M)
        state[:4] = x0
        if scheme.auxiliary:
            state[4:8] = np.stack(scheme.start(ArrayModel(process), components(list(x0)), 0.0)["force"])
        for _ in range(n):
            state, spread = form.M @ state, form.M @ spread @ form.M.T + form.N @ form.N.T
        errors.append([np.max(np.abs(state[:4] - mean)), np.max(np.abs(spread[:4, :4] - covariance))])
    orders = np.log2(np.divide(*errors))
    assert min(orders) == pytest.approx(scheme.weak.additive, abs=0.1)


# --- one path at several resolutions


def test_a_part_of_a_coarse_step_takes_the_increments_of_its_own_time(seed):
    rng = np.random.default_rng(seed)
    for parts in (1, 2, 3):
        for sub in (1, 2, 3, 5):
            w = increments_of_parts(parts).weights(sub)
            z = rng.normal(size=(sub, parts))
            fine = np.sqrt(1 / (sub * parts)) * z.ravel()  # all increments of a step of unit time, in order
            coarse = np.sqrt(1 / parts) * np.einsum("kij,kj->i", w, z)
            np.testing.assert_allclose(coarse, fine.reshape(parts, sub).sum(axis=1), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("word", WORDS)
def test_paths_have_the_strong_order_that_is_claimed(word):
    coarse, fine = (distance_to_half_steps(splitting(word), coupled(), n) for n in (32, 64))
    assert np.log2(coarse / fine) == pytest.approx(splitting(word).strong.additive, abs=0.1)


# --- heat and work


def energy(x, y, v, w):
    return 0.5 * (v**2 + 2.5 * w**2) - np.cos(x) + 0.5 * x * y + y**4 / 4


WITH_ENERGY = Process(
    drift=lambda x: (
        x[2],
        x[3],
        -np.sin(x[0]) - 0.5 * x[1] - 0.4 * x[2],
        (-0.5 * x[0] - x[1] ** 3) / 2.5 - 1.9 * x[3],
    ),
    sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (0.7, 0.0), (0.0, 1.1)),
    dim=4,
    energy=lambda x: energy(*x),
)


@pytest.mark.parametrize(
    "word", ["BAOAB", pytest.param("OBABO", marks=pytest.mark.slow), pytest.param("ABO", marks=pytest.mark.slow)]
)
def test_heat_and_work_sum_to_the_change_of_energy(word, seed):
    scheme, rng = splitting(word, track_work=True), np.random.default_rng(seed)
    rows = len(traced_step(scheme, WITH_ENERGY).state)
    state = np.zeros((rows, LANES))
    state[:4] = rng.normal(size=(4, LANES))
    if scheme.auxiliary:
        x, y = state[:2]
        state[4:6] = -np.sin(x) - 0.5 * y, (-0.5 * x - y**3) / 2.5
    first, taken = energy(*state[:4]), np.zeros(LANES)
    for s in range(3):
        z = rng.normal(size=(2 * word.count("O"), LANES))
        before = energy(*state[:4])
        state = one_step(scheme, WITH_ENERGY, state, z, times=0.2 * np.arange(4), s=s)
        taken = taken + energy(*state[:4]) - before
    heat, work = state[-2:]
    np.testing.assert_allclose(heat + work, energy(*state[:4]) - first, rtol=1e-12, atol=1e-13)
    assert np.std(heat) > 0.1 and np.std(work) > 1e-3  # neither is the whole


def test_the_heat_is_the_energy_that_the_bath_gives(seed):
    """In ABO the bath comes last: heat is the kinetic energy after it, less that before it."""
    scheme, rng = splitting("ABO", track_work=True), np.random.default_rng(seed)
    state = np.zeros((6, LANES))
    state[:4] = rng.normal(size=(4, LANES))
    found = one_step(scheme, WITH_ENERGY, state, rng.normal(size=(2, LANES)), times=[0.0, 0.2])
    x, y = state[:2] + 0.2 * state[2:4]
    v = state[2:4] + 0.2 * np.array([-np.sin(x) - 0.5 * y, (-0.5 * x - y**3) / 2.5])
    mass = np.array([1.0, 2.5])[:, None]
    np.testing.assert_allclose(found[4], np.sum(mass * (found[2:4] ** 2 - v**2) / 2, axis=0), rtol=1e-12, atol=1e-13)


def test_the_work_of_a_driven_system_is_that_of_its_driving_too(seed):
    """The energy is that of the time that has passed with A; O takes no time."""
    x, v, z = np.random.default_rng(seed).normal(size=(3, LANES))
    state = np.array([x, v, np.zeros(LANES), np.zeros(LANES)])
    found = one_step(splitting("AOB", track_work=True), DRIVEN, state, z[None], times=TIMES)

    def energy(x, v, t):
        return 0.5 * v**2 - np.cos(x) + t * x

    after = x + 0.25 * v
    bathed = found[1] + 0.25 * (np.sin(after) + 0.55)  # before B
    np.testing.assert_allclose(found[0], after, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[2], (bathed**2 - v**2) / 2, rtol=1e-12, atol=1e-13)
    gained = energy(*found[:2], 0.55) - energy(x, v, 0.3)
    np.testing.assert_allclose(found[2] + found[3], gained, rtol=1e-12, atol=1e-13)


def test_observers_see_heat_and_work_by_name(seed):
    x0 = (0.4, -0.3, 0.2, 0.9)
    run = simulate(
        WITH_ENERGY,
        splitting("BAOAB", track_work=True),
        x0=x0,
        t_end=2.0,
        dt=0.2,
        n_particles=1000,
        seed=seed,
        observers=[Moments(of="heat"), Moments(of="work")],
    )
    heat, work = (sums.mean[0] for (sums,) in run.results)
    assert heat + work == pytest.approx(np.mean(energy(*run.positions)) - energy(*x0), rel=1e-12)


def test_tracking_work_changes_no_path(seed):
    rng = np.random.default_rng(seed)
    state, z = rng.normal(size=(10, LANES)), rng.normal(size=(2, LANES))
    with_work = one_step(splitting("BAOAB", track_work=True), WITH_ENERGY, state, z, times=TIMES)
    np.testing.assert_array_equal(with_work[:8], one_step(baoab, WITH_ENERGY, state[:8], z, times=TIMES))


def test_work_needs_an_energy():
    with pytest.raises(Unsuited, match="states no energy"):
        traced_step(splitting("BAOAB", track_work=True), DIAGONAL)


# --- what is refused


@pytest.mark.parametrize("letters", ["", "BAO B", "VRORV", "BARAB", "BAB", "AOA", "OOO", 5, None, "BAOAB" * 20])
def test_a_string_that_is_no_splitting_is_refused(letters):
    with pytest.raises(InvalidInput, match=r"is no splitting: give a string of at most 64 letters with each of A"):
        splitting(letters)


def test_splittings_are_found_by_their_letters():
    assert scheme_named("baoab") is splitting("baoab") is splitting("BAOAB") is baoab
    assert scheme_named("obab") is obab and scheme_named("BABO").name == "babo"
    assert scheme_named("lf_middle") is lf_middle
    with pytest.raises(InvalidInput, match=r"unknown scheme 'vrorv': .* every splitting by its letters A, B and O"):
        scheme_named("vrorv")
    with pytest.raises(InvalidInput, match="is no splitting"):
        scheme_named("abba")


def velocity_form(*, force=lambda x: -x[0], slope=lambda x: -x[1], move=lambda x: x[1], sigma=((0.0,), (1.0,))):
    return Process(
        drift=lambda x: (move(x), force(x) + slope(x)), sigma=sigma if callable(sigma) else lambda x: sigma, dim=2
    )


COUPLED = {"dim": 4, "sigma": lambda x: ((0.0, 0.0), (0.0, 0.0), (1.0, 0.5), (0.0, 1.0))}
UNSUITED = {
    "one component": (Process(drift=lambda x: -x, sigma=lambda x: 1.0), "has 1 components, which is odd"),
    "momenta": (velocity_form(move=lambda x: x[1] / 2), r"the drift of x0 in process is x1/2, not x1"),
    "noise on x": (velocity_form(sigma=((0.1,), (1.0,))), "noise acts on x0"),
    "friction of x": (velocity_form(slope=lambda x: -x[1] * x[0] ** 2), "friction or noise of process depend on x0"),
    "friction of v": (velocity_form(slope=lambda x: -(x[1] ** 3)), "friction or noise of process depend on x1"),
    "friction between components": (
        Process(
            drift=lambda x: (x[2], x[3], -x[0] - x[2] - x[3], -x[1] - x[3]),
            sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
            dim=4,
        ),
        "couples x2 and x3",
    ),
    "shared noise, unequal friction": (
        Process(drift=lambda x: (x[2], x[3], -x[0] - x[2], -x[1] - 2 * x[3]), **COUPLED),
        "x2 and x3 of process share noise but not friction",
    ),
    "multiplicative noise": (velocity_form(sigma=lambda x: ((0.0,), (x[0],))), "takes additive noise"),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_a_process_without_the_structure_is_refused(name):
    process, message = UNSUITED[name]
    with pytest.raises(Unsuited, match=message):
        traced_step(baoab, process)


def test_a_wall_is_refused_and_a_ring_is_not():
    walled = [Interval.between(-1.0, 1.0, wall) for wall in (Wall.REFLECTING, Wall.PERIODIC)]
    reflecting, ring = (replace(oscillator(), domain=(interval, LINE)) for interval in walled)
    with pytest.raises(Unsuited, match="baoab has no form at the reflecting/reflecting walls"):
        traced_step(baoab, reflecting)
    assert len(traced_step(baoab, ring).state) == 4
