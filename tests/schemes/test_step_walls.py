"""What walls do to a step: folds that stay inside, and the crossing probability of a Brownian bridge."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, block_of, one_step
from bare_processes import between, ou
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special, stats

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import ddpm_step, euler_maruyama, milstein
from fpsde.schemes.tracing import traced_step
from fpsde.schemes.walls import applied, crossing

ALPHA = 1e-8
REFLECTING, PERIODIC, ABSORBING, NONE = Wall.REFLECTING, Wall.PERIODIC, Wall.ABSORBING, Wall.NONE

lows = st.floats(-1e3, 1e3).filter(lambda v: v == 0 or abs(v) > 1e-3)
lengths = st.floats(1e-2, 1e3)
turns = (
    st.floats(-50, 50)
    | st.integers(-20, 20).map(lambda k: k / 2)
    | st.integers(-20, 20).map(lambda k: np.nextafter(k / 2, 99))
)
reals = st.sampled_from([np.float64, np.float32])


def moved_by(interval, moved, real, **more):
    low, high = real(interval.low), real(interval.high)
    return applied(interval, real(low), real(moved), low=low, high=high, variance=None, uniform=None, **more), low, high


def reflected(moved, low, high):
    """Mirror at one wall after the other until inside."""
    while not low <= moved <= high:
        moved = 2 * low - moved if moved < low else 2 * high - moved
    return moved


@given(low=lows, length=lengths, turn=turns, real=reals)
@example(low=0.1, length=0.6, turn=1.0000000000000002, real=np.float64)
def test_a_reflected_position_is_inside_and_the_one_of_repeated_mirrors(low, length, turn, real):
    interval = Interval(low, low + length, REFLECTING, REFLECTING)
    moved = low + turn * length
    found, low, high = moved_by(interval, moved, real)
    assert low <= found <= high
    size = (abs(float(low)) + abs(float(moved)) + length) * np.finfo(real).eps
    # near a wall a mirrored last bit may land on the other side of it
    assert abs(float(found) - reflected(float(real(moved)), float(low), float(high))) <= 60 * size


@given(low=lows, length=lengths, turn=turns, real=reals)
def test_a_periodic_position_is_inside_and_whole_turns_away(low, length, turn, real):
    interval = Interval(low, low + length, PERIODIC, PERIODIC)
    moved = low + turn * length
    found, low, high = moved_by(interval, moved, real)
    assert low <= found < high
    turned = (float(found) - float(real(moved))) / (float(high) - float(low))
    size = (abs(float(low)) + abs(float(moved)) + length) * np.finfo(real).eps / length
    assert abs(turned - round(turned)) <= 60 * size


@given(wall=st.floats(-10, 10), moved=st.floats(-100, 100))
def test_one_reflecting_wall_mirrors_what_is_behind_it(wall, moved):
    low = Interval(wall, np.inf, REFLECTING, NONE)
    found, _, _ = moved_by(low, moved, np.float64)
    assert found >= wall and found == pytest.approx(moved if moved >= wall else 2 * wall - moved, abs=1e-13)
    high = Interval(-np.inf, wall, NONE, REFLECTING)
    found, _, _ = moved_by(high, moved, np.float64)
    assert found <= wall and found == pytest.approx(moved if moved <= wall else 2 * wall - moved, abs=1e-13)


@pytest.mark.parametrize(
    "interval", [between(REFLECTING), between(PERIODIC), between(ABSORBING), between(ABSORBING, REFLECTING)]
)
def test_nan_is_not_brought_inside(interval):
    out = applied(interval, 0.0, np.nan, low=interval.low, high=interval.high, variance=0.1, uniform=0.5)
    assert np.isnan(out)


# --- absorption


def absorbed_at(interval, x, moved, uniform, variance=0.09):
    """Return where particles are after the absorbing walls."""
    return applied(interval, x, moved, low=interval.low, high=interval.high, variance=variance, uniform=uniform)


def test_the_crossing_probability_is_that_of_the_brownian_bridge():
    """exp(-2 (b - x)(b - x')/(sigma^2 dt)), and 1 if an end lies on or beyond the wall."""
    x, moved, wall, variance = np.array([0.0, 0.2, 0.4, 0.3]), np.array([0.1, 0.2, 0.7, 0.5]), 0.5, 0.09
    np.testing.assert_allclose(
        crossing(x, moved, wall, variance), [np.exp(-2 * 0.5 * 0.4 / 0.09), np.exp(-2 * 0.09 / 0.09), 1, 1], rtol=1e-15
    )


def test_two_walls_share_the_uniform_as_stated():
    """Low if U < p_low; high if p_low <= U < p_low + (1 - p_low) p_high; else free."""
    interval, x, moved = between(ABSORBING, low=-0.5, high=0.4), 0.1, -0.1
    low, high = (float(crossing(x, moved, wall, 0.09)) for wall in (-0.5, 0.4))
    upto = low + (1 - low) * high
    assert 0.001 < low < upto < 0.999
    for u, where in [
        (0.0, -0.5),
        (low - 1e-9, -0.5),
        (low + 1e-9, 0.4),
        (upto - 1e-9, 0.4),
        (upto + 1e-9, moved),
        (1.0, moved),
    ]:
        assert absorbed_at(interval, x, moved, u) == where


@pytest.mark.parametrize("u", [0.0, 0.3, np.nextafter(1.0, 0.0), 1.0])
def test_a_particle_beyond_a_wall_is_absorbed_whatever_the_uniform(u):
    interval = between(ABSORBING, low=-0.5, high=0.4)
    assert absorbed_at(interval, 0.1, 0.4, u) in (-0.5, 0.4) and absorbed_at(interval, 0.1, 1.7, u) in (-0.5, 0.4)
    assert absorbed_at(interval, 0.1, -0.5, u) == -0.5 and absorbed_at(interval, 0.1, -3.0, u) == -0.5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_absorbed_particle_stays_exactly_on_its_wall(dtype, seed):
    process = ou(domain=between(ABSORBING))
    z = np.random.default_rng(seed).normal(size=(3, LANES)) * 3
    for wall in (-0.7, 0.9):
        at = np.dtype(dtype).type(wall)
        found = one_step(euler_maruyama, process, at, z, times=[0.0, 0.5], dtype=dtype)[0]
        assert found.dtype == dtype and np.all(found == at)


def test_the_bridge_has_the_noise_of_the_start_of_its_step():
    """As the step itself: sigma(x, t) dW."""
    process = Process(drift=lambda x: 0.0, sigma=lambda x, t: 1 + t, domain=Interval(0.0, np.inf, ABSORBING, NONE))
    u = (np.arange(LANES) + 0.5) / LANES
    z = np.array([0 * u, np.sqrt(-2 * np.log(u)), 0 * u])
    found = one_step(euler_maruyama, process, 0.5, z, times=[0.25, 1.25])[0]
    np.testing.assert_array_equal(found, np.where(u < np.exp(-2 * 0.5**2 / 1.25**2), 0.0, 0.5))


def test_one_step_of_brownian_motion_is_absorbed_with_its_exact_probability(seed):
    """With one wall the bridge makes a step exact: P(hit b by dt) = 2 Phi(-(b - x)/(sigma sqrt(dt))) without drift."""
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 0.8, domain=Interval(-np.inf, 1.0, NONE, ABSORBING))
    dt, x, n = 0.7, 0.4, 400
    z = [
        np.concatenate(
            [
                block_of(Normals.FLOAT32, seed=seed, first=512 * k),
            ]
        )[:3]
        for k in range(n)
    ]
    absorbed = sum(int(np.sum(one_step(euler_maruyama, process, x, zk, times=[0.0, dt])[0] == 1.0)) for zk in z)
    total = n * LANES
    exact = 2 * special.ndtr(-(1.0 - x) / (0.8 * np.sqrt(dt)))
    assert stats.binomtest(absorbed, total, exact).pvalue > ALPHA
    ends_only = special.ndtr(-(1.0 - x) / (0.8 * np.sqrt(dt)))  # what is seen without the bridge
    assert stats.binomtest(absorbed, total, ends_only).pvalue < ALPHA
    assert stats.binomtest(absorbed, total, exact * 1.03).pvalue < ALPHA


@pytest.mark.slow
def test_the_free_particles_of_that_step_have_the_law_of_the_killed_motion(seed):
    """By reflection: P(X < y, free) = Phi((y - x)/s) - Phi((y - (2 b - x))/s) for y < b."""
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 0.8, domain=Interval(-np.inf, 1.0, NONE, ABSORBING))
    s, x, b = 0.8 * np.sqrt(0.7), 0.4, 1.0
    found = np.concatenate(
        [
            one_step(
                euler_maruyama, process, x, block_of(Normals.FLOAT32, seed=seed, first=512 * k)[:3], times=[0.0, 0.7]
            )[0]
            for k in range(400)
        ]
    )
    free = found[found < b]

    def killed(y):
        return (special.ndtr((y - x) / s) - special.ndtr((y - 2 * b + x) / s)) / (1 - 2 * special.ndtr(-(b - x) / s))

    def cut(y):
        return special.ndtr((y - x) / s) / special.ndtr((b - x) / s)

    assert stats.kstest(free, killed).pvalue > ALPHA
    assert stats.kstest(free, cut).pvalue < ALPHA


@pytest.mark.parametrize("scheme", [euler_maruyama, milstein])
@pytest.mark.parametrize("wall", [REFLECTING, PERIODIC, ABSORBING])
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_compiled_positions_stay_inside_however_large_the_step(scheme, wall, dtype, seed):
    process = Process(drift=lambda x: 5 * x, sigma=lambda x: 2 + np.cos(x), domain=between(wall))
    z = np.random.default_rng(seed).normal(size=(3, LANES))
    low, high = (np.dtype(dtype).type(v) for v in (-0.7, 0.9))
    for factor in (1e-3, 1.0, 1e3):
        found = one_step(scheme, process, np.linspace(-0.7, 0.9, LANES), factor * z, times=[0.0, 1.0], dtype=dtype)[0]
        assert np.all((found >= low) & (found <= high))


def test_the_compiled_fold_is_that_of_the_step_without_walls(seed):
    free, z = ou(), np.random.default_rng(seed).normal(size=(1, LANES))
    x = np.linspace(-0.7, 0.9, LANES)
    moved = one_step(euler_maruyama, free, x, z, times=[0.0, 1.0])[0]
    assert np.mean((moved < -0.7) | (moved > 0.9)) > 0.1
    folded = one_step(euler_maruyama, ou(domain=between(REFLECTING)), x, z, times=[0.0, 1.0])[0]
    np.testing.assert_allclose(folded, [reflected(v, -0.7, 0.9) for v in moved], atol=1e-13)
    turned = one_step(euler_maruyama, ou(domain=between(PERIODIC)), x, z, times=[0.0, 1.0])[0]
    np.testing.assert_allclose(turned, -0.7 + np.mod(moved + 0.7, 1.6), atol=1e-13)


# --- refusals


@pytest.mark.parametrize(("wall", "words"), [(REFLECTING, "reflecting/reflecting"), (ABSORBING, "absorbing/absorbing")])
def test_a_scheme_without_a_form_at_a_wall_is_refused(wall, words):
    process = Process(drift=lambda x: -x, sigma=lambda x: 1.0, rate=lambda t: 2.0, domain=between(wall))
    with pytest.raises(InvalidInput, match=f"ddpm_step has no form at the {words} walls of process"):
        traced_step(ddpm_step, process)


@pytest.mark.parametrize(
    ("process", "inputs"),
    [
        (ou(), ["dw"]),
        (ou(domain=between(REFLECTING)), ["dw"]),
        (ou(domain=between(ABSORBING)), ["dw", "uniform"]),
        (
            Process(
                drift=lambda x: (0.0, 0.0),
                sigma=lambda x: (1.0, 1.0),
                dim=2,
                domain=(between(ABSORBING), between(ABSORBING)),
            ),
            ["dw", "uniform"],
        ),
    ],
)
def test_only_absorbing_walls_take_a_uniform_each(process, inputs):
    step = traced_step(euler_maruyama, process)
    assert [kind.name for kind, _ in step.inputs] == inputs
    assert len(step.normals) == process.channels + 2 * (process.dim if "uniform" in inputs else 0)


def test_in_the_plane_each_component_has_its_own_walls_and_uniform(seed):
    """Rows of noise: dW of the two channels, then two normals for the uniform of each absorbing component."""
    box = (between(ABSORBING), between(ABSORBING, REFLECTING))
    process = Process(drift=lambda x: (0.1, -x[0]), sigma=lambda x: (0.5, 0.8), dim=2, domain=box)
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(-0.6, 0.8, size=(2, LANES)), rng.normal(size=(6, LANES))
    moved = x + np.array([0.1 + 0 * x[0], -x[0]]) * 0.2 + np.array([[0.5], [0.8]]) * np.sqrt(0.2) * z[:2]
    u = np.exp(-0.5 * (z[2::2] ** 2 + z[3::2] ** 2))
    exact = [
        applied(box[i], x[i], moved[i], low=-0.7, high=0.9, variance=(0.25, 0.64)[i] * 0.2, uniform=u[i])
        for i in (0, 1)
    ]
    found = one_step(euler_maruyama, process, x, z, times=[0.0, 0.2])
    np.testing.assert_allclose(found, exact, atol=1e-13)
    assert np.mean(found[0] == -0.7) > 0.02 and np.mean(found[1] == -0.7) > 0.02 and not np.any(found[1] == 0.9)
