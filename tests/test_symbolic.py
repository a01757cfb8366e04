"""Tracing: what a model function may say, against the same function run by NumPy, and what it may not."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import fpsde
from fpsde.errors import InvalidInput
from fpsde.functions import absolute
from fpsde.model_functions import trace
from fpsde.printing import numpy_function
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama
from fpsde.symbolic import UFUNCS, Components, Parameters, Traced, components, parameter_symbols, real_symbol, unwrap

X, T = real_symbol("x"), real_symbol("t")
ANY, POSITIVE = np.array([-2.3, -0.7, -1e-3, 0.2, 0.45, 1.6, 3.1]), np.array([0.2, 0.45, 1.6, 3.1])


def expression(function, params=None):
    """Return the SymPy expression of a function of (x, t, p) and the symbols that it is in."""
    params = params or {}
    symbols = parameter_symbols(params)
    flat = [unwrap(v) for value in symbols.values() for v in np.ravel(np.asarray(value, dtype=object))]
    return trace(function, Traced(X), Traced(T), Parameters(**symbols))[()], [X, T, *flat]


def traced(function, params=None):
    """Return the traced function and its x-derivative as functions of an array."""
    e, symbols = expression(function, params)
    values = [v for value in (params or {}).values() for v in np.ravel(value)]
    run = numpy_function(symbols, [e, sp.diff(e, X)])
    return (lambda x: run(x, 0.0, *values)[0]), (lambda x: np.broadcast_to(run(x, 0.0, *values)[1], np.shape(x)))


def slope(function, x, h=1e-4):
    """Return the derivative by central differences of fourth order, (h^4/30) f'''''."""
    return (8 * (function(x + h) - function(x - h)) - (function(x + 2 * h) - function(x - 2 * h))) / (12 * h)


#: For each ufunc a use of it, and points away from its kinks.
USES = {
    "add": (lambda x: np.add(x, 1.3), ANY),
    "subtract": (lambda x: np.subtract(1.3, x), ANY),
    "multiply": (lambda x: np.multiply(x, x + 0.1), ANY),
    "divide": (lambda x: np.divide(2.0, x - 0.1), ANY),
    "power": (lambda x: np.power(x, 3), ANY),
    "float_power": (lambda x: np.float_power(x, 1.7), POSITIVE),
    "negative": (lambda x: np.negative(x), ANY),
    "positive": (lambda x: np.positive(x), ANY),
    "reciprocal": (lambda x: np.reciprocal(x), ANY[np.abs(ANY) > 0.1]),
    "square": (lambda x: np.square(x), ANY),
    "sqrt": (lambda x: np.sqrt(1.0 + x * x), ANY),
    "exp": (lambda x: np.exp(-x), ANY),
    "expm1": (lambda x: np.expm1(0.3 * x), ANY),
    "log": (lambda x: np.log(x), POSITIVE),
    "log1p": (lambda x: np.log1p(x * x), ANY),
    "log2": (lambda x: np.log2(x), POSITIVE),
    "log10": (lambda x: np.log10(x), POSITIVE),
    "logaddexp": (lambda x: np.logaddexp(x, -2 * x), ANY),
    "sin": (lambda x: np.sin(x), ANY),
    "cos": (lambda x: np.cos(x), ANY),
    "tan": (lambda x: np.tan(0.3 * x), ANY),
    "sinh": (lambda x: np.sinh(x), ANY),
    "cosh": (lambda x: np.cosh(x), ANY),
    "tanh": (lambda x: np.tanh(x), ANY),
    "arctan": (lambda x: np.arctan(x), ANY),
    "arcsinh": (lambda x: np.arcsinh(x), ANY),
    "absolute": (lambda x: np.absolute(np.log(x)), POSITIVE),  # SymPy's own |log x| has a complex derivative
    "fabs": (lambda x: np.fabs(x), ANY[np.abs(ANY) > 0.1]),
    "sign": (lambda x: np.sign(x) * x, ANY[np.abs(ANY) > 0.1]),
    "rint": (lambda x: np.rint(x) + x, ANY),
    "minimum": (lambda x: np.minimum(x * x, 1.0 + x), ANY),
    "maximum": (lambda x: np.maximum(x * x, 1.0 + x), ANY),
    "less": (lambda x: np.where(np.less(x, 0.3), x, 2 * x), ANY),
    "less_equal": (lambda x: np.where(np.less_equal(x, 0.3), x, 2 * x), ANY),
    "greater": (lambda x: np.where(np.greater(x, 0.3), x, 2 * x), ANY),
    "greater_equal": (lambda x: np.where(np.greater_equal(x, 0.3), x, 2 * x), ANY),
    "logical_and": (lambda x: np.where(np.logical_and(x > 0, x < 1), x, 2 * x), ANY),
    "logical_or": (lambda x: np.where(np.logical_or(x < 0, x > 1), x, 2 * x), ANY),
    "logical_not": (lambda x: np.where(np.logical_not(x < 0.3), x, 2 * x), ANY),
    "bitwise_and": (lambda x: np.where((x > 0) & (x < 1), x, 2 * x), ANY),
    "bitwise_or": (lambda x: np.where((x < 0) | (x > 1), x, 2 * x), ANY),
    "invert": (lambda x: np.where(~((x > 0) & (x < 1)), x, 2 * x), ANY),
}


def test_every_ufunc_that_can_be_traced_has_a_use_here():
    assert USES.keys() == UFUNCS.keys()


@pytest.mark.parametrize("name", USES)
def test_a_traced_ufunc_equals_numpy_and_its_derivative_equals_finite_differences(name):
    function, x = USES[name]
    value, derivative = traced(function)
    np.testing.assert_allclose(value(x), function(x), rtol=4e-15)
    np.testing.assert_allclose(derivative(x), slope(function, x), rtol=1e-7, atol=1e-10)


SELECTIONS = {
    "where": lambda x: np.where(x < 0.4, np.sin(x), x * x),
    "nested where": lambda x: np.where(x < 0.4, np.where(x < -1, 3.0, x), x * x),
    "clip": lambda x: np.clip(x, -1.0, 0.5) + x,
    "minimum of three": lambda x: np.minimum(np.minimum(x * x, 1.0 + x), 2.0 - x),
    "maximum of a number": lambda x: np.maximum(0.5, x) * x,
    "a condition twice": lambda x: np.where(~((x > 0) & (x < 1)), x, 1.0) + np.where((x > 0) & (x < 1), x * x, 2.0),
    "constants only": lambda x: np.maximum(0 * x, 1.5) * x + np.rint(0 * x + 0.7) + np.minimum(0 * x, -3.0),
    "augmented by hand": lambda x: abs(x) ** 3 + (-x) ** 2 - +x,
    "reflected operators": lambda x: 1 - (2.0 * x) + 3 / (x - 0.1) + 2**x,
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_equal_numpy_and_differentiate(name):
    value, derivative = traced(SELECTIONS[name])
    np.testing.assert_allclose(value(ANY), SELECTIONS[name](ANY), rtol=1e-14)
    np.testing.assert_allclose(derivative(ANY), slope(SELECTIONS[name], ANY), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("function", [lambda x: np.abs(x), lambda x: np.sign(x), lambda x: np.rint(3 * x)])
def test_the_second_derivative_of_a_kink_is_zero_on_both_sides_of_it(function):
    e, _ = expression(function)
    second = numpy_function([X], [sp.diff(e, X, 2)])
    assert np.all(second(ANY)[0] == 0)


# --- random functions


def _grown(children):
    unary = st.sampled_from(
        [np.sin, np.tanh, np.arctan, np.abs, lambda v: np.exp(-np.square(v)), lambda v: np.sqrt(1 + v * v)]
    )
    binary = st.sampled_from([np.add, np.subtract, np.multiply, np.minimum, np.maximum, lambda a, b: a / (2 + b * b)])
    one = st.builds(lambda f, a: lambda x, t: f(a(x, t)), unary, children)
    return one | st.builds(lambda f, a, b: lambda x, t: f(a(x, t), b(x, t)), binary, children, children)


_leaves = st.floats(-3, 3).map(lambda c: lambda x, t: 0 * x + c) | st.sampled_from([lambda x, t: x, lambda x, t: t])


@settings(max_examples=80, deadline=None)
@given(function=st.recursive(_leaves, _grown, max_leaves=8))
def test_a_random_function_equals_itself_under_numpy(function):
    t = 0.37
    e = trace(function, Traced(X), Traced(T), Parameters())[()]
    np.testing.assert_allclose(
        np.broadcast_to(numpy_function([X, T], [e])(ANY, t)[0], ANY.shape), function(ANY, t), rtol=1e-9, atol=1e-11
    )


# --- parameters


def test_array_parameters_keep_their_shape_and_values():
    params = {"a": np.array([[1.0, 2.0], [3.0, 4.0]]), "a_0": 5.0, "b": -1.5}
    function = lambda x, p: np.sum(p.a @ p.a) + p.a[1, 0] * x + 100 * p.a_0 + p.b  # noqa: E731
    value, _ = traced(function, params)
    np.testing.assert_allclose(value(ANY), 37 + 17 + 3 * ANY + 500 - 1.5 - 0 * ANY, rtol=1e-14)


ARRAYS = {
    "a comparison": lambda x, a: np.sum(np.where(x > a, x - a, 0.0)),
    "a comparison with a number": lambda x, a: np.sum(np.where(a > 0.5, 1.0, x)),
    "minimum": lambda x, a: np.sum(np.minimum(x - a, 0.0) * np.maximum(a, x)),
    "clip": lambda x, a: np.sum(np.clip(x - a, -1.0, a)),
    "every unary kind": lambda x, a: np.sum(
        np.abs(x - a) + np.fabs(a - x) + np.log2(2 + np.square(x - a)) + np.sign(x - a) + np.rint(2 * a * x)
    ),
    "reductions": lambda x, a: np.max(x - a) + np.min(a * x) + np.prod(1 + a) + np.mean(a - x) + (x * a).sum(),
    "logic": lambda x, a: np.where(np.any(x > a), 1.0, 2.0) + np.where(np.all((x > a) | (x < -a)), x, 3.0),
    "numbers": lambda x, a: np.sum(np.array([1.0, 2.0, -0.5]) * a / (2.0 + x * np.array([0.1, 0.2, 0.3]))),
    "slices and powers": lambda x, a: a[1:] @ a[:-1] * x + np.sum(a**2) + np.sum(2.0**a),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_components_take_the_functions_that_components_take(name):
    function, a = ARRAYS[name], np.array([-0.7, 0.31, 1.3])
    value, _ = traced(lambda x, p: function(x, p.a), {"a": a})
    np.testing.assert_allclose(value(ANY), [function(x, a) for x in ANY], rtol=1e-14)


def test_components_may_hold_arrays_in_a_plain_run():
    x = components([np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])])
    for result in (
        np.tanh(x),
        np.where(x > 2, x, -x),
        np.clip(x, 2.0, 5.0),
        1.0 / x - x**2,
        abs(x),
        np.maximum(x, 2.0),
    ):
        assert isinstance(result, Components) and result.shape == (2,) and result[0].shape == (3,)
    np.testing.assert_array_equal(np.where(x > 2, x, -x)[0], [-1.0, -2.0, 3.0])
    np.testing.assert_array_equal(np.sum(x), [5.0, 7.0, 9.0])


MIXTURE = {"w": np.array([0.2, 0.5, 0.3]), "m": np.array([-2.0, 0.3, 1.9]), "s": np.array([0.4, 0.7, 0.5])}
DENSITIES = {
    "weights inside": lambda x, p: np.log(np.sum(p.w * np.exp(-((x - p.m) ** 2) / (2 * p.s**2)) / p.s)),
    "a common factor": lambda x, p: np.log(
        np.sum(p.w / p.s * np.exp(-0.5 * ((x - p.m) / p.s) ** 2)) / np.sqrt(2 * np.pi)
    ),
    "by matmul": lambda x, p: np.log((p.w / p.s) @ np.exp(-(np.square((x - p.m) / p.s)) / 2)),
    "over a normaliser": lambda x, p: -np.log(np.sum(p.s) / np.sum(p.w / p.s * np.exp(-0.5 * ((x - p.m) / p.s) ** 2))),
}


def exact_score(x):
    a = np.log(MIXTURE["w"] / MIXTURE["s"]) - 0.5 * ((x[:, None] - MIXTURE["m"]) / MIXTURE["s"]) ** 2
    shares = np.exp(a - special.logsumexp(a, axis=1, keepdims=True))
    return np.sum(shares * (MIXTURE["m"] - x[:, None]) / MIXTURE["s"] ** 2, axis=1)


@pytest.mark.parametrize("name", DENSITIES)
def test_the_score_of_a_mixture_is_exact_and_finite_far_in_its_tails(name):
    x = np.array([-1e3, -50.0, -2.1, -0.4, 0.0, 1.0, 2.2, 40.0, 1e3])
    value, score = traced(DENSITIES[name], MIXTURE)
    np.testing.assert_allclose(score(x), exact_score(x), rtol=1e-12, atol=1e-12)
    assert np.all(np.isfinite(value(x)))
    with np.errstate(divide="ignore"):
        assert (
            np.log(np.sum(MIXTURE["w"] * np.exp(-((1e3 - MIXTURE["m"]) ** 2)))) == -np.inf
        )  # as written it is not finite


def test_second_derivatives_of_a_mixture_match_finite_differences_of_the_score():
    e, symbols = expression(DENSITIES["weights inside"], MIXTURE)
    curvature = numpy_function(symbols, [sp.diff(e, X, 2)])
    x = np.linspace(-3, 3, 13)
    values = [v for value in MIXTURE.values() for v in value]
    np.testing.assert_allclose(curvature(x, 0.0, *values)[0], slope(exact_score, x), rtol=1e-8, atol=1e-8)


def test_a_single_exponential_has_a_logarithm_far_in_its_tail():
    value, score = traced(lambda x, p: np.log(p.w * np.exp(-0.5 * x * x)), {"w": 0.4})
    np.testing.assert_allclose(value(np.array([1e3])), math.log(0.4) - 5e5, rtol=1e-15)
    np.testing.assert_allclose(score(np.array([-1e3, 3.0])), [1e3, -3.0], rtol=1e-15)


def test_a_weight_that_changes_sign_with_x_is_left_inside_the_logarithm():
    function = lambda x: np.log(x * np.exp(-x) + 3 * np.exp(x))  # noqa: E731
    value, derivative = traced(function)
    x = np.array([-0.3, 0.0, 0.7])
    np.testing.assert_allclose(value(x), function(x), rtol=1e-14)
    np.testing.assert_allclose(derivative(x), slope(function, x), rtol=1e-8)


def test_a_power_known_at_run_time_only_is_numpys_and_has_a_slope_at_zero():
    x = np.array([-2.0, -0.5, 0.0, 0.5, 3.0])
    for n in (1.0, 2.0, 3.0, 5.0, -2.0):
        value, derivative = traced(lambda x, p: x**p.n, {"n": n})
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(value(x), x**n, rtol=1e-14)
            np.testing.assert_allclose(derivative(x), n * x ** (n - 1), rtol=1e-14)
    value, _ = traced(lambda x, p: x**p.n, {"n": 0.5})
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(np.isnan(value(x)), x < 0)


def test_a_parameter_that_is_not_there_offers_the_nearest():
    with pytest.raises(InvalidInput, match=r"unknown parameter 'thta': did you mean 'theta'\? known are mu, theta"):
        Process(drift=lambda x, p: p.thta * x, sigma=lambda x: 1.0, params={"theta": 1.0, "mu": 0.0})


def test_changing_a_parameter_changes_no_text():
    drift = lambda x, t, p: -p.k * np.sin(x) + np.sum(p.a * x) + t  # noqa: E731
    sources = {
        Process(drift=drift, sigma=lambda x, p: p.k, params={"k": k, "a": [k, 2.0]}).kernel_source(euler_maruyama)
        for k in (0.0, 1.0, -3.7)
    }
    assert len(sources) == 1
    other = Process(drift=drift, sigma=lambda x, p: p.k, params={"k": 1.0, "a": [1.0, 2.0, 3.0]})  # another shape
    assert other.kernel_source(euler_maruyama) not in sources


# --- what is refused, and where it stands


def branch(x):
    if x > 0:
        return -x
    return x


def loop(x):
    while x < 1:
        x = x + 1
    return x


def in_place(x):
    x += 1
    return x


#: name: (function, lines from its first one to the offending one, what the message says)
REFUSED = {
    "if": (branch, 1, r"may not branch .* x > 0\); write np\.where"),
    "while": (loop, 1, r"may not branch .* x < 1\); write np\.where"),
    "and": (lambda x: np.where(x > 0 and x < 1, x, 0.0), 0, r"and, or, not.*& \| ~ for conditions"),
    "or": (lambda x: np.where(x > 0 or x < -1, x, 0.0), 0, r"and, or, not.*& \| ~ for conditions"),
    "not": (lambda x: np.where(not x > 0, x, 0.0), 0, r"and, or, not.*& \| ~ for conditions"),
    "chained comparison": (lambda x: np.where(0 < x < 1, x, 0.0), 0, r"may not branch"),
    "max": (lambda x: max(x, 0.0), 0, r"may not branch .*min, max.*np\.minimum or np\.maximum"),
    "min": (lambda x: min(x, 0.0), 0, r"may not branch .*min, max.*np\.minimum or np\.maximum"),
    "math.exp": (lambda x: math.exp(-x), 0, r"use NumPy's functions \(np\.exp\), not math's"),
    "int": (lambda x: int(x), 0, r"is not a number here"),
    "range": (lambda x: sum(range(x)), 0, r"is not a number here"),
    "round": (lambda x: round(x), 0, r"__round__.*operators and NumPy functions"),
    "unknown ufunc": (lambda x: np.cbrt(x), 0, r"numpy\.cbrt cannot be traced; write .* arctan, .*, where, clip"),
    "unknown ufunc of an array": (lambda x: np.sum(np.cbrt(x - np.array([1.0, 2.0]))), 0, r"cbrt.*NumPy functions"),
    "unknown function": (lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0]), 0, r"interp cannot be traced|interp"),
    "equality": (lambda x: np.where(x == 0, 1.0, x), 0, r"numpy\.equal cannot be traced"),
    "a keyword": (lambda x: np.exp(x, dtype=float), 0, r"numpy\.exp with \['dtype'\] cannot be traced"),
    "a reduction": (
        lambda x: np.add.reduce([x, x]) + np.multiply.outer(x, x),
        0,
        r"numpy\.multiply\.outer cannot be traced",
    ),
    "in place": (in_place, 1, r"numpy\.add with \['out'\] cannot be traced"),
    "clip by name": (
        lambda x: np.clip(x, a_min=0, a_max=1),
        0,
        r"numpy\.clip cannot be traced; .*np\.clip\(x, low, high\) can",
    ),
    "a subscript": (lambda x: x[0], 0, r"'Traced' object is not subscriptable"),
    "a method": (lambda x: x.mean(), 0, r"no attribute 'mean'"),
    "text": (lambda x: x + "1", 0, r"'1' of type str cannot enter"),
    "a complex number": (lambda x: x * 1j, 0, r"1j of type complex cannot enter.*real"),
    "an infinite number": (lambda x: np.where(x > 0, np.inf, x), 0, r"inf of type float cannot enter.*finite"),
    "a condition as a number": (
        lambda x: x * (x > 0),
        0,
        r"numpy\.multiply of x > 0.*np\.where\(condition, 1\.0, 0\.0\)",
    ),
    "a number as a condition": (
        lambda x: np.where(x, 1.0, 2.0),
        0,
        r"np\.where\(x, 1, 2\); a condition and two numbers",
    ),
    "logic on numbers": (
        lambda x: np.logical_and(x, x),
        0,
        r"numpy\.logical_and of x; it takes conditions such as x > 0",
    ),
    "nothing returned": (lambda x: None, 0, r"<lambda> returned None; a finite real number"),
    "a condition returned": (lambda x: x > 0, 0, r"<lambda> returned x > 0; a finite real number"),
    "infinity returned": (lambda x: 1 / (0 * x), 0, r"<lambda> returned zoo; a finite real number"),
    "an imaginary number": (lambda x: np.sqrt(0 * x - 1.0) * x, 0, r"<lambda> returned I\*x; a finite real number"),
    "a tuple returned": (lambda x: (x,), 0, r"<lambda> returned shape \(1,\); \(\) is needed .*component first"),
    "four arguments": (lambda x, t, q, p: x, 0, r"takes 3 arguments \['x', 't', 'q'\].*\(x, t, p\) or fewer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_with_file_and_line(name):
    function, below, message = REFUSED[name]
    line = function.__code__.co_firstlineno + below
    with pytest.raises(InvalidInput, match=message) as caught:
        Process(drift=function, sigma=lambda x: 1.0)
    assert str(caught.value).startswith(f"{__file__}:{line}:")


@pytest.mark.parametrize("thing", [-1.0, None, "x"])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(InvalidInput, match="is not a Python function; give one of"):
        Process(drift=thing, sigma=lambda x: 1.0)


def test_a_constant_beyond_float64_is_refused():
    with pytest.raises(InvalidInput, match="beyond the range of float64"):
        Process(drift=lambda x: 1e200 * x * 1e200, sigma=lambda x: 1.0).kernel_source(euler_maruyama)


def test_a_file_beside_the_package_counts_as_the_users(tmp_path):

    beside = fpsde.__file__.removesuffix("/__init__.py") + "_study.py"
    namespace: dict = {}
    exec(compile("def drift(x):\n    return max(x, 0)\n", beside, "exec"), namespace)
    with pytest.raises(InvalidInput, match="^" + re.escape(f"{beside}:2:")):
        Process(drift=namespace["drift"], sigma=lambda x: 1.0)


def test_a_numpy_function_given_as_drift_is_traced():
    process = Process(drift=np.sin, sigma=lambda x: 1.0)
    np.testing.assert_allclose(process.ito_drift(ANY), np.sin(ANY), rtol=1e-15)


def test_the_root_of_a_square_is_the_absolute_value_whose_kink_is_known():
    x = real_symbol("x")
    assert unwrap(np.sqrt(Traced(x) ** 2)) == absolute(x)
    assert unwrap(np.sqrt(4 * np.square(Traced(x)))) == 2 * absolute(x)
    assert unwrap(np.sqrt(Traced(x) ** 2 + 1)) == sp.sqrt(x**2 + 1)
