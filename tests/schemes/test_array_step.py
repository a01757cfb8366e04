"""A step as array code is the step that kernels print: every scheme, walls, auxiliary state, what is tracked."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES
from bare_processes import between, ou, two_dimensional

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators.compiled import step_source
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.printing import NUMPY_NAMES
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, ddpm_step, euler_maruyama, heun, leimkuhler_matthews, milstein, splitting
from fpsde.schemes.advance import Advance
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.inputs import DW
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.schemes.tracing import constant_rows, traced_step
from fpsde.schemes.tracked import Tracked

T, DT = 0.2, 0.125

#: From general noise to special structure: the first one that a scheme takes is its own.
PROCESSES = (
    two_dimensional(),
    Process(
        drift=lambda x, t: (x[1] - x[0], np.sin(t) - x[1]),
        sigma=lambda x, p: (0.4 * p.a[0] + 0.2 * np.sin(x[0]), p.a[1] * np.cos(x[1])),
        dim=2,
        params={"a": [0.9, 0.6]},
    ),
    Process(
        drift=lambda x, p: (-x[0], -2 * x[1]),
        sigma=lambda x, p: (np.sqrt(2 * p.temperature), np.sqrt(2 * p.temperature)),
        dim=2,
        params={"temperature": 0.7},
        energy=lambda x: 0.5 * x[0] ** 2 + x[1] ** 2,
    ),
    Process(drift=lambda x: (x[1], -np.sin(x[0]) - 0.7 * x[1]), sigma=lambda x: ((0.0,), (0.8,)), dim=2),
    Process(
        drift=lambda x: (-x[0], -x[1]),
        sigma=lambda x: (1.0, 1.0),
        dim=2,
        sample=lambda x, t, dt, z, p: tuple(
            np.exp(-dt) * y + np.sqrt(0.5 - 0.5 * np.exp(-2 * dt)) * w for y, w in zip(x, z, strict=True)
        ),
    ),
    Process(drift=lambda x, t: -0.5 * (1 + t) * x, sigma=lambda x, t: np.sqrt(1 + t), rate=lambda t: 1 + t),
)
TRACKED = (
    Tracked("work", lambda value, before, after, t, dt, p: value + (before[0] + 0.5 * after[-1]) * dt * np.exp(-t)),
    Tracked("first", lambda value, before, after, t, dt, p: np.where((value < 0) & (after[0] > 0.3), t + dt, value)),
)


def own_process(scheme):
    for process in PROCESSES:
        try:
            traced_step(scheme, process)
        except InvalidInput:
            continue
        return process
    raise AssertionError(f"no process for {scheme.name}")


def a_state(step, process, seed):
    """Return a state and normals of LANES particles, inside of the domain where it has ends."""
    rng = np.random.default_rng(seed)
    state, z = rng.normal(size=(len(step.state), LANES)), rng.normal(size=(len(step.normals), LANES))
    for i, interval in enumerate(process.intervals):
        if interval.walled:
            low, high = (end if np.isfinite(end) else 0.0 for end in (interval.low, interval.high))
            state[i] = rng.uniform(low, high, size=LANES) if low < high else low + rng.exponential(size=LANES)
            state[i, :20], state[i, 20:30] = (interval.low, high) if np.isfinite(interval.low) else (high, high)
    if step.flagged:
        state[-1] = np.arange(LANES) % 2
    return state, z


def text_under_numpy(step, process, state, z):
    """Return the state after the step by the text of the kernel, run by NumPy."""
    values = dict(zip((s.name for s in step.state), state, strict=True))
    values |= dict(zip((s.name for s in step.normals), z, strict=True))
    row = constant_rows(process, np.array([T, T + DT]))[0]
    values |= dict(zip((s.name for s in step.constants), row.tolist(), strict=True))
    with np.errstate(all="ignore"):
        exec("\n".join(body_lines(step)), dict(NUMPY_NAMES), values)
    return np.stack([np.broadcast_to(values[f"next{i}"], (LANES,)) for i in range(len(step.outputs))])


def agree(found, expected, *, most_ties=0):
    """Assert equality to round-off, but for ``most_ties`` particles that stand on an edge of a condition."""
    off = ~np.isclose(found, expected, rtol=1e-12, atol=1e-13, equal_nan=True).all(axis=0)
    assert np.count_nonzero(off) <= most_ties, (found[:, off], expected[:, off])


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("tracked", [(), TRACKED], ids=["plain", "tracked"])
def test_every_scheme_as_array_code_is_the_text_of_its_kernel(name, tracked, seed):
    scheme = SCHEMES[name]
    process = own_process(scheme)
    step, arrays = traced_step(scheme, process, tracked), ArrayStep(scheme, process, tracked)
    state, z = a_state(step, process, seed)
    expected = text_under_numpy(step, process, state, z)
    agree(arrays.advance(state, z, T, T + DT - T), expected)
    assert not np.allclose(arrays.advance(state, 1.01 * z, T, DT), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCHEMES)
def test_state_and_noise_have_the_rows_of_the_kernel(name):
    scheme = SCHEMES[name]
    process = own_process(scheme)
    step, arrays = traced_step(scheme, process, TRACKED), ArrayStep(scheme, process, TRACKED)
    assert (arrays.state_rows, arrays.normals) == (len(step.state), len(step.normals))
    assert arrays.rows[process.dim :] == tuple(s.name for s in step.state[process.dim :])
    same = ("dim", "observed", "tracked", "flagged", "inputs")
    assert [getattr(arrays, one) for one in same] == [getattr(step, one) for one in same]
    np.testing.assert_array_equal(arrays.coarsening(1), step.coarsening(1))


WALLS = {
    "reflecting": (between(Wall.REFLECTING), between(Wall.REFLECTING, low=-2.0)),
    "absorbing": (between(Wall.ABSORBING), between(Wall.ABSORBING, Wall.REFLECTING)),
    "periodic and open": (between(Wall.PERIODIC), LINE),
    "one wall": (Interval(low=0.2, low_wall=Wall.REFLECTING), Interval(high=0.3, high_wall=Wall.ABSORBING)),
}


@pytest.mark.slow
@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("scheme", [euler_maruyama, milstein], ids=lambda scheme: scheme.name)
def test_at_walls_too_and_by_the_compiled_kernel(walls, scheme, seed):
    process = Process(
        drift=lambda x, t: (x[1], np.cos(t) - x[0]),
        sigma=lambda x: (0.6 + 0.3 * np.sin(x[0]), 0.8 + 0.1 * np.cos(x[1])),
        dim=2,
        domain=WALLS[walls],
    )
    step, arrays = traced_step(scheme, process, TRACKED), ArrayStep(scheme, process, TRACKED)
    state, z = a_state(step, process, seed)
    found = arrays.advance(state, z, T, T + DT - T)
    agree(found, text_under_numpy(step, process, state, z))
    kernel = compiled("step", step_source(step, "float64", Normals.FLOAT64)).step
    w = state.ravel().copy()
    kernel(w, z, constant_rows(process, np.array([T, T + DT]))[0])
    # a uniform or a position may differ in its last bit, and stand on the other side of an edge
    agree(found, w.reshape(state.shape), most_ties=1)
    free = ArrayStep(scheme, Process(drift=process.drift, sigma=process.sigma, dim=2), TRACKED)
    assert np.mean(np.any(free.advance(state, z[: free.normals], T, DT) != found, axis=0)) > 0.1


def test_correlated_noise_at_a_reflecting_wall(seed):
    process = Process(
        drift=lambda x, t: (x[1], np.cos(t) - x[0]),
        sigma=lambda x, t: ((0.5 * (1 + x[0] ** 2), 0.0), (0.3 * (1 + x[0] ** 2) * np.exp(-t), 0.4)),
        dim=2,
        domain=(Interval(low=0.2, low_wall=Wall.REFLECTING), LINE),
    )
    step, arrays = traced_step(euler_maruyama, process), ArrayStep(euler_maruyama, process)
    state, z = a_state(step, process, seed)
    agree(arrays.advance(state, z, T, T + DT - T), text_under_numpy(step, process, state, z))


def test_one_value_for_each_particle_meets_components_with_as_many_particles_as_components(seed):
    """Arrays of particles are no arrays of components, even where there are two of both."""
    scheme = Scheme(
        name="mixed",
        equation="",
        step=lambda model, x, t, dt, noise, aux: Advance(
            np.where(aux["s"] > 0, x, np.sum(x) * x) + aux["s"] * noise.dw, aux={"s": np.sum(x) - aux["s"]}
        ),
        inputs=(DW,),
        convention="Itô",
        strong=None,
        weak=Orders(None, None, None),
        wall_order=None,
        conditions="",
        evaluations=0,
        source="",
        scalars=("s",),
    )
    process = PROCESSES[1]
    rng = np.random.default_rng(seed)
    state, z = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    found = ArrayStep(scheme, process).advance(state, z, 0.0, 0.25)
    x, s = state[:2], state[2]
    np.testing.assert_allclose(found[:2], np.where(s > 0, x, x.sum(axis=0) * x) + s * 0.5 * z, rtol=1e-14)
    np.testing.assert_allclose(found[2], x.sum(axis=0) - s, rtol=1e-14)


def test_a_step_reads_the_tables_of_its_unit_of_time():
    process = Process(
        drift=lambda x, p: p.b * x,
        sigma=lambda x: 1.0,
        tables={"b": [0.5, 2.0, 3.0]},
        rate=lambda t, p: p.b / 10,
    )
    seen = Tracked("seen", lambda value, before, after, t, dt, p: p.b)
    arrays = ArrayStep(euler_maruyama, process, [seen])
    state, z = np.array([[1.0, 2.0], [0.0, 0.0]]), np.zeros((1, 2))
    np.testing.assert_array_equal(arrays.advance(state, z, 1.0, 1.0), [[3.0, 6.0], [2.0, 2.0]])
    np.testing.assert_array_equal(arrays.advance(state, z, 2.0, 1.0), [[4.0, 8.0], [3.0, 3.0]])
    noising = ArrayStep(ddpm_step, process).advance(state[:1], z, 2.0, 1.0)
    np.testing.assert_allclose(noising, np.sqrt(0.7) * state[:1], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_state_keeps_its_type(dtype, seed):
    arrays = ArrayStep(euler_maruyama, ou(domain=between(Wall.ABSORBING)))
    z = np.random.default_rng(seed).normal(size=(3, 400)).astype(np.float32)
    found = arrays.advance(np.zeros((1, 400), dtype), z, 0.0, 2.0)
    assert found.dtype == dtype
    assert set(found[0][(found[0] <= dtype(-0.7)) | (found[0] >= dtype(0.9))]) == {dtype(-0.7), dtype(0.9)}


def test_normals_are_taken_in_the_type_of_the_state(seed):
    arrays, z = ArrayStep(euler_maruyama, ou()), np.random.default_rng(seed).normal(size=(1, 40)).astype(np.float32)
    state = np.zeros((1, 40))
    found = arrays.advance(state, z, 0.0, 0.1)
    np.testing.assert_array_equal(found, arrays.advance(state, z.astype(float), 0.0, 0.1))
    assert np.any(found != found.astype(np.float32))


def test_what_is_not_finite_passes_through_in_silence():
    process = Process(drift=lambda x: np.log(x), sigma=lambda x: 1.0)
    found = ArrayStep(euler_maruyama, process).advance(np.array([[-1.0, 0.0, 1.0]]), np.zeros((1, 3)), 0.0, 1.0)
    assert np.isnan(found[0, 0]) and found[0, 1] == -np.inf and found[0, 2] == 1.0


def test_a_particle_that_is_absorbed_is_held_in_all_of_its_state(seed):
    """In the plane, with auxiliary state: not even what observers see moves any more."""
    box = (between(Wall.ABSORBING), LINE)
    walled = Scheme(**{**vars(leimkuhler_matthews), "wall_order": 1.0})
    process = Process(drift=lambda x: (0.3, -x[1]), sigma=lambda x: (0.5, 0.8), dim=2, domain=box)
    arrays = ArrayStep(walled, process)
    assert arrays.rows == ("x0", "x1", "aux_place0", "aux_place1", "seen0", "seen1")
    rng = np.random.default_rng(seed)
    state = np.zeros((6, 300))
    state[1] = rng.normal(size=300)
    absorbed = np.zeros(300, dtype=bool)
    for _ in range(8):
        before, state = state, arrays.advance(state, rng.normal(size=(4, 300)), 0.0, 0.2)
        np.testing.assert_array_equal(state[:4, absorbed], before[:4, absorbed])
        np.testing.assert_array_equal(state[4:, absorbed], before[2:4, absorbed])
        assert np.all(state[1, ~absorbed] != before[1, ~absorbed])
        absorbed = (state[0] <= -0.7) | (state[0] >= 0.9)
    assert 100 < np.count_nonzero(absorbed) < 300


def test_on_a_circle_observers_see_places_of_the_circle(seed):
    """Leimkuhler-Matthews is seen half an increment away from where it is, which may be across the seam."""
    step = ArrayStep(leimkuhler_matthews, ou(domain=between(Wall.PERIODIC)))
    rng = np.random.default_rng(seed)
    state, z = np.zeros((3, 400)), rng.normal(size=(1, 400))
    state[0] = rng.uniform(-0.7, 0.9, size=400)
    place = state[0] + 0.35 * 0.5 * z[0]
    assert 10 < np.count_nonzero((place < -0.7) | (place >= 0.9)) < 200
    found = step.advance(state, z, 0.0, 0.25)
    np.testing.assert_allclose(found[2], np.mod(place + 0.7, 1.6) - 0.7, atol=1e-14)
    np.testing.assert_allclose(found[1], place, atol=1e-14)  # the step goes on from where it was


@pytest.mark.parametrize(
    ("scheme", "process"),
    [
        (milstein, two_dimensional()),
        (splitting("BAOAB"), ou()),
        (heun, ou(domain=between(Wall.REFLECTING))),
        (ddpm_step, ou()),
    ],
)
def test_what_tracing_refuses_is_refused(scheme, process):
    for step in (traced_step, ArrayStep):
        with pytest.raises(Unsuited):
            step(scheme, process)
