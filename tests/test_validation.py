"""What the public doors check of their arguments: values that pass, and the message for each that does not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fpsde import validation
from fpsde.errors import InvalidInput


def refused(message: str):
    return pytest.raises(InvalidInput, match=message)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), Fraction(2)])
def test_finite_takes_every_real_number(value):
    assert validation.finite("dt", value) == 2.0


@pytest.mark.parametrize("value", ["3", b"3", None, 1 + 0j, [1.0], 10**400])
def test_finite_refuses_what_is_not_a_real_number(value):
    with refused(r"dt=.* is not a number; give one real number"):
        validation.finite("dt", value)


def test_messages_show_numbers_of_numpy_as_plain_ones():
    assert validation.as_given((np.float64(0.5), [np.int64(2)], "3")) == "(0.5, [2], '3')"
    with refused(r"^n=2\.5 is not a whole number"):
        validation.integer("n", np.float64(2.5), least=1)
    assert "np.float64" in repr((np.float64(0.5),))  # outside of messages nothing is changed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finite_refuses_nan_and_inf(value):
    with refused(f"dt={value} is not finite; give a finite number"):
        validation.finite("dt", value)


def test_positive_refuses_zero_and_below():
    assert validation.positive("dt", 0.1) == 0.1
    for value in (0, -0.5):
        with refused(f"dt={float(value)} must be positive"):
            validation.positive("dt", value)


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float32(3.0), np.array(3)])
def test_integer_takes_whole_numbers(value):
    number = validation.integer("n_particles", value, least=1)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize("value", [2.5, "3", None, np.nan, np.inf, [3]])
def test_integer_refuses_the_rest(value):
    with refused(r"n_particles=.* is not a whole number"):
        validation.integer("n_particles", value, least=1)


def test_integer_refuses_what_is_below_the_least():
    with refused("n_particles=0 must be at least 1"):
        validation.integer("n_particles", 0, least=1)


def test_seed_is_a_whole_number_of_64_bits():
    assert validation.seed64(2**64 - 1) == 2**64 - 1
    with refused(r"seed=18446744073709551616 does not fit .* give 0 <= seed < 2\*\*64"):
        validation.seed64(2**64)
    with refused("seed=-1 must be at least 0"):
        validation.seed64(-1)


@pytest.mark.parametrize("value", [0, 1, -0.1, 2])
def test_probability_is_strictly_between_0_and_1(value):
    assert validation.probability("alpha", 0.05) == 0.05
    with refused(f"alpha={float(value)} must lie strictly between 0 and 1"):
        validation.probability("alpha", value)


def test_finite_array_is_a_float64_copy():
    given = np.array([1.0, 2.0])
    array = validation.finite_array("x0", given)
    array[0] = 7
    assert array.dtype == np.float64
    assert given[0] == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "x0 is empty; give at least one value"),
        (["a"], "x0 has dtype <U1; give real numbers"),
        ([1 + 1j], "x0 has dtype complex128; give real numbers"),
        ([None], "x0 has dtype object; give real numbers"),
        ([[1], [1, 2]], "x0 has rows of different lengths; give a rectangular array"),
        ([[1.0, 2.0]], r"x0 has shape \(1, 2\); 1 dimension\(s\) are needed"),
        ([1.0, np.nan, np.inf], "x0 has 2 of 3 values that are NaN or infinite; all must be finite"),
    ],
)
def test_finite_array_says_what_is_wrong(values, message):
    with refused(message):
        validation.finite_array("x0", values, ndim=1)


def test_increasing_points_at_the_first_step_back():
    np.testing.assert_array_equal(validation.increasing("times", [0, 1, 3]), [0.0, 1.0, 3.0])
    with refused(r"times must strictly increase, but times\[1\]=2.0 is followed by 2.0"):
        validation.increasing("times", [0, 2, 2, 1])


@pytest.mark.parametrize(("t_end", "dt", "n"), [(1, 0.1, 10), (0.3, 0.1, 3), (5.0, 0.01, 500), (1e6, 0.1, 10**7)])
def test_whole_steps_forgives_round_off(t_end, dt, n):
    assert validation.whole_steps(t_end, dt) == n


@pytest.mark.parametrize("part", [1e-7, -1e-7])
def test_whole_steps_refuses_a_ten_millionth_of_a_step(part):
    with refused("does not divide"):
        validation.whole_steps(1.0, 0.1 * (1 + part))


def test_whole_steps_offers_the_nearest_steps_that_divide():
    with refused(r"dt=0.3 does not divide t_end=1.0; take dt=0.25 or dt=0.333333333333"):
        validation.whole_steps(1, 0.3)


def test_a_dividing_step_is_the_default_or_the_longest_below_it():
    assert validation.dividing_step(1.0, 0.02) == 0.02
    assert validation.dividing_step(0.3, 0.1) == 0.1  # with their round-off
    for t_end, n in ((0.05, 3), (0.0201, 2), (0.01, 1), (1.01, 51)):
        assert validation.dividing_step(t_end, 0.02) == t_end / n
        assert validation.whole_steps(t_end, t_end / n) == n
    with refused("t_end=-1.0 must be positive"):
        validation.dividing_step(-1, 0.02)
    assert validation.dividing_step(1e308, 0.02) == 0.02  # whole_steps counts and refuses


def test_the_step_of_a_run_is_the_one_given_or_the_longest():
    grid = validation.time_grid(t_end=0.3, dt=0.1)
    assert validation.longest_step(grid, 0.1) == 0.1
    assert validation.longest_step(np.array([0.0, 0.5, 0.75]), None) == 0.5


def test_whole_steps_refuses_more_steps_than_memory_holds():
    with refused(r"dt=1e-12 makes 1e\+12 steps in t_end=1.0, .* take dt >= 7.45e-09"):
        validation.whole_steps(1, 1e-12)
    with refused("makes inf steps"):
        validation.whole_steps(1e300, 1e-300)


def test_time_grid_is_uniform_and_ends_on_t_end():
    times = validation.time_grid(t_end=0.7, dt=0.1)
    np.testing.assert_allclose(times, np.linspace(0, 0.7, 8), rtol=1e-15)
    assert times[-1] == 0.7


def test_time_grid_takes_non_uniform_times():
    np.testing.assert_array_equal(validation.time_grid(times=[0, 0.1, 1]), [0, 0.1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"t_end": 1}, "t_end=1 and dt=None: give both, or give times"),
        ({"t_end": 1, "times": [0, 1]}, "give either times, or t_end and dt"),
        ({"times": [0]}, "times has 1 entry; a run needs a start and at least one later time"),
        ({"times": []}, "times is empty"),
        ({"times": [1, 0]}, "times must strictly increase"),
        ({"t_end": 1, "dt": 0}, "dt=0.0 must be positive"),
        ({"t_end": -1, "dt": 0.1}, "t_end=-1.0 must be positive"),
    ],
)
def test_time_grid_says_what_is_wrong(given, message):
    with refused(message):
        validation.time_grid(**given)
