"""Eight complex numbers as one value of compiled code: its arithmetic beside NumPy's."""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.lanes import LANES, load, real_sum, split, store
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
