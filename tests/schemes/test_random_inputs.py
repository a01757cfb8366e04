"""The random inputs of steps: their laws, and how those of a coarse step come from those of fine ones."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import rows_of
from scipy import stats

from fpsde.noise import Normals
from fpsde.schemes.inputs import DW, DW_I10, THREE_POINT, TWO_POINT, UNIFORM, Z

#: Level of each statistical test here.
ALPHA = 1e-8
SUBS = [1, 2, 3, 8, 25]


def normals(seed, rows, particles=2000):
    """Return normals (rows, about ``particles``) of the generator."""
    return np.concatenate(
        [rows_of(Normals.FLOAT64, range(rows), seed=seed, first=512 * k) for k in range(-(-particles // 512))], axis=1
    )


def coarse_normals(kind, z):
    """Return the normals (r, n) of one coarse step from those (sub, r, n) of the fine ones."""
    return np.einsum("kij,kjn->in", kind.weights(len(z)), z)


@pytest.mark.parametrize("sub", SUBS)
def test_a_coarse_increment_is_the_sum_of_the_fine_ones(sub, seed):
    dt = 0.3
    z = normals(seed, sub).reshape(sub, 1, -1)
    fine = [DW.form(z[k], np.sqrt(dt / sub), dt / sub) for k in range(sub)]
    coarse = DW.form(coarse_normals(DW, z), np.sqrt(dt), dt)
    np.testing.assert_allclose(coarse, np.sum(fine, axis=0), atol=1e-14)


@pytest.mark.parametrize("sub", SUBS)
def test_a_coarse_pair_of_dw_and_i10_is_that_of_the_fine_path(sub, seed):
    """I10 = int_0^dt W ds = sum_k [I10_k + dt_f (W_k - W_0)] by its definition."""
    dt, dt_f = 0.3, 0.3 / sub
    z = normals(seed, 2 * sub).reshape(sub, 2, -1)
    w, i10 = 0.0, 0.0
    for k in range(sub):
        dw, fine = DW_I10.form(z[k], np.sqrt(dt_f), dt_f)
        i10 = i10 + fine + dt_f * w
        w = w + dw
    coarse = DW_I10.form(coarse_normals(DW_I10, z), np.sqrt(dt), dt)
    np.testing.assert_allclose(coarse[0], w, atol=1e-14)
    np.testing.assert_allclose(coarse[1], i10, atol=1e-14)


@pytest.mark.parametrize("sub", SUBS)
@pytest.mark.parametrize("kind", [DW, DW_I10], ids=lambda kind: kind.name)
def test_coarse_normals_are_independent_standard_normals(kind, sub):
    """They are linear in the fine ones, so their covariance w w^T decides."""
    w = kind.weights(sub)
    flat = w.transpose(1, 0, 2).reshape(kind.normals, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(kind.normals), atol=1e-14)


def test_dw_and_i10_have_their_covariance():
    """E dW^2 = dt, E dW I10 = dt^2/2, E I10^2 = dt^3/3 (Kloeden & Platen (1992), eq. (10.4.2)): linear in z."""
    dt = 0.3
    factors = np.array([[part for part in DW_I10.form(unit, np.sqrt(dt), dt)] for unit in np.eye(2)]).T
    np.testing.assert_allclose(factors @ factors.T, [[dt, dt**2 / 2], [dt**2 / 2, dt**3 / 3]], rtol=1e-14)


@pytest.mark.parametrize("kind", [TWO_POINT, THREE_POINT], ids=lambda kind: kind.name)
def test_a_discrete_input_takes_its_values_with_their_probabilities(kind, seed):
    z = normals(seed, 256, 4096)
    dt = 0.25
    found = kind.form((z,), np.sqrt(dt), dt).ravel()
    values, probabilities = np.array(kind.support).T
    counts = [np.count_nonzero(found == value * np.sqrt(dt)) for value in values]
    assert sum(counts) == found.size > 10**6
    assert stats.chisquare(counts, probabilities * found.size).pvalue > ALPHA
    assert (
        stats.chisquare(
            counts, np.array([0.505, 0.495] if len(values) == 2 else [0.17, 0.66, 0.17]) * found.size
        ).pvalue
        < ALPHA
    )


def test_three_points_change_at_the_quantiles_of_one_sixth():
    """No sample would see a part in 1e8 of a probability."""
    edges = stats.norm.isf(1 / 6) * np.array([-1 - 1e-14, -1 + 1e-14, 1 - 1e-14, 1 + 1e-14])
    np.testing.assert_array_equal(THREE_POINT.form((edges,), 1.0, 1.0), np.sqrt(3) * np.array([-1, 0, 0, 1]))
    np.testing.assert_array_equal(TWO_POINT.form((np.array([-1e-300, 0.0]),), 1.0, 1.0), [-1, 1])


def test_the_moments_of_the_discrete_inputs_are_those_of_dw():
    """Up to order 3 for two points, up to 5 for three (Kloeden & Platen (1992), eqs. (14.1.2), (14.2.1))."""
    gaussian = {1: 0.0, 2: 1.0, 3: 0.0, 4: 3.0, 5: 0.0, 6: 15.0}
    for kind, upto in ((TWO_POINT, 3), (THREE_POINT, 5)):
        values, probabilities = np.array(kind.support).T
        moments = {k: float(np.sum(probabilities * values**k)) for k in gaussian}
        for k in range(1, upto + 1):
            assert moments[k] == pytest.approx(gaussian[k], abs=1e-15), (kind.name, k)
        assert abs(moments[upto + 1] - gaussian[upto + 1]) > 1


def test_the_uniform_input_is_uniform_and_independent_of_its_neighbours(seed):
    z = normals(seed, 512, 4096)
    u = UNIFORM.form((z[0::2], z[1::2]), 0.5, 0.25)
    assert np.all((u > 0) & (u <= 1))
    assert stats.kstest(u.ravel(), "uniform").pvalue > ALPHA
    offset = UNIFORM.form((z[1:-1:2], z[2::2]), 0.5, 0.25)  # of two different pairs: no matter
    assert stats.kstest(offset.ravel(), "uniform").pvalue > ALPHA
    one = np.exp(-0.5 * z[0::2] ** 2)  # of one normal it would not be
    assert stats.kstest(one.ravel(), "uniform").pvalue < ALPHA
    centred = (u - 0.5) * np.sqrt(12)
    for a, b in ((centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1])):
        assert 2 * stats.norm.sf(abs(np.mean(a * b)) * np.sqrt(a.size)) > ALPHA


def test_z_is_a_raw_normal_without_a_refinement():
    assert Z.form((1.5,), 0.1, 0.01) == 1.5 and Z.weights is None
