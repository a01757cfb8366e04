"""The elementary functions of the kernels, compiled, against functions of twice their precision."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fpsde import elementary
from fpsde.errors import InvalidInput
from fpsde.numba_text import compiled, decorated, header

ONE = [
    "exp_",
    "expm1_",
    "log_",
    "log1p_",
    "sin_",
    "cos_",
    "tan_",
    "sinh_",
    "cosh_",
    "tanh_",
    "atan_",
    "asinh_",
    "sign_",
]
TWO = ["pow_", "min_", "max_"]
NUMPY = {
    "exp_": np.exp,
    "expm1_": np.expm1,
    "log_": np.log,
    "log1p_": np.log1p,
    "sin_": np.sin,
    "cos_": np.cos,
    "tan_": np.tan,
    "sinh_": np.sinh,
    "cosh_": np.cosh,
    "tanh_": np.tanh,
    "atan_": np.arctan,
    "asinh_": np.arcsinh,
    "sign_": np.sign,
    "pow_": np.power,
    "min_": np.minimum,
    "max_": np.maximum,
}
DTYPES = ["float64", "float32"]

_LOOP_1 = """
@kernel(types.void(types.{dtype}[::1], types.{dtype}[::1]))
def v{name}(x, y):
    for i in range(x.shape[0]):
        y[i] = {name}(x[i])
"""
_LOOP_2 = """
@kernel(types.void(types.{dtype}[::1], types.{dtype}[::1], types.{dtype}[::1]))
def v{name}(x, b, y):
    for i in range(x.shape[0]):
        y[i] = {name}(x[i], b[i])
"""


@cache
def module(dtype, names=(*ONE, *TWO), change=("", "")):
    """Return the compiled functions as loops over arrays; ``change`` replaces a piece of their text everywhere."""
    library = elementary.functions(elementary.precision(dtype))
    assert change[0] in library
    text = elementary.used("".join(f"{name}(" for name in names), library.replace(*change))
    loops = [(_LOOP_1 if name in ONE else _LOOP_2).format(dtype=dtype, name=name) for name in names]
    return compiled("elementary_test", header(dtype) + decorated(text) + "".join(loops))


def applied(name, *x, dtype, change=("", "")):
    x = [np.ascontiguousarray(v, dtype=dtype) for v in x]
    out = np.empty_like(x[0])
    loops = module(dtype) if change == ("", "") else module(dtype, (name,), change)
    getattr(loops, f"v{name}")(*x, out)
    return out


def ulps(found, exact):
    """Return the errors in units in the last place of the exact value."""
    with np.errstate(over="ignore"):
        fits = np.abs(exact.astype(found.dtype)) < np.inf
    unit = np.spacing(np.abs(exact[fits]).astype(found.dtype)).astype(exact.dtype)
    return np.abs(found[fits].astype(exact.dtype) - exact[fits]) / unit


def more_precise(x):
    return x.astype(np.longdouble if x.dtype == np.float64 else np.float64)


def spread(rng, low, high, n):
    """Return numbers of every size between two positive ones."""
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def arguments(name, dtype, rng, n=100_000):
    """Return arguments of every size at which the function has a normal, finite value, crowded where it is delicate."""
    wide = dtype == "float64"
    tiny, huge = (1e-300, 1e300) if wide else (1e-35, 1e35)
    everywhere = np.concatenate(
        [s * spread(rng, tiny, huge, n) for s in (-1, 1)] + [rng.normal(size=n), [0.0, 1.0, -1.0]]
    )
    last = {"exp_": (-708.0, 709.78) if wide else (-87.0, 88.72), "log1p_": (-1 + (1e-15 if wide else 1e-6), huge)}
    last |= {"expm1_": (-800.0, last["exp_"][1]), "sinh_": (-last["exp_"][1], last["exp_"][1])}
    last |= {"cosh_": last["sinh_"], "log_": (5e-324 if wide else 1e-44, huge)}
    reach = float(elementary.precision(dtype).turns)
    last |= {trigonometric: (-reach, reach) for trigonometric in ("sin_", "cos_", "tan_")}
    low, high = last.get(name, (-huge, huge))
    x = np.concatenate(
        [
            everywhere,
            rng.uniform(low, high, n) if np.isfinite(high - low) else [],
            1 + rng.normal(size=n) * 1e-3,
            _near_turns(rng, n),
        ]
    )
    if name == "log_":
        x = np.concatenate([np.abs(x), spread(rng, 5e-324 if wide else 1.5e-45, 1e-300 if wide else 1e-35, n)])
    if name == "log1p_":
        x = np.concatenate([x, -1 + spread(rng, 1e-15 if wide else 1e-6, 1, n)])
    x = x.astype(dtype)
    return x[(x >= low) & (x <= high)]


def _near_turns(rng, n):
    """Return numbers next to multiples of pi/2, where sin, cos and tan lose their leading digits."""
    return rng.integers(-60_000, 60_000, n) * (np.pi / 2) + rng.choice([0.0, 1e-9, -1e-6, 1e-3], n)


def worst(name, dtype, rng, change=("", "")):
    x = arguments(name, dtype, rng)
    with np.errstate(over="ignore"):
        exact = NUMPY[name](more_precise(x))
    return float(np.max(ulps(applied(name, x, dtype=dtype, change=change), exact)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_an_elementary_function_is_good_to_three_ulp_and_tan_to_four(name, dtype, seed):
    assert worst(name, dtype, np.random.default_rng(seed)) <= (4 if name == "tan_" else 3)


#: function, what is wrong, and what it replaces: a digit of a polynomial, a correction term, a branch.
WRONG = [
    ("exp_", "float64", ("0.5)), r) + T(1.0)", "0.50000000000001)), r) + T(1.0)")),
    ("expm1_", "float64", ("half - T(0.5)", "half * T(0.9999999999999999) - T(0.5)")),
    ("log_", "float64", ("T(0.3999999999940942)", "T(0.3999999999)")),
    ("sin_", "float64", ("6.123233995736766e-17", "6.1232339957e-17")),
    ("cos_", "float32", ("4.371138828673793e-08", "0.0")),
    ("tanh_", "float64", ("e + T(2.0)", "e + T(2.000000000000001)")),
    ("atan_", "float64", ("T(0.4142135623730951)", "T(0.6)")),
    ("log1p_", "float64", ("(x - (u - T(1.0))) / u", "T(0.0)")),
]


@pytest.mark.parametrize(("name", "dtype", "change"), WRONG, ids=[f"{name}{dtype}" for name, dtype, _ in WRONG])
def test_a_wrong_digit_or_term_is_seen(name, dtype, change, seed):
    assert worst(name, dtype, np.random.default_rng(seed), change) > 3.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_is_good_to_three_ulp_for_each_unit_of_its_logarithm(dtype, seed):
    rng = np.random.default_rng(seed)
    x = spread(rng, 1e-3, 1e3, 100_000).astype(dtype)
    y = rng.uniform(-10, 10, x.size).astype(dtype)
    exact = np.power(more_precise(x), more_precise(y))
    assert (
        np.max(
            ulps(applied("pow_", x, y, dtype=dtype), exact) / (1 + np.abs(more_precise(y) * np.log(more_precise(x))))
        )
        <= 3
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_negative_numbers_and_of_zero_are_numpys(dtype):
    x, y = (
        v.ravel()
        for v in np.meshgrid([-2.0, -1.0, -0.5, 0.0, 0.5, 2.0], [-3.0, -2.0, -0.5, 0.0, 1.0, 2.0, 2.5, 3.0, 7.0])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.power(x, y)
    np.testing.assert_allclose(
        applied("pow_", x, y, dtype=dtype),
        np.where((x == 0) & (y < 0), np.inf, exact),
        rtol=1e-14 if dtype == "float64" else 1e-5,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["min_", "max_"])
def test_minimum_and_maximum_are_numpys_and_let_nan_through(name, dtype):
    values = [-np.inf, -1.0, 0.0, 2.5, np.inf, np.nan]
    a, b = (v.ravel().astype(dtype) for v in np.meshgrid(values, values))
    np.testing.assert_array_equal(applied(name, a, b, dtype=dtype), NUMPY[name](a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_nan_passes_through_every_function(name, dtype):
    assert np.isnan(applied(name, [np.nan], dtype=dtype)[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_special_values_are_numpys(name, dtype):
    huge, tiny = (1e300, 1e-310) if dtype == "float64" else (1e38, 1e-42)
    x = np.array([0.0, -0.0, np.inf, -np.inf, 1.0, -1.0, 1000.0, -1000.0, huge, -huge, tiny], dtype)
    if name in ("sin_", "cos_", "tan_"):
        x = x[(np.abs(x) <= 1000) | np.isinf(x)]
    with np.errstate(all="ignore"):
        exact = NUMPY[name](x)
    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(applied(name, x, dtype=dtype), exact, rtol=4 * unit, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin_", "cos_", "tan_"])
def test_trigonometric_functions_beyond_their_reach_are_nan(name, dtype):
    reach = np.array(float(elementary.precision(dtype).turns), dtype)
    x = np.array([reach, np.nextafter(reach, np.inf, dtype=dtype), -2 * reach, np.finfo(dtype).max, np.inf], dtype)
    np.testing.assert_array_equal(np.isnan(applied(name, x, dtype=dtype)), [False, True, True, True, True])


def test_a_text_gets_the_functions_that_it_uses_and_no_others():
    library = elementary.functions(elementary.FLOAT64)
    assert elementary.used("u0 = (x * x)", library) == ""
    used = elementary.used("u0 = tanh_(x)", library)
    assert [line.split("(")[0] for line in used.splitlines() if line.startswith("def ")] == [
        "def two_to_",
        "def expm1_",
        "def tanh_",
    ]


def test_an_unknown_precision_is_refused():
    with pytest.raises(InvalidInput, match="dtype float16 is not one of float64, float32"):
        elementary.precision("float16")


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE)
def test_every_seventeenth_float32_is_good_to_three_ulp(name):
    low, high = {
        "exp_": (-87, 88.72),
        "expm1_": (-1e9, 88.72),
        "log_": (0, np.inf),
        "log1p_": (-1, np.inf),
        "sinh_": (-88.72, 88.72),
    }.get(
        name,
        (-88.72, 88.72)
        if name == "cosh_"
        else (-131072.1, 131072.1)
        if name in ("sin_", "cos_", "tan_")
        else (-np.inf, np.inf),
    )
    most = 0.0
    for start in range(0, 2**32, 2**24):
        x = np.arange(start, start + 2**24, 17, dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = x[(x > low) & (x < high)]
        if x.size:
            most = max(
                most,
                float(np.max(ulps(applied(name, x, dtype="float32"), NUMPY[name](x.astype(np.float64))), initial=0.0)),
            )
    assert most <= (4 if name == "tan_" else 3)
