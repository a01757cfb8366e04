"""A process as a user states it: what is derived from the statement, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes.process import Exact, Process
from fpsde.processes.statement import ITO, KINETIC, STRATONOVICH

POINTS = np.linspace(-1.5, 1.5, 13)


def plane(interpretation=ITO):
    """A process in two dimensions with three channels and no symmetry."""
    return Process(
        drift=lambda x, t, p: (p.a * x[1] + t, -np.sin(x[0])),
        sigma=lambda x: ((1 + 0.3 * x[1] ** 2, 0.2 * x[0], 0.1), (np.cos(x[0]), 0.5 * x[0] * x[1], 0.4 * x[1])),
        dim=2,
        params={"a": 0.7},
        interpretation=interpretation,
    )


def sigma_of(x):
    one = np.ones_like(x[0])
    return np.array([[1 + 0.3 * x[1] ** 2, 0.2 * x[0], 0.1 * one], [np.cos(x[0]), 0.5 * x[0] * x[1], 0.4 * x[1]]])


def gradient(f, x, h=1e-5):
    """Return d f / d x_k by central differences, with k as the last axis but one."""
    steps = np.eye(2)[:, :, None] * h
    return np.stack([(f(x + step) - f(x - step)) / (2 * h) for step in steps], axis=-2)


# --- what is derived


def test_values_are_component_first_and_what_was_stated():
    process, x = plane(), np.random.default_rng(1).normal(size=(2, 9))
    np.testing.assert_allclose(process.ito_drift(x, 0.5), [0.7 * x[1] + 0.5, -np.sin(x[0])], rtol=1e-14)
    np.testing.assert_allclose(process.noise_coefficient(x), sigma_of(x), rtol=1e-14)
    s = sigma_of(x)
    np.testing.assert_allclose(process.diffusivity(x), np.einsum("ijn,kjn->ikn", s, s) / 2, rtol=1e-13, atol=1e-15)
    assert process.channels == 3 and process.ito_drift(x[:, 0], 0.5).shape == (2,)


def test_one_dimension_takes_and_gives_the_shape_of_x():
    process = Process(drift=lambda x: -x, sigma=lambda x: 0.5)
    for x in (0.3, POINTS, POINTS[:12].reshape(3, 4), [1, 2]):
        for value in (process.ito_drift(x), process.noise_coefficient(x), process.diffusivity(x)):
            assert value.shape == np.shape(x) and value.dtype == float
    np.testing.assert_array_equal(process.diffusivity(POINTS), np.full(13, 0.125))


def test_the_ito_drift_of_a_stratonovich_process_in_the_plane():
    """Adds (1/2) sum_jk sigma_kj d_k sigma_ij."""
    x = np.random.default_rng(2).normal(size=(2, 9))
    slopes = gradient(sigma_of, x)  # (i, j, k, n)
    extra = 0.5 * np.einsum("kjn,ijkn->in", sigma_of(x), slopes)
    np.testing.assert_allclose(
        plane(STRATONOVICH).ito_drift(x, 0.5), plane().ito_drift(x, 0.5) + extra, rtol=1e-8, atol=1e-8
    )


def test_the_ito_drift_of_a_kinetic_process_in_the_plane():
    """Adds sum_j d_j D_ij: the flux is then drift p - D grad p."""
    x = np.random.default_rng(3).normal(size=(2, 9))
    diffusivity = lambda y: np.einsum("ijn,kjn->ikn", sigma_of(y), sigma_of(y)) / 2  # noqa: E731
    extra = np.einsum("ijjn->in", gradient(diffusivity, x))
    np.testing.assert_allclose(
        plane(KINETIC).ito_drift(x, 0.5), plane().ito_drift(x, 0.5) + extra, rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize(("interpretation", "share"), [(ITO, 0.0), (STRATONOVICH, 0.5), (KINETIC, 1.0)])
def test_the_readings_differ_by_shares_of_sigma_times_its_slope(interpretation, share):
    process = Process(drift=lambda x: 0.3, sigma=lambda x: 1 + 0.5 * np.sin(x), interpretation=interpretation)
    slope = (1 + 0.5 * np.sin(POINTS)) * 0.5 * np.cos(POINTS)
    np.testing.assert_allclose(process.ito_drift(POINTS), 0.3 + share * slope, rtol=1e-14)
    np.testing.assert_allclose(process.diffusivity(POINTS), (1 + 0.5 * np.sin(POINTS)) ** 2 / 2, rtol=1e-14)


def test_the_statement_is_in_symbols_of_the_parameters():
    s = plane().statement
    assert [str(v) for v in (*s.x, s.t, *s.parameters)] == ["x0", "x1", "t", "p_a"]
    assert s.drift == s.ito_drift and s.sigma.shape == (2, 3) and s.rate is None
    assert sp.simplify(s.diffusivity - s.sigma * s.sigma.T / 2) == sp.zeros(2, 2)


@pytest.mark.parametrize(
    ("sigma", "additive", "time_dependent"),
    [
        (lambda x: 1.0, True, False),
        (lambda x, t: 1 + t, True, True),
        (lambda x, t: 1 + x**2, False, False),
        (lambda x, p: p.b, True, True),
    ],
)
def test_noise_is_additive_if_sigma_does_not_depend_on_x(sigma, additive, time_dependent):
    process = Process(drift=lambda x: -x, sigma=sigma, tables={"b": [1.0, 2.0]})
    assert (process.additive, process.time_dependent) == (additive, time_dependent)
    assert (process.constant_diffusivity is None) == (time_dependent or not additive)


def test_a_constant_diffusivity_is_that_of_all_places_and_times():
    sigma = ((1.0, 0.0, 2.0), (0.5, 0.25, 0.0))
    process = Process(drift=lambda x, t: (-t * x[0], x[1]), sigma=lambda x: sigma, dim=2)
    everywhere = process.diffusivity(np.arange(6.0).reshape(2, 3), 4.0)
    assert np.array_equal(everywhere, np.repeat(process.constant_diffusivity[:, :, None], 3, axis=-1))
    endless = Process(drift=lambda x: -x, sigma=lambda x, p: p.s, params={"s": 1e200})
    with np.errstate(over="ignore"):
        assert endless.constant_diffusivity is None and endless.additive


def test_diagonal_noise_may_be_given_as_its_diagonal():
    process = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: (2.0, x[0]), dim=2)
    np.testing.assert_array_equal(
        process.noise_coefficient(np.array([[3.0], [5.0]]))[:, :, 0], [[2.0, 0.0], [0.0, 3.0]]
    )
    one = Process(drift=lambda x: 0.0, sigma=lambda x: [[1.0, x]])  # two channels in one dimension
    assert one.channels == 2 and one.diffusivity(2.0) == 2.5


# --- parameters and tables


def test_parameters_are_one_vector_in_the_order_of_their_symbols():
    process = Process(
        drift=lambda x, p: p.a * x + np.sum(p.m) + p.b,
        sigma=lambda x: 1.0,
        params={"a": 2, "m": [[1, 2], [3, 4]], "b": True},
    )
    np.testing.assert_array_equal(process.parameter_values(), [2.0, 1.0, 2.0, 3.0, 4.0, 1.0])
    assert len(process.statement.parameters) == 6 and process.ito_drift(1.0) == 13.0
    assert Process(drift=lambda x: 0.0, sigma=lambda x: 1.0).parameter_values().size == 0


def test_names_that_look_alike_are_kept_apart():
    params = {"a": [1.0, 2.0], "a_0": 10.0, "a_1": 20.0, "p_a": 100.0, "x": 1000.0, "t": 5000.0, "table_a": 7.0}
    process = Process(
        drift=lambda x, t, p: p.a[0] + p.a[1] + p.a_0 + p.a_1 + p.p_a + p.x + p.t + p.table_a,
        sigma=lambda x: 1.0,
        params=params,
    )
    assert process.ito_drift(0.0) == 6140.0
    assert len({s.name for s in process.statement.parameters}) == 8


def test_other_parameter_values_make_another_process_without_its_closed_forms():
    first = Process(
        drift=lambda x, p: -p.k * x,
        sigma=lambda x, p: p.s,
        params={"k": 1.0, "s": 2.0},
        exact=Exact(stationary=lambda: Normal(0.0, 1.0)),
    )
    second = first.with_params(k=3.0)
    assert (first.ito_drift(1.0), second.ito_drift(1.0)) == (-1.0, -3.0)
    assert second.params == {"k": 3.0, "s": 2.0} and second.exact == Exact() and second.exact != first.exact
    with pytest.raises(InvalidInput, match=r"unknown parameter of process 'K': .*known are k, s"):
        first.with_params(K=1.0)


def test_a_factory_makes_the_closed_forms_again():
    def make(k=1.0):
        return Process(
            drift=lambda x, p: -p.k * x,
            sigma=lambda x: 1.0,
            params={"k": k},
            factory=make,
            arguments={"k": k},
            exact=Exact(stationary=lambda: Normal(0.0, (2 * k) ** -0.5)),
        )

    assert make().with_params(k=8.0).exact.stationary().std == 0.25


def test_a_process_cannot_be_changed_through_what_it_was_given():
    m = np.array([1.0, 2.0])
    process = Process(drift=lambda x, p: np.sum(p.m) * x, sigma=lambda x: 1.0, params={"m": m})
    m[:] = 0.0
    assert process.ito_drift(1.0) == 3.0
    with pytest.raises(TypeError):
        process.params["m"] = 0.0


def test_tables_are_steps_of_unit_time():
    process = Process(drift=lambda x, p: p.b * x, sigma=lambda x: 1.0, tables={"b": [1.0, 2.0, 3.0]})
    assert [float(process.ito_drift(1.0, t)) for t in (0.0, 0.9, 1.0, 2.0, 2.5, 3.0)] == [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert float(process.ito_drift(1.0, 1 - 1e-12)) == 2.0  # a time that is a step up to rounding
    for t in (-0.1, 4.0):
        with pytest.raises(
            InvalidInput, match=rf"t={t} lies outside of the tables of process, which hold steps 0 to 2"
        ):
            process.ito_drift(1.0, t)


def test_a_rate_may_depend_on_time_and_parameters_alone():
    process = Process(drift=lambda x: -x, sigma=lambda x: 1.0, params={"b": 2.0}, rate=lambda t, p: p.b * t)
    assert str(process.statement.rate) == "p_b*t"


# --- refusals


def stated(**changes):
    return Process(**{"drift": lambda x: -x, "sigma": lambda x: 1.0} | changes)


BAD = {
    "dim": ({"dim": 0}, r"dim=0 must be at least 1"),
    "dim text": ({"dim": "2"}, r"dim='2' is not a whole number"),
    "interpretation": (
        {"interpretation": "Ito"},
        r"interpretation='Ito'; give fpsde\.ITO, fpsde\.STRATONOVICH or fpsde\.KINETIC",
    ),
    "params a list": ({"params": [1.0]}, r"params=\[1\.0\]; give a dictionary of names and values"),
    "tables a list": ({"tables": [1.0]}, r"tables=\[1\.0\]; give a dictionary"),
    "a name": ({"params": {"a b": 1.0}}, r"'a b' in params cannot be read as p\.name"),
    "a number as a name": ({"params": {1: 1.0}}, r"1 in params cannot be read as p\.name"),
    "NaN": ({"params": {"k": np.nan}}, r"k has 1 of 1 values that are NaN or infinite"),
    "text": ({"params": {"k": "1"}}, r"k has dtype <U1; give real numbers"),
    "nothing": ({"params": {"k": None}}, r"k has dtype object; give real numbers"),
    "complex": ({"params": {"k": 1j}}, r"k has dtype complex128"),
    "empty": ({"params": {"k": []}}, r"k is empty"),
    "ragged": ({"params": {"k": [[1], [1, 2]]}}, r"k has rows of different lengths"),
    "a table in two dimensions": ({"tables": {"b": [[1.0]]}}, r"b has shape \(1, 1\); 1 dimension"),
    "a name twice": ({"params": {"b": 1.0}, "tables": {"b": [1.0]}}, r"\['b'\] are both parameters and tables"),
    "two intervals": (
        {"domain": (Interval(), Interval())},
        r"for dim=1; give an Interval, or a tuple of one for each component",
    ),
    "a pair of numbers": ({"domain": (0.0, 1.0)}, r"domain=\(0\.0, 1\.0\) for dim=1; give an Interval"),
    "a number as a domain": ({"domain": 1.0}, r"domain=1\.0 for dim=1; give an Interval"),
    "drift in the plane": ({"dim": 2}, r"returned|subscript|tuple|cannot"),
    "drift of one component": (
        {"dim": 2, "drift": lambda x: x[0], "sigma": lambda x: (1.0, 1.0)},
        r"returned shape \(\); \(2,\) is needed .*component first",
    ),
    "drift of three": (
        {"dim": 2, "drift": lambda x: (x[0],) * 3, "sigma": lambda x: (1.0, 1.0)},
        r"returned shape \(3,\); \(2,\) is needed",
    ),
    "sigma of three": (
        {"dim": 2, "drift": lambda x: x, "sigma": lambda x: (1.0, 1.0, 1.0)},
        r"sigma returned shape \(3,\); \(2,\) for diagonal noise or \(2, m\)",
    ),
    "sigma a number in the plane": (
        {"dim": 2, "drift": lambda x: x, "sigma": lambda x: 1.0},
        r"sigma returned shape \(1,\); \(2,\) for diagonal noise",
    ),
    "sigma transposed": (
        {"dim": 2, "drift": lambda x: x, "sigma": lambda x: ((1.0, 0.0),) * 3},
        r"sigma returned shape \(3, 2\)",
    ),
    "sigma a condition": (
        {"sigma": lambda x: x > 0},
        r"test_process\.py:\d+: <lambda> returned x > 0; a finite real number",
    ),
    "sigma NaN": ({"sigma": lambda x: np.nan}, r"test_process\.py:\d+: <lambda> returned nan; a finite real number"),
    "sigma nothing": ({"sigma": lambda x: None}, r"returned None; a finite real number"),
    "sample of fewer arguments": (
        {"sample": lambda x, t, dt, z: x + z},
        r"test_process\.py:\d+: <lambda> takes \['x', 't', 'dt', 'z'\]; sample takes \(x, t, dt, z, p\)",
    ),
    "sample no function": ({"sample": 1.0}, r"1\.0 is not a Python function"),
    "rate a condition": ({"rate": lambda t: t > 0}, r"returned t > 0; a finite real number"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_statement_is_refused(name):
    changes, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        stated(**changes)


def test_components_last_are_refused():
    with pytest.raises(InvalidInput, match=r"x has shape \(5, 2\); \(2, n\) is needed, component first"):
        plane().ito_drift(np.zeros((5, 2)))
    with pytest.raises(InvalidInput, match=r"x has shape \(\)"):
        plane().diffusivity(0.0)


def test_an_interval_for_each_component():
    interval = Interval(0.0, 1.0, Wall.REFLECTING, Wall.REFLECTING)
    process = Process(drift=lambda x: x, sigma=lambda x: (1.0, 1.0), dim=2, domain=(interval, Interval()))
    assert process.intervals == (interval, Interval())
    assert Process(drift=lambda x: x, sigma=lambda x: (1.0, 1.0), dim=2, domain=interval).intervals == (
        interval,
        interval,
    )
