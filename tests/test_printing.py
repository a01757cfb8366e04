"""Printing: the text of an expression, run under NumPy, against the expression."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from fpsde.errors import InvalidInput
from fpsde.functions import absolute, expm1, log1p, logsumexp, maximum, power, rint, softmax, where
from fpsde.printing import NUMPY_NAMES, cuda_line, lines, literal, numpy_function, text
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, milstein
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.tracing import traced_step
from fpsde.symbolic import real_symbol

x, y, z = real_symbol("x"), real_symbol("y"), real_symbol("z")
u0, u1, u2 = (real_symbol(f"u{i}") for i in range(3))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_printed_to_the_last_bit(value):
    back = eval(literal(sp.Float(value)), {"T": float})
    assert np.float64(back).view(np.uint64) == np.float64(value + 0.0).view(np.uint64)  # SymPy has one zero


@pytest.mark.parametrize(
    "number", [sp.Rational(1, 3), sp.pi, sp.sqrt(2), sp.exp(-1), sp.Integer(2) ** 60 + 1, sp.log(7)]
)
def test_an_exact_number_is_printed_as_the_nearest_float(number):
    assert eval(text(number), {"T": float}) == float(sp.N(number, 40))


def test_our_own_functions_of_numbers_are_numbers():
    expected = {
        expm1(1): math.expm1(1),
        log1p(2): math.log1p(2),
        rint(sp.Rational(5, 2)): 2.0,
        maximum(1, 2): 2.0,
        power(2, 3): 8.0,
    }
    expected |= {
        logsumexp(1, 2): math.log(math.e + math.e**2),
        softmax(1, 1, 2): 1 / (1 + math.exp(-1)),
        absolute(-3): 3.0,
    }
    for number, value in expected.items():
        assert eval(text(number), {"T": float}) == pytest.approx(value, rel=4e-16)


@pytest.mark.parametrize("number", [sp.Float(10) ** 400, -(sp.Float(10) ** 400), sp.oo, sp.nan])
def test_a_number_that_is_no_float64_is_refused(number):
    with pytest.raises(InvalidInput, match=r"beyond the range of float64|has no counterpart"):
        text(number)


# --- powers and quotients

POWERS = [
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    13,
    64,
    65,
    -1,
    -2,
    -3,
    -65,
    sp.Rational(1, 2),
    sp.Rational(3, 2),
    sp.Rational(-1, 2),
    sp.Rational(-5, 2),
]
OTHERS = [sp.Rational(1, 3), sp.Rational(-4, 3), 0.1, -2.7, sp.sqrt(2)]


@pytest.mark.parametrize("exponent", POWERS)
def test_whole_and_half_powers_are_products_and_roots(exponent):
    line = text(x**exponent)
    assert "log_" not in line and "exp_" not in line
    values = np.array([0.3, 0.99, 1.0, 1.7])
    (found,) = numpy_function([x], [x**exponent])(values)
    np.testing.assert_allclose(found, values.astype(np.longdouble) ** np.longdouble(float(exponent)), rtol=7e-15)
    if float(exponent).is_integer():
        np.testing.assert_allclose(
            numpy_function([x], [x**exponent])(-values)[0], (-values) ** float(exponent), rtol=1e-14
        )


@pytest.mark.parametrize("exponent", OTHERS)
def test_other_powers_are_numpys(exponent):
    values = np.array([0.3, 0.99, 1.0, 1.7])
    np.testing.assert_allclose(numpy_function([x], [x**exponent])(values)[0], values ** float(exponent), rtol=1e-14)
    with np.errstate(invalid="ignore"):
        assert np.isnan(numpy_function([x], [x**exponent])(-1.0)[0])


QUOTIENTS = {
    "(x / y)": x / y,
    "(T(1.0) / x)": 1 / x,
    "(T(-1.0) / x)": -1 / x,
    "(T(1.0) / (x * y))": 1 / (x * y),
    "(x / T(3.0))": x / 3,
    "(x * T(0.25))": x / 4,
    "(-(x * T(0.5)))": -x / 2,
    "(x / (y * T(3.0)))": x / (3 * y),
    "(T(0.6666666666666666) * x)": 2 * x / 3,
    "(x - y)": x - y,
    "((-x) - y)": -x - y,
    "(x / (y * y))": x / y**2,
    "(x / sqrt_(y))": x / sp.sqrt(y),
}


@pytest.mark.parametrize("expected", QUOTIENTS)
def test_quotients_and_differences_are_printed_as_one_operation_each(expected):
    e = QUOTIENTS[expected]
    found = text(e)
    assert sorted(re.findall(r"\w+|[-+*/]", found)) == sorted(re.findall(r"\w+|[-+*/]", expected)), found
    values = np.array([0.3, -1.7]), np.array([2.9, 0.7])
    exact = sp.lambdify([x, y], e, "numpy")(*values)
    np.testing.assert_allclose(numpy_function([x, y], [e])(*values)[0], exact, rtol=4e-16)


# --- functions that are not in the text


def test_a_function_without_a_counterpart_is_refused_by_name():
    with pytest.raises(
        InvalidInput, match=r"gamma in gamma\(x\) has no counterpart in the kernels; known are Abs, .*cos, .*where"
    ):
        text(sp.gamma(x))
    with pytest.raises(InvalidInput, match="Derivative in"):
        text(sp.Derivative(sp.Function("f")(x), x))


# --- lines

BODIES = {
    "stages": [(u0, x**2 + sp.sin(x)), (u1, u0 * sp.exp(-u0)), (u2, u0 + u1 / (1 + x**2))],
    "shared": [(u0, sp.exp(-(x**2)) * y), (u1, sp.exp(-(x**2)) * sp.sin(y)), (u2, sp.exp(-(x**2)) + y)],
    "conditions": [
        (u0, where(sp.And(x > 0, y < 1), x, y)),
        (u1, where(sp.Not(sp.And(x > 0, y < 1), evaluate=False), x, y)),
        (u2, x),
    ],
    "mixtures": [
        (u0, logsumexp(-(x**2), -((x - y) ** 2), x)),
        (u1, sp.diff(logsumexp(-(x**2), -((x - y) ** 2), x), x)),
        (u2, u0 * u1),
    ],
    "maxima": [(u0, maximum(x, y)), (u1, maximum(u0, maximum(x, 2 * y))), (u2, power(x**2, y) + u1)],
}


@pytest.mark.parametrize("name", BODIES)
def test_each_line_assigns_one_new_name_from_names_that_are_known(name):
    known = {"x", "y", "T", "true_", "false_", "where"}
    for line in lines(BODIES[name]):
        target, e = re.fullmatch(r"(\w+) = (.*)", line).groups()
        numbers_left_out = re.sub(r"T\([^()]*\)", "T", e)
        assert {word for word in re.findall(r"\b[a-z]\w*\b", numbers_left_out) if not word.endswith("_")} <= known, line
        assert target not in known, line
        known.add(target)
    assert {"u0", "u1", "u2"} <= known


@pytest.mark.parametrize("name", BODIES)
def test_the_lines_give_what_the_expressions_give(name):
    values = np.array([-1.3, 0.2, 0.9, 2.0]), np.array([0.4, -0.3, 1.8, 0.7])
    exact = list(BODIES[name])
    for i in reversed(range(3)):  # later ones may use earlier ones
        exact = [(s, e.xreplace({BODIES[name][i][0]: BODIES[name][i][1]})) for s, e in exact]
    modules = [
        {"where": np.where, "maximum": np.maximum, "power": np.power, "logsumexp": _logsumexp, "softmax": _softmax},
        "numpy",
    ]
    wanted = [sp.lambdify([x, y], e, modules)(*values) for _, e in exact]
    np.testing.assert_allclose(numpy_function([x, y], [e for _, e in exact])(*values), wanted, rtol=1e-14)
    namespace = {**NUMPY_NAMES, "x": values[0], "y": values[1]}
    exec("\n".join(lines(BODIES[name])), namespace)
    np.testing.assert_allclose([namespace[f"u{i}"] for i in range(3)], wanted, rtol=1e-14)


def _logsumexp(*a):
    return np.log(sum(np.exp(v) for v in a))


def _softmax(i, *a):
    return np.exp(a[int(i)]) / sum(np.exp(v) for v in a)


def test_what_is_shared_is_computed_once():
    found = "\n".join(lines(BODIES["shared"]))
    assert found.count("exp_(") == 1
    found = "\n".join(lines(BODIES["mixtures"]))
    assert found.count("exp_(") == 3 and found.count("log_(") == 1  # one exponential for each component, in all


def test_a_name_that_is_taken_is_not_used_for_what_is_shared():
    s0 = real_symbol("s0")
    body = [(u0, sp.exp(s0 + x) + s0), (u1, sp.exp(s0 + x) * s0)]
    assert not any(line.startswith("s0 =") for line in lines(body))


def test_the_text_of_the_same_expressions_is_always_the_same():
    process = lambda: Process(  # noqa: E731
        drift=lambda x, t, p: -p.b * x * np.exp(-(x**2)) + np.sin(t) / (1 + p.a * x**2),
        sigma=lambda x, p: np.sqrt(1 + p.a * x**2),
        params={"a": 1.0, "b": 2.0},
    )
    assert body_lines(traced_step(milstein, process())) == body_lines(traced_step(milstein, process()))


def test_a_line_in_its_cpp_dress():
    assert cuda_line("u0 = (x * T(0.5))") == "const T u0 = (x * T(0.5));"


MODELS = {
    "double well": (lambda x: -4 * x * (x**2 - 1), lambda x: 0.5),
    "sine in time": (lambda x, t: -np.sin(x) * np.cos(2 * t), lambda x, t: np.sqrt(1 + 0.5 * np.cos(x + t))),
    "rational": (lambda x: -x / (1 + x**2) ** 2, lambda x: np.sqrt(1 + x**2) ** -0.5),
    "piecewise": (lambda x: np.where(x > 0, -x, np.minimum(-(x**3), 2.0)), lambda x: np.clip(np.abs(x), 0.1, 1.0)),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_coefficients_of_a_process_equal_its_functions_under_numpy(name):
    drift, sigma = MODELS[name]
    process, points, t = Process(drift=drift, sigma=sigma), np.linspace(-2, 2, 41), 0.3
    given = (points, t)
    np.testing.assert_allclose(
        process.ito_drift(points, t), drift(*given[: drift.__code__.co_argcount]), rtol=2e-15, atol=1e-15
    )
    s = np.broadcast_to(sigma(*given[: sigma.__code__.co_argcount]), points.shape)
    np.testing.assert_allclose(process.noise_coefficient(points, t), s, rtol=2e-15)
    np.testing.assert_allclose(process.diffusivity(points, t), s**2 / 2, rtol=2e-15)


def test_a_kernel_is_one_def_for_each_function_and_one_for_the_step():
    source = Process(drift=lambda x: -np.sin(x), sigma=lambda x: 1.0).kernel_source(euler_maruyama)
    assert re.findall(r"^def (\w+)", source, re.M) == ["sin_", "step"]
