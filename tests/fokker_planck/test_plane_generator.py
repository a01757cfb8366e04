"""Q of two components itself: signs, column sums, known stationary laws, consistency, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import assemble
from fpsde.fokker_planck.plane.assembly import assemble_plane
from fpsde.fokker_planck.plane.generator import centres, volumes
from fpsde.fokker_planck.plane.lattice import offsets_and_weights
from fpsde.grid import Grid
from fpsde.processes import linear_system, rotating_ou, underdamped
from fpsde.processes.process import Process
from fpsde.processes.statement import KINETIC

WALLS = {
    "line": LINE,
    "reflecting": Interval.between(-3, 3, Wall.REFLECTING),
    "absorbing": Interval.between(-3, 3, Wall.ABSORBING),
    "ring": Interval.between(-3, 3, Wall.PERIODIC),
    "mixed": Interval(-3, 3, Wall.REFLECTING, Wall.ABSORBING),
}
K = np.pi / 3


def diagonal(domain=LINE):
    """A drift that turns and a diffusivity that varies, both periodic on [-3, 3]^2; no correlation."""
    return Process(
        drift=lambda x: (1 + np.sin(K * x[0]) * np.cos(K * x[1]), 2 * np.sin(K * x[0]) - np.sin(K * x[1])),
        sigma=lambda x: (1.5 + 0.4 * np.cos(K * x[0]), 1.2 + 0.3 * np.sin(K * x[0] + K * x[1])),
        dim=2,
        domain=domain,
        name="diagonal",
    )


def correlated(domain=LINE, narrow=0.0):
    """The same drift with noise whose correlation changes sign; ``narrow`` makes it one-sided, along (3, 2)."""
    return Process(
        drift=diagonal().drift,
        sigma=lambda x: (
            (1 + 3 * narrow, 0.5 * np.sin(K * x[0]), 0.2),
            (0.4 * np.sin(K * x[1]) + 2 * narrow, 0.8, 0.1),
        ),
        dim=2,
        domain=domain,
        name="correlated",
    )


def kramers(temperature=0.3):
    return underdamped(lambda x: x**4 / 4 - x**2 / 2, temperature, friction=0.7, mass=1.3)


SHAPES = {
    "diagonal": diagonal,
    "correlated": correlated,
    "narrow": lambda domain: correlated(domain, 1.0),
    "silent": lambda domain: Process(
        lambda x: (x[1], -np.sin(x[0]) - x[1]), lambda x: (0.0 * x[0], 1.5), dim=2, domain=domain, name="silent"
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("first", "second"), [("line", "ring"), ("ring", "mixed"), ("absorbing", "reflecting")])
def test_columns_sum_to_minus_the_exits_and_rates_are_not_negative(shape, first, second):
    if shape == "silent":
        second, first = second, {"mixed": "absorbing"}.get(first, first)
    process = SHAPES[shape]((WALLS[first], WALLS[second]))
    q = assemble_plane(process, Grid.uniform((-3, 3), (-3, 3), cells=(17, 13)))
    dense = q.matrix.toarray()
    np.testing.assert_allclose(dense.sum(axis=0), -q.exits.sum(axis=0), atol=1e-12 * q.max_rate)
    assert np.all(dense - np.diag(np.diag(dense)) >= 0) and q.max_rate == -np.diag(dense).min()
    for k, wall in enumerate((first, first, second, second)):
        assert (q.exits[k].sum() > 0) == (wall == "absorbing" or (wall == "mixed" and k % 2 == 1))
    m = np.random.default_rng(1).uniform(size=len(dense))
    np.testing.assert_allclose(q.apply(m), dense @ m, atol=1e-12 * q.max_rate)


def graded(cells, stretch=1.5):
    s = np.linspace(-1, 1, cells + 1)
    return 3 * np.sinh(stretch * s) / np.sinh(stretch)


@pytest.mark.parametrize("first", WALLS)
@pytest.mark.parametrize("second", ["reflecting", "ring", "mixed"])
def test_components_that_do_not_meet_have_the_sum_of_their_generators(stand_in, first, second):
    a = stand_in(lambda x, t: 0.5 + x + 3 * np.sin(K * x), lambda x, t: 1 + 0.3 * np.cos(K * x), WALLS[first])
    b = stand_in(lambda x, t: np.cos(K * x), lambda x, t: 0.4 + 0.1 * np.sin(K * x), WALLS[second])
    both = Process(
        drift=lambda x: (0.5 + x[0] + 3 * np.sin(K * x[0]), np.cos(K * x[1])),  # x jumps at the seam of a ring
        sigma=lambda x: (np.sqrt(2 + 0.6 * np.cos(K * x[0])), np.sqrt(0.8 + 0.2 * np.sin(K * x[1]))),
        dim=2,
        domain=(WALLS[first], WALLS[second]),
    )
    axes = graded(21), graded(17, 0.8)
    axes = tuple(np.r_[-3.0, faces[1:-1], 3.0] for faces in axes)
    q1, q2 = (assemble(process, Grid((faces,))).dense() for process, faces in zip((a, b), axes, strict=True))
    q = assemble_plane(both, Grid(axes))
    expected = np.kron(q1, np.eye(len(q2))) + np.kron(np.eye(len(q1)), q2)
    np.testing.assert_allclose(q.matrix.toarray(), expected, rtol=1e-11, atol=1e-11)


def balanced(matrix, masses):
    """Return the largest |Q_ij m_j - Q_ji m_i| beside the largest flux."""
    flux = sparse.csc_array(matrix * masses)
    return abs(flux - flux.T).max() / abs(flux).max()


def energy(x):
    return 0.5 * x[0] ** 2 + 0.25 * x[1] ** 4 + 0.6 * x[0] * x[1]


def test_a_gradient_drift_is_in_detailed_balance_with_its_boltzmann_law():
    potential = Process(  # D(x) diagonal, kinetic: drift -D grad U
        drift=lambda x: (-(1 + 0.3 * np.sin(x[1])) * (x[0] + 0.6 * x[1]), -0.5 * (x[1] ** 3 + 0.6 * x[0])),
        sigma=lambda x: (np.sqrt(2 + 0.6 * np.sin(x[1])), 1.0),
        dim=2,
        interpretation=KINETIC,
    )
    grid = Grid((graded(24), graded(30)))
    law = np.exp(-energy(centres(grid))) * volumes(grid)
    q = assemble_plane(potential, grid)
    assert balanced(q.matrix, law) < 1e-13
    ito = assemble_plane(replace(potential, sigma=lambda x: (np.sqrt(2 + 0.6 * np.sin(x[0])), 1.0)), grid)
    assert balanced(ito.matrix, law) > 1e-3


def test_correlated_noise_of_a_constant_tensor_keeps_its_boltzmann_law():
    d = np.array([[1.0, 0.5], [0.5, 0.6]])
    slope = (lambda x: x[0] + 0.6 * x[1], lambda x: x[1] ** 3 + 0.6 * x[0])
    process = Process(
        drift=lambda x: tuple(-d[i, 0] * slope[0](x) - d[i, 1] * slope[1](x) for i in (0, 1)),
        sigma=lambda x: np.linalg.cholesky(2 * d),
        dim=2,
    )
    grid = Grid.uniform((-4, 4), (-3, 3), cells=(40, 24))
    law = np.exp(-energy(centres(grid)))
    assert balanced(assemble_plane(process, grid).matrix, law) < 1e-13
    uncorrelated = replace(process, sigma=lambda x: np.sqrt(2 * np.diag(d)))  # the cross term dropped
    assert balanced(assemble_plane(uncorrelated, grid).matrix, law) > 1e-2


def test_klein_kramers_keeps_its_gibbs_law_exactly_and_plain_upwinding_does_not():
    process = kramers()
    for grid in (
        Grid.uniform((-2.5, 2.5), (-2.5, 2.5), cells=(40, 30)),
        Grid((graded(40), graded(30))),
    ):
        q = assemble_plane(process, grid)
        x, v = centres(grid)
        law = np.exp(-(0.65 * v**2 + x**4 / 4 - x**2 / 2) / 0.3) * volumes(grid)
        assert np.abs(q.apply(law)).sum() < 1e-14 * (q.out_rates @ law)
        assert q.along_axes
        plain = assemble_plane(replace(process, energy=None), grid)
        assert np.abs(plain.apply(law)).sum() > 1e-3 * (plain.out_rates @ law)
    np.testing.assert_allclose(plain.matrix.sum(axis=0), 0, atol=1e-12 * plain.max_rate)


def test_noise_that_depends_on_the_velocity_keeps_its_gibbs_law_exactly():
    process = Process(  # D(v) = 0.4 + 0.2 sin v, drift of v: D' - D v/T - U', with U = x^2/2
        drift=lambda x, p: (x[1], 0.2 * np.cos(x[1]) - (0.4 + 0.2 * np.sin(x[1])) * x[1] / p.temperature - x[0]),
        sigma=lambda x: (0.0 * x[0], np.sqrt(0.8 + 0.4 * np.sin(x[1]))),
        dim=2,
        params={"temperature": 0.5},
        energy=lambda x, t, p: (x[0] ** 2 + x[1] ** 2) / 2,
    )
    grid = Grid.uniform((-4, 4), (-4, 4), cells=40)
    law = np.exp(-(centres(grid) ** 2).sum(axis=0))
    q = assemble_plane(process, grid)
    assert np.abs(q.apply(law)).sum() < 1e-14 * (q.out_rates @ law)


def test_klein_kramers_on_a_ring_keeps_its_gibbs_law_across_the_seam():
    ring = Interval.between(-np.pi, np.pi, Wall.PERIODIC)
    process = underdamped(lambda x: 1 - np.cos(x), 0.5, domain=ring)
    grid = Grid.uniform((-np.pi, np.pi), (-4, 4), cells=(24, 32))
    x, v = centres(grid)
    law = np.exp(-(v**2 / 2 - np.cos(x)) / 0.5)
    q = assemble_plane(process, grid)
    assert np.abs(q.apply(law)).sum() < 1e-14 * (q.out_rates @ law)
    through = q.currents(law).reshape(-1)[: len(q.families[0].tails)]
    assert len(through) == 24 * 32 and np.all(np.sign(through) == np.sign(v))  # every face, the seam included


def test_every_tensor_is_a_sum_of_jumps_with_weights_that_are_not_negative(seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(2, 2, 500)) * 10 ** rng.uniform(-0.5, 0.5, size=(2, 2, 500))
    d = np.einsum("ikn,jkn->ijn", a, a)
    product = d[0, 0] * d[1, 1]
    d = d[..., product - d[0, 1] ** 2 > 0.03 * product]
    e, rho = offsets_and_weights(d[0, 0], d[0, 1], d[1, 1])
    np.testing.assert_allclose(np.einsum("kn,kin,kjn->ijn", rho, e, e), d, rtol=1e-10)
    assert np.all(rho >= 0) and np.all((e[:, 0] > 0) | ((e[:, 0] == 0) & (e[:, 1] > 0)))
    dominant = np.abs(d[0, 1]) <= np.minimum(d[0, 0], d[1, 1])
    assert 100 < dominant.sum() < 450
    assert np.abs(e[:, :, dominant]).max() == 1  # the seven points
    assert np.abs(e[:, :, ~dominant] * (rho[:, None, ~dominant] > 0)).max(axis=(0, 1)).min() > 1


def test_a_tensor_that_is_too_narrow_is_refused():
    entries = (np.array([value]) for value in (1.0, 0.0094, 0.0001))
    with pytest.raises(
        InvalidInput, match=r"diffusivity \[\[1, 0\.0094\], \[0\.0094, 0\.0001\]\] in units of the cells"
    ):
        offsets_and_weights(*entries)


def backward_of(process, x):
    """Return L u = mu.grad u + D_ij d_i d_j u of u = sin(x_0 + 1/2) cos(2 x_1), (n,)."""
    mu, d = process.ito_drift(x), process.diffusivity(x)
    s, c = np.sin(x[0] + 0.5), np.cos(x[0] + 0.5)
    s2, c2 = np.sin(2 * x[1]), np.cos(2 * x[1])
    second = d[0, 0] * -s * c2 + d[1, 1] * -4 * s * c2 + 2 * d[0, 1] * c * -2 * s2
    return s * c2, mu[0] * c * c2 + mu[1] * s * -2 * s2 + second


@pytest.mark.parametrize(("shape", "order"), [("diagonal", 2), ("correlated", 2), ("narrow", 2), ("silent", 1)])
def test_the_backward_operator_is_met_with_its_order_inside(shape, order):
    process, errors = SHAPES[shape](LINE), []
    for cells in (30, 60, 120):
        grid = Grid.uniform((-3, 3), (-3, 3), cells=cells)
        x = centres(grid)
        u, exact = backward_of(process, x)
        inside = np.abs(x).max(axis=0) < 1.5
        errors.append(np.abs(assemble_plane(process, grid).matrix.T @ u - exact)[inside].max())
    observed = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(observed - order) < 0.35), errors
    if shape == "correlated":
        dropped = replace(process, sigma=lambda x: tuple(np.sqrt(2 * v) for v in _variances(x)))
        assert np.abs(assemble_plane(dropped, grid).matrix.T @ u - exact)[inside].max() > 20 * errors[-1]


def _variances(x):
    a, b = np.sin(K * x[0]), np.sin(K * x[1])
    return 0.5 * (1 + 0.25 * a * a + 0.04), 0.5 * (0.16 * b * b + 0.64 + 0.01)


def test_the_stationary_current_turns_as_the_drift_does():
    grid = Grid.uniform((-5, 5), (-5, 5), cells=80)
    x = centres(grid)
    law = np.exp(-0.5 * (x**2).sum(axis=0))

    def residual(omega):
        return np.abs(assemble_plane(rotating_ou(1.0, omega), grid).apply(law)).sum() / law.sum()

    assert residual(1.0) < 0.01 and residual(0.0) < 1e-12
    q = assemble_plane(rotating_ou(1.0, 1.0), grid)
    current = q.currents(law)[: len(q.families[0].tails)]  # along x_0: omega x_1 p
    at = x[1][q.families[0].tails]
    assert np.all(np.sign(current[np.abs(at) < 3]) == np.sign(at[np.abs(at) < 3]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sigma": lambda x: (np.sqrt(x[0]), 1.0)},
            r"diffusivity of bad is \[\[-1\.4\d*, 0\.0\].*at x=\(-2\.9\S* \S+\).*positive semi-definite",
        ),
        ({"sigma": lambda x: (np.maximum(x[0], 0.0), 1.0)}, r"\(\d+ of \d+ points\).*have D_11 > 0 everywhere, or now"),
        ({"sigma": lambda x: (0.0, 0.0 * x[0])}, r"bad has no noise on this grid at t=0\.0"),
        ({"sigma": lambda x: ((1.0,), (0.5,))}, r"at x=\(-2\.9\S*, \S+\).*have an inverse where noise is correlated"),
        ({"drift": lambda x: (np.log(x[0]), 0.0)}, r"drift of bad is .*nan.* at x=\(-2\.9"),
        (
            {"sigma": lambda x: (0.0, 1.0), "domain": (WALLS["reflecting"], LINE)},
            r"component 0 of bad has a reflecting wall and no noise",
        ),
        ({"domain": (Interval(0, np.inf), LINE)}, r"grid \[-3\.0, 3\.0\] reaches outside of the domain \(0, inf\)"),
    ],
)
def test_coefficients_out_of_range_are_refused_where_they_are(changes, message):
    process = Process(
        **{"drift": lambda x: (-x[0], -x[1]), "sigma": lambda x: (1.0, 1.0), "dim": 2, "name": "bad"} | changes
    )
    with np.errstate(invalid="ignore"), pytest.raises(InvalidInput, match=message):
        assemble_plane(process, Grid.uniform((-3, 3), (-3, 3), cells=(40, 30)))


class Indefinite:
    """A stand-in whose diffusivity is indefinite right of x_0 = 1."""

    name, dim, intervals, energy, time_dependent = "indefinite", 2, (LINE, LINE), None, False

    def ito_drift(self, x, t):
        return -x

    def diffusivity(self, x, t):
        off = np.where(x[0] > 1, 1.1, 0.2)
        return np.array([[np.ones_like(off), off], [off, np.ones_like(off)]])


def test_an_indefinite_diffusivity_is_refused_where_it_is():
    with pytest.raises(
        InvalidInput, match=r"is \[\[1\.0, 1\.1\], \[1\.1, 1\.0\]\] at x=\(1\.1\d*, -2\.9\d*\).*semi-definite"
    ):
        assemble_plane(Indefinite(), Grid.uniform((-3, 3), (-3, 3), cells=(40, 30)))


def test_correlated_noise_on_unequal_cells_is_refused():
    process = linear_system([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.5, 1.0]])
    with pytest.raises(
        InvalidInput, match=r"noise of linear_system is correlated, and the cells along axis 1 are 0\.\d+"
    ):
        assemble_plane(process, Grid((np.linspace(-3, 3, 20), graded(20))))
