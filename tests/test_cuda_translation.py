"""What becomes of functions that Numba compiles when they are made CUDA text."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from emulated_gpu import FLAGS, NEEDS_COMPILER, built, compiler_is_missing

from fpsde.cuda_translation import VIEWS, translated
from fpsde.errors import InvalidInput
from fpsde.jit import kernel
from fpsde.schemes.kernel import cuda_prelude

SCALE = 0.75


@kernel()
def parts(new, i):
    if i % 1 == 0:
        return new[i], new[i] / 3.0
    return new[i], new[i]


@kernel()
def pair(new, i):
    return new[i] - SCALE, new[i] / 3.0


@kernel()
def other(new, i):
    return new[i], new[i]


@kernel()
def collect(cells, out, turn):
    """Write sums of neighbours, forwards or backwards, until they reach the end."""
    n = len(cells)
    total, last = 0.0, 0.0
    for i in range(n - 1, -1, -1):
        first, third = pair(cells, i)
        total, last = total + first * third, total
        if turn and not total < last:
            out[i] = total - last
        else:
            out[i] = -last if i == 0 else last
    k = 0
    while k < n and (out[k] > 0.0 or turn):
        out[k] *= SCALE
        k += 1
    return total


@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_the_text_has_the_bits_of_the_function(tmp_path):
    call = """
    extern "C" double collected(double* cells, double* out, i64 n, int turn) {
        return collect(Cells<double>{cells, 1, n}, Cells<double>{out, 1, n}, turn != 0);
    }
    """
    text = cuda_prelude("float64") + VIEWS + translated([collect]) + call
    library = built(text, tmp_path, (*FLAGS, "-ffp-contract=off"))
    library.collected.restype = ctypes.c_double
    for turn in (False, True):
        cells, out, expected = np.random.default_rng(3).normal(size=9), np.empty(9), np.empty(9)
        total = library.collected(ctypes.c_void_p(cells.ctypes.data), ctypes.c_void_p(out.ctypes.data), 9, int(turn))
        assert collect.py_func(cells, expected, turn) == total
        np.testing.assert_array_equal(out, expected)


def test_numbers_of_a_module_are_printed_to_the_last_digit_and_names_can_be_given_others():
    assert "(new_[i] - 0.75)" in translated([pair])
    assert "(new_[i] - 7)" in translated([pair], renamed={"SCALE": 7})
    assert "= other(cells, i);" in translated([collect], renamed={"pair": other})
    assert translated([collect, pair]).count("auto pair(") == 1  # what is called comes along, once


@kernel()
def with_a_slice(cells):
    cells[1:] = 0.0


@kernel()
def with_a_power(x):
    return x**2


@kernel()
def with_a_name_from_within(x):
    if x > 0:
        y = x
    return y


@kernel()
def with_a_list(x):
    for y in [x]:
        x = x + y
    return x


@pytest.mark.parametrize(
    "function, part",
    [
        (parts, "i % 1"),
        (with_a_slice, r"cells\[1:\]"),
        (with_a_power, r"x \*\* 2"),
        (with_a_name_from_within, "'y'"),
        (with_a_list, r"for y in \[x\]"),
    ],
)
def test_what_has_no_form_is_refused_by_name(function, part):
    with pytest.raises(InvalidInput, match=f"{function.__name__} cannot become CUDA text: .*{part}"):
        translated([function])
