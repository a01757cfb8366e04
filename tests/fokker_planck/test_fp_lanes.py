"""Eight numbers as one value of compiled code, complex or real: their arithmetic beside NumPy's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fpsde.fokker_planck.lanes import (
    LANES,
    at,
    eight,
    fused,
    larger,
    load,
    put,
    put_eight,
    real_sum,
    smaller,
    split,
    store,
)
from fpsde.jit import kernel


@kernel()
def every_operation(rows, real, out):
    z, w = load(rows, 0), load(rows, 1)
    store(out, 0, z + w)
    store(out, 1, z - w)
    store(out, 2, z * w)
    store(out, 3, z + real)
    store(out, 4, real + z)
    store(out, 5, z - real)
    store(out, 6, real - z)
    store(out, 7, z * real)
    store(out, 8, real * z)
    store(out, 9, real / z)
    return real_sum(z)


def test_arithmetic_of_lanes_is_that_of_complex_numbers(seed):
    random = np.random.default_rng(seed)
    z, w = numbers = random.normal(size=(2, LANES)) + 1j * random.normal(size=(2, LANES))
    a, out = 1.7, np.full((11, 2, LANES), np.nan)
    total = every_operation(split(numbers), a, out)
    expected = [z + w, z - w, z * w, z + a, a + z, z - a, a - z, z * a, a * z, a / z]
    found = out[:10, 0] + 1j * out[:10, 1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-16 * max(10.0, np.abs(a / z).max()))
    assert np.isnan(out[10]).all()  # rows are where they should be
    np.testing.assert_allclose(total, z.real.sum(), rtol=0, atol=1e-14)


@kernel()
def every_real_operation(cells, number, out):
    x, y = at(cells, 0), at(cells, 1)
    ordered = (smaller(x, y), larger(number, x), fused(x, y, number))
    results = (x + y, x - y, x * y, x / y, x + number, number - x, x * number, number / x, x / number, *ordered)
    for i in range(12):
        put(out, i, results[i])


@kernel()
def by_places(cells, out):
    for i in range(len(cells)):
        put(out, i, at(cells, i) * at(2.0, i))


def test_arithmetic_of_real_lanes_and_of_single_numbers_is_that_of_numpy(seed):
    random = np.random.default_rng(seed)
    x, y = rows = random.normal(size=(2, LANES))
    a, out = 0.17, np.full((13, LANES), np.nan)
    every_real_operation(rows, a, out)
    np.testing.assert_array_equal(out[:9], [x + y, x - y, x * y, x / y, x + a, a - x, x * a, a / x, x / a])
    np.testing.assert_array_equal(out[9:11], [np.minimum(x, y), np.maximum(a, x)])
    exact = [float(Fraction(one) * Fraction(other) + Fraction(a)) for one, other in zip(x, y, strict=True)]
    np.testing.assert_array_equal(out[11], exact)
    assert np.isnan(out[12]).all()
    single = np.empty(12)
    every_real_operation(rows[:, 3].copy(), a, single)
    np.testing.assert_array_equal(single, out[:12, 3])
    every_real_operation(np.array([np.nan, 2.0]), np.nan, single)
    assert single[9] == 2.0 and np.isnan(single[10])  # the second, where one is no number


def test_rows_of_a_transpose_are_gathered_and_scattered(seed):
    numbers = np.random.default_rng(seed).normal(size=(LANES, 5))
    for cells in (numbers.T, np.ascontiguousarray(numbers.T), numbers[0].copy()):
        out = np.full_like(cells, np.nan)
        by_places(cells, out)
        np.testing.assert_array_equal(out, 2 * cells)


@kernel()
def moved_up(flat, first, out):
    for i in range(first, len(flat) - LANES, LANES):
        put_eight(out, i + 1, eight(flat, i))


def test_eight_neighbours_are_read_and_written_from_any_place(seed):
    numbers = np.random.default_rng(seed).normal(size=4 * LANES)
    out = np.full(len(numbers), np.nan)
    moved_up(numbers, 3, out)
    np.testing.assert_array_equal(out[4:-4], numbers[3:-5])
    assert np.isnan(out[:4]).all() and np.isnan(out[-4:]).all()
