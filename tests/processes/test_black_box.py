"""Processes of array functions: the same steps as a traced process of the same coefficients, and what is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fpsde
from fpsde.domain import LINE, Interval, Wall, probes
from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators import shards
from fpsde.noise_class import NoiseType
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, euler_maruyama, milstein, milstein_derivative_free
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.noise_types import noise_types
from fpsde.schemes.tracing import traced_step
from fpsde.symbolic import components

ADDITIVE, DIAGONAL, SCALAR, GENERAL = NoiseType.ADDITIVE, NoiseType.DIAGONAL, NoiseType.SCALAR, NoiseType.GENERAL
MATRIX = [[0.3, 0.0, 0.1], [0.2, 0.6, 0.0]]


def drift(x, t):
    return np.stack([x[1] - 0.6 * x[0], np.sin(x[0]) - x[1] + 0.3 * t])


def traced_drift(x, t):
    return x[1] - 0.6 * x[0], np.sin(x[0]) - x[1] + 0.3 * t


def matrix(x, t):
    return np.array([[0.3 * x[1], np.sin(x[0]), 0.2 + 0 * x[0]], [0.6 * x[0], 0.2 * x[1], np.cos(t + x[0])]])


#: name: (sigma as array code, the noise that is stated, sigma as it is traced)
NOISES = {
    "a number": (0.5, None, lambda x: (0.5, 0.5)),
    "a diagonal": ([0.5, 0.3], None, lambda x: (0.5, 0.3)),
    "a matrix": (MATRIX, ADDITIVE, lambda x: MATRIX),
    "a number in time": (lambda x, t: 0.5 + t, ADDITIVE, lambda x, t: (0.5 + t, 0.5 + t)),
    "a matrix in time": (
        lambda x, t: np.broadcast_to((np.array(MATRIX) * (1 + t))[:, :, None], (2, 3, x.shape[1])),
        ADDITIVE,
        lambda x, t: [[s * (1 + t) for s in row] for row in MATRIX],
    ),
    "diagonal": (
        lambda x, t: np.stack([0.4 + 0.2 * np.sin(x[0]), 0.6 * np.cos(x[1] + t)]),
        DIAGONAL,
        lambda x, t: (0.4 + 0.2 * np.sin(x[0]), 0.6 * np.cos(x[1] + t)),
    ),
    "one channel": (
        lambda x, t: np.stack([0.5 * x[1], np.cos(x[0])]),
        SCALAR,
        lambda x: ((0.5 * x[1],), (np.cos(x[0]),)),
    ),
    "the same in every component": (
        lambda x, t: 0.4 + 0.2 * np.sin(x[0] * x[1]),
        GENERAL,
        lambda x: (0.4 + 0.2 * np.sin(x[0] * x[1]),) * 2,
    ),
    "general": (matrix, GENERAL, lambda x, t: matrix(x, t).tolist()),
}
#: What a black box cannot know of the noise that it states: more than its class says.
UNSEEN = {"the same in every component": set(), "general": set()}


def pair(name, **more):
    sigma, noise, traced = NOISES[name]
    box = BlackBox(drift=drift, sigma=sigma, dim=2, noise=noise, **more)
    return box, Process(drift=traced_drift, sigma=traced, dim=2, **more)


@pytest.mark.parametrize("name", NOISES)
def test_every_scheme_that_runs_on_it_is_that_of_the_traced_process(name, seed):
    """Milstein too, on additive noise: there it takes no derivative."""
    box, process = pair(name)
    assert (box.channels, noise_types(box)) == (process.channels, noise_types(process))
    rng = np.random.default_rng(seed)
    ran = set()
    for scheme in SCHEMES.values():
        try:
            step = ArrayStep(scheme, box)
        except Unsuited:
            continue
        traced = ArrayStep(scheme, process)
        assert (step.rows, step.normals) == (traced.rows, traced.normals)
        state, z = rng.normal(size=(step.state_rows, 40)), rng.normal(size=(step.normals, 40))
        found = step.advance(state, z, 0.3, 0.1)
        np.testing.assert_allclose(
            found, traced.advance(state, z, 0.3, 0.1), rtol=1e-12, atol=1e-13, err_msg=scheme.name
        )
        ran.add(scheme.name)
    assert {"euler_maruyama", "platen_weak2", "ri1", "tamed_euler"} <= ran
    assert ("milstein" in ran) == (ADDITIVE in noise_types(box))
    assert ("sriw1" in ran) == bool({DIAGONAL, SCALAR} & noise_types(box))
    assert ("sra3" in ran) == ("leimkuhler_matthews" in ran) == (ADDITIVE in noise_types(box))


WALLS = {
    "unequal": (
        Interval(-0.5, 1.0, Wall.REFLECTING, Wall.ABSORBING),
        Interval(-1.0, 1.0, Wall.PERIODIC, Wall.PERIODIC),
    ),
    "oblique": (Interval(low=-0.2, low_wall=Wall.REFLECTING), LINE),
    "absorbing": (LINE, Interval(low=-0.2, low_wall=Wall.ABSORBING)),
}


@pytest.mark.parametrize(
    ("walls", "name"), [("unequal", "diagonal"), ("oblique", "a matrix"), ("absorbing", "general")]
)
def test_it_has_the_walls_of_the_traced_process(walls, name, seed):
    box, process = pair(name, domain=WALLS[walls])
    rng = np.random.default_rng(seed)
    step, traced = ArrayStep(euler_maruyama, box), ArrayStep(euler_maruyama, process)
    free = ArrayStep(euler_maruyama, pair(name)[0])
    state, z = rng.uniform(-0.2, 0.9, size=(2, 400)), rng.normal(size=(step.normals, 400))
    found = step.advance(state, z, 0.0, 0.3)
    np.testing.assert_allclose(found, traced.advance(state, z, 0.0, 0.3), rtol=1e-12, atol=1e-13)
    assert np.mean(np.any(found != free.advance(state, z[: free.normals], 0.0, 0.3), axis=0)) > 0.1


def test_one_dimension_is_an_array_of_one_row(seed):
    box = BlackBox(drift=lambda x, t: -x, sigma=lambda x, t: 1 + x[0] ** 2, dim=1, noise=SCALAR)
    process = Process(drift=lambda x: -x, sigma=lambda x: 1 + x**2)
    assert noise_types(box) == noise_types(process) == {SCALAR, DIAGONAL, NoiseType.COMMUTATIVE, GENERAL}
    state, z = np.random.default_rng(seed).normal(size=(2, 1, 30))
    step, traced = (ArrayStep(milstein_derivative_free, each) for each in (box, process))
    np.testing.assert_allclose(step.advance(state, z, 0.0, 0.1), traced.advance(state, z, 0.0, 0.1), rtol=1e-13)


def test_observers_see_its_particles_and_no_padding(seed):
    box = BlackBox(drift=drift, sigma=0.5, dim=2)
    counts, plane = fpsde.Histogram(-1.0, 1.0, 8), fpsde.JointHistogram((-1.0, -1.0), (1.0, 1.0), (4, 4))
    run = fpsde.simulate(
        box, euler_maruyama, x0=0.1, t_end=1.0, dt=0.25, n_particles=700, seed=seed,
        observers=[fpsde.Moments(), counts, plane],
    )  # fmt: skip
    np.testing.assert_allclose(run.moments[0].mean, run.x.mean(axis=1), rtol=1e-12)
    (found,) = run.result(counts)
    np.testing.assert_array_equal(found.counts, [np.histogram(x, bins=8, range=(-1, 1))[0] for x in run.x])
    np.testing.assert_array_equal(found.below + found.above, 700 - found.counts.sum(axis=1))
    (pairs,) = run.result(plane)
    assert pairs.counts.sum() + pairs.outside == 700


def test_a_run_on_an_uneven_grid_is_that_of_the_traced_process(seed, monkeypatch):
    monkeypatch.setattr(shards, "SEGMENT", 3)  # of its four steps
    box = BlackBox(drift=drift, sigma=MATRIX, dim=2)
    process = Process(drift=traced_drift, sigma=lambda x: MATRIX, dim=2)
    grid = np.array([0.5, 0.6, 1.0, 1.3, 2.5])
    runs = [
        fpsde.simulate(one, euler_maruyama, x0=(0.1, -0.3), times=grid, n_particles=700, seed=seed)
        for one in (box, process)
    ]
    np.testing.assert_allclose(runs[0].x, runs[1].x, rtol=1e-12, atol=1e-13)


def test_two_threads_at_different_times_read_the_tables_of_their_own():
    """Each waits in the denoiser until the other has read its tables too."""
    both, apart = threading.Barrier(2), []

    def denoiser(x, level):
        if apart:
            both.wait(timeout=10)
        return np.tanh(x) / (1 + level)

    step = ArrayStep(fpsde.ancestral(), fpsde.denoising_box(denoiser, fpsde.linear_schedule(8), dim=1))
    state, z, times = np.linspace(-1, 1, 6)[None], np.full((step.normals, 6), 0.3), (1.0, 5.0)
    alone = [step.advance(state, z, t, 1.0) for t in times]
    apart.append(True)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda t: step.advance(state, z, t, 1.0), times))
    np.testing.assert_array_equal(found, alone)
    assert not np.array_equal(*alone)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_take_parameters_of_each_particle_in_the_type_of_the_state(dtype, seed):
    """A number and an array, in every function that a scheme reads; and the traced process of the same numbers."""
    seen = []

    def drift(x, t, p):
        seen.append((p.k.shape, p.a.shape, p.k.dtype, p.a.dtype))
        return np.stack([p.a[0] * x[1] - p.k * x[0], np.sin(x[0]) - p.a[1] * x[1] + 0.3 * t])

    params = {"k": 0.6, "a": np.array([0.9, 1.1])}
    box = BlackBox(drift=drift, sigma=lambda x, t, p: p.k + 0.1 * np.cos(x), dim=2, noise=DIAGONAL, params=params)
    process = Process(
        drift=lambda x, t, p: (p.a[0] * x[1] - p.k * x[0], np.sin(x[0]) - p.a[1] * x[1] + 0.3 * t),
        sigma=lambda x, p: (p.k + 0.1 * np.cos(x[0]), p.k + 0.1 * np.cos(x[1])), dim=2, params=params,
    )  # fmt: skip
    state = np.random.default_rng(seed).normal(size=(2, 50)).astype(dtype)
    here, there = (ArrayStep(euler_maruyama, one).advance(state, state[::-1], 0.5, 0.1) for one in (box, process))
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-14 if dtype == "float64" else 1e-6)
    seen.clear()
    given = dict(x0=(0.1, 0.2), t_end=0.5, dt=0.125, n_particles=700, seed=seed, dtype=dtype)
    found = fpsde.simulate(box, euler_maruyama, **given).x
    in_run = [one for one in seen if one[0][0] >= 512]  # others try the step out, and look which noise it has
    kind = np.dtype(dtype)
    assert in_run and all(one == (one[0], (2, *one[0]), kind, kind) for one in in_run)
    other = box.with_params(k=0.7)
    assert not np.array_equal(fpsde.simulate(other, euler_maruyama, **given).x, found)
    with pytest.raises(InvalidInput, match="unknown parameter of black_box 'kk'"):
        box.with_params(kk=1.0)


def test_a_model_with_other_numbers_forgets_what_it_evaluated_and_leaves_the_first_as_it_was():
    params = {"k": 0.6, "a": np.array([0.9, 1.1])}
    box = BlackBox(
        drift=lambda x, t, p: np.stack([p.a[0] * x[1], -p.k * x[0]]), sigma=0.5, dim=2, params=params
    )  # fmt: skip
    model, x = ArrayStep(euler_maruyama, box).model, components([np.array([1.0, 2.0]), np.array([3.0, 5.0])])
    expected = {(0.6, 0.9): [[2.7, 4.5], [-0.6, -1.2]], (0.2, 0.4): [[1.2, 2.0], [-0.2, -0.4]]}
    other = model.with_numbers(np.array([0.2, 0.4, 0.7]))
    for one, (k, a) in (
        (model, (0.6, 0.9)),
        (other, (0.2, 0.4)),
        (other.with_numbers(np.array([0.6, 0.9, 0])), (0.6, 0.9)),
        (model, (0.6, 0.9)),
    ):
        np.testing.assert_allclose([np.asarray(row) for row in one.drift(x, 0.0)], expected[k, a], rtol=1e-14)
        assert (one.p.k, one.p.a[0]) == (k, a)


def test_a_network_of_a_thousand_components_runs(seed):
    rng = np.random.default_rng(seed)
    d, n = 1000, 64
    first, second = rng.normal(size=(32, d)) / np.sqrt(d), rng.normal(size=(d, 32)) / 6
    box = BlackBox(
        drift=lambda x, t: second @ np.tanh(first @ x + t),
        sigma=0.3,
        dim=d,
        domain=Interval(-3.0, 3.0, Wall.REFLECTING, Wall.REFLECTING),
    )
    step = ArrayStep(euler_maruyama, box)
    x, z = rng.uniform(-3, 3, size=(d, n)), rng.normal(size=(d, n))
    moved = x + (second @ np.tanh(first @ x + 0.5)) * 0.01 + 0.03 * z
    expected = np.where(moved > 3, 6 - moved, np.where(moved < -3, -6 - moved, moved))
    np.testing.assert_allclose(step.advance(x, z, 0.5, 0.01), expected, rtol=1e-12, atol=1e-12)


def test_the_functions_are_called_once_for_each_stage():
    """The three channels of a stage are columns of one sigma; tamed Euler and Platen's scheme read drift as stated."""
    calls = {"drift": 0, "sigma": 0}

    def counted(name, function):
        def f(x, t):
            calls[name] += 1
            return function(x, t)

        return f

    box = BlackBox(drift=counted("drift", drift), sigma=counted("sigma", matrix), dim=2, noise=GENERAL)
    for name, drifts, sigmas in (("euler_maruyama", 1, 1), ("platen_weak2", 2, 1 + 2 * 3 + 2 * 3 * 2)):
        step = ArrayStep(SCHEMES[name], box)
        calls |= {"drift": 0, "sigma": 0}
        step.advance(np.ones((2, 5)), np.ones((step.normals, 5)), 0.0, 0.1)
        assert (calls["drift"], calls["sigma"]) == (drifts, sigmas)


def test_it_may_write_into_what_it_is_given():
    def greedy(x, t):
        x *= -1
        return x

    box = BlackBox(drift=greedy, sigma=1.0, dim=2)
    state = np.ones((2, 4))
    np.testing.assert_array_equal(ArrayStep(euler_maruyama, box).advance(state, np.zeros((2, 4)), 0.0, 0.5), 0.5)
    np.testing.assert_array_equal(state, 1.0)


def test_an_energy_is_read_where_it_is_stated():
    box = BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=2, energy=lambda x, t: 0.5 * np.sum(x**2, axis=0))
    model = ArrayStep(euler_maruyama, box).model
    np.testing.assert_array_equal(model.energy([np.array([3.0, 1.0]), np.array([4.0, 0.0])], 0.0), [12.5, 0.5])
    bare = ArrayStep(euler_maruyama, BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=2)).model
    with pytest.raises(Unsuited, match=r"black_box states no energy.*give BlackBox\(\.\.\., energy=\.\.\.\)"):
        bare.energy([np.zeros(2)], 0.0)


def test_mala_samples_an_energy_that_is_stated(seed):
    """Its drift only proposes; temperature is a parameter that the scheme reads."""
    more = {"dim": 2, "params": {"temperature": 0.7}}
    sigma = np.sqrt(1.4)
    box = BlackBox(drift=lambda x, t: -x, sigma=sigma, energy=lambda x, t: 0.5 * np.sum(x**2, axis=0), **more)
    process = Process(
        drift=lambda x: (-x[0], -x[1]),
        sigma=lambda x: (sigma, sigma),
        energy=lambda x: 0.5 * (x[0] ** 2 + x[1] ** 2),
        **more,
    )
    steps = [ArrayStep(SCHEMES["mala"], each) for each in (box, process)]
    rng = np.random.default_rng(seed)
    state, z = rng.normal(size=(3, 300)), rng.normal(size=(4, 300))
    found, traced = (step.advance(state, z, 0.0, 0.5) for step in steps)
    np.testing.assert_allclose(found, traced, rtol=1e-12, atol=1e-13)
    assert 0.1 < np.mean(found[0] == state[0]) < 0.9  # some are rejected


# --- refusals


@pytest.mark.parametrize(
    "name", ["implicit_euler", "split_step_backward_euler", "baoab", "exact_sampling", "ddpm_step", "mala"]
)
def test_what_needs_formulas_is_refused_and_says_why(name):
    with pytest.raises(
        Unsuited, match=r"black_box (is a black box of array functions|states no|has not one number temperature)"
    ):
        ArrayStep(SCHEMES[name], pair("a diagonal")[0])


@pytest.mark.parametrize("scheme", ["milstein", "heun", "euler_heun"])
@pytest.mark.parametrize("noise", ["diagonal", "one channel"])
def test_derivatives_of_the_noise_are_refused(scheme, noise):
    with pytest.raises(Unsuited, match=r"without formulas or derivatives; .* such as euler_maruyama"):
        ArrayStep(SCHEMES[scheme], pair(noise)[0])


def test_it_has_no_kernel():
    with pytest.raises(Unsuited, match="black_box is a black box"):
        traced_step(euler_maruyama, pair("a number")[0])
    for text in (pair("a number")[0].kernel_source, lambda scheme: scheme.kernel_source(pair("a number")[0])):
        with pytest.raises(
            Unsuited, match=r"black_box is a black box of array functions: it has no kernel, and runs as"
        ):
            text(euler_maruyama)


def test_commutative_noise_is_not_known_of_a_general_one():
    with pytest.raises(Unsuited, match="milstein takes commutative noise; that of black_box is general"):
        ArrayStep(milstein, pair("general")[0])


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.ABSORBING])
def test_at_a_reflecting_wall_the_correlations_must_be_known(wall):
    box, _ = pair("general", domain=(Interval(low=0.0, low_wall=wall), LINE))
    if wall is Wall.ABSORBING:
        ArrayStep(euler_maruyama, box)
        return
    with pytest.raises(Unsuited, match=r"component 0 of black_box .* cannot be seen in a function sigma"):
        ArrayStep(euler_maruyama, box)


def stated(**changes):
    return BlackBox(**{"drift": lambda x, t: -x, "sigma": 0.5, "dim": 2} | changes)


def calls():
    """Return a function whose values change from call to call."""
    count = iter(range(1, 100))
    return lambda x, t: x * next(count)


BAD = {
    "dim": ({"dim": 0}, "dim=0 must be at least 1"),
    "domain": ({"domain": (LINE,)}, "for dim=2; give an Interval, or a tuple of one for each component"),
    "drift of x alone": ({"drift": lambda x: -x}, r"<lambda> takes \['x'\]; drift takes \(x, t\)"),
    "drift of a network": ({"drift": lambda x, t, net: -x}, r"takes \['x', 't', 'net'\]; drift takes \(x, t\)"),
    "drift of no time": ({"drift": lambda x, p: -p.k * x}, r"takes \['x', 'p'\]; drift takes \(x, t\), or \(x, t, p\)"),
    "drift of no parameters": ({"drift": lambda x, t, p: -p.k * x}, r"p\.k is read, and there are no parameters"),
    "an unknown parameter": (
        {"drift": lambda x, t, p: -p.rates * x, "params": {"rate": 1.0}},
        "unknown parameter 'rates': did you mean 'rate'",
    ),
    "sigma of x alone": ({"sigma": lambda x: x, "noise": DIAGONAL}, r"takes \['x'\]; sigma takes \(x, t\)"),
    "drift a number": ({"drift": 1.0}, "drift=1.0 is not a function"),
    "energy a number": ({"energy": 1.0}, "energy=1.0 is not a function"),
    "drift of a wrong shape": ({"drift": lambda x, t: x[0]}, r"drift of black_box returned shape \(4,\) for x of"),
    "drift transposed": ({"drift": lambda x, t: x.T}, r"drift of black_box returned shape \(4, 2\) for x"),
    "drift a tuple of unequal things": ({"drift": lambda x, t: (x[0], 1.0)}, "returned no array of numbers"),
    "drift complex": ({"drift": lambda x, t: 1j * x}, "drift of black_box returned dtype complex128; real numbers"),
    "drift of objects": ({"drift": lambda x, t: x.astype(object)}, "returned dtype object; real numbers"),
    "drift NaN": ({"drift": lambda x, t: np.log(x - 5)}, "drift of black_box has 8 of 8 values that are NaN"),
    "drift at random": ({"drift": calls()}, "drift of black_box gave two results when called twice"),
    "sigma of a wrong shape": ({"sigma": [0.1, 0.2, 0.3]}, r"\(3,\) for dim=2; a number, \(2,\) or \(2, m\)"),
    "sigma infinite": ({"sigma": [0.1, np.inf]}, "sigma has 1 of 2 values that are NaN or infinite"),
    "sigma infinite at a point": ({"sigma": lambda x, t: x / 0, "noise": DIAGONAL}, "sigma of black_box has 8 of 8"),
    "sigma in three dimensions": ({"sigma": np.ones((2, 2, 5))}, r"sigma has shape \(2, 2, 5\)"),
    "sigma transposed": ({"sigma": lambda x, t: x.T, "noise": GENERAL}, r"shape \(4, 2\) .* \(d, m, n\) for a matrix"),
    "sigma at random": ({"sigma": calls(), "noise": DIAGONAL}, "sigma of black_box gave two results when called twice"),
    "noise not stated": ({"sigma": lambda x, t: 1.0}, "noise=None for black_box; what kind of noise a function"),
    "noise a text": ({"sigma": lambda x, t: 1.0, "noise": "additive"}, "noise=additive for black_box; what kind"),
    "noise commutative": ({"sigma": lambda x, t: 1.0, "noise": NoiseType.COMMUTATIVE}, r"stated: NoiseType\.ADD"),
    "an array not additive": ({"noise": GENERAL}, "array sigma of black_box, which is additive; leave"),
    "additive it is not": ({"sigma": lambda x, t: x, "noise": ADDITIVE}, "additive noise is free of x"),
    "diagonal it is not": (
        {"sigma": lambda x, t: x[[1, 0]], "noise": DIAGONAL},
        r"sigma of component 0 changes with other components; .* state NoiseType\.GENERAL",
    ),
    "diagonal by a matrix": ({"sigma": lambda x, t: np.ones((2, 2, 4)), "noise": DIAGONAL}, "give its diagonal"),
    "scalar with two channels": (
        {"sigma": lambda x, t: np.ones((2, 2, 4)), "noise": SCALAR},
        "whose sigma has 2 channels; scalar noise has one",
    ),
    "scalar by one number": ({"sigma": lambda x, t: x[0], "noise": SCALAR}, r"scalar noise needs its column \(d, n\)"),
    "energy": ({"energy": lambda x, t: x}, r"energy of black_box returned shape \(2, 4\) .* \(4,\) is needed"),
    "params": ({"params": [1.0]}, r"params=\[1\.0\]; give a dictionary"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_statement_is_refused(name):
    changes, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        stated(**changes)


def test_noise_that_meets_one_far_component_is_seen():
    """The mixtures of points tell any two components apart: sigma of one may read any other."""
    for i, j in ((0, 1), (12, 3), (7, 15), (19, 16)):
        with pytest.raises(InvalidInput, match=f"sigma of component {i} changes"):

            def meeting(x, t, i=i, j=j):
                sigma = 1 + 0 * x
                sigma[i] += x[j]
                return sigma

            BlackBox(drift=lambda x, t: -x, sigma=meeting, dim=20, noise=DIAGONAL)


@pytest.mark.parametrize("d", range(2, 10))
def test_one_number_for_each_component_is_not_one_for_each_particle(d):
    with pytest.raises(InvalidInput, match=rf"sigma of black_box returned shape \({d},\) for x of shape \({d}, \d\)"):
        BlackBox(drift=lambda x, t: -x, sigma=lambda x, t: np.full(d, 0.5), dim=d, noise=ADDITIVE)


def test_a_shape_that_changes_on_the_way_is_refused():
    box = BlackBox(
        drift=lambda x, t: -x if t < 1 else x[0], sigma=lambda x, t: 1 + x**2 if t < 2 else x.T, dim=2, noise=DIAGONAL
    )
    step = ArrayStep(euler_maruyama, box)
    with pytest.raises(InvalidInput, match=r"drift of black_box returned shape \(9,\) for x of shape \(2, 9\)"):
        step.advance(np.ones((2, 9)), np.ones((2, 9)), 1.0, 0.1)
    box = BlackBox(drift=lambda x, t: -x, sigma=lambda x, t: 1 + x**2 if t < 2 else np.ones(7), dim=2, noise=DIAGONAL)
    with pytest.raises(InvalidInput, match=r"sigma of black_box returned shape \(7,\) for x of shape \(2, 9\)"):
        ArrayStep(euler_maruyama, box).advance(np.ones((2, 9)), np.ones((2, 9)), 2.0, 0.1)


def test_points_to_try_are_inside_and_unequal():
    intervals = [LINE, Interval(0.0, 1e-3), Interval(low=5.0), Interval(high=-5.0), LINE]
    first, second = probes(intervals)
    for points in (first, second):
        assert all(i.low < x < i.high for i, x in zip(intervals, points, strict=True))
        assert len(set(points)) == 5
    assert np.all(first != second)


def test_it_is_public():
    assert fpsde.BlackBox is BlackBox and fpsde.NoiseType is NoiseType
