"""Weak orders at walls, without sampling noise; where noise is correlated; and the order 1/2 without corrections.

Coefficients vary up to the wall and the law is known all the same: X = g(Y) with Y Brownian motion between walls is
dX = g'(Y) (sigma o dW + drift dt) between the images of the walls, and its law is that of Y, carried over by g.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from bare_kernels import LANES, one_step
from bare_processes import between, ou
from scipy import stats

from fpsde.checks import order
from fpsde.checks.result import Verdict
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators import simulate
from fpsde.laws import scheme_law
from fpsde.noise_class import NoiseType
from fpsde.panels import panel_rule
from fpsde.processes.black_box import BlackBox
from fpsde.processes.linear import brownian
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH
from fpsde.schemes import SCHEMES, euler_maruyama, milstein, tamed_euler
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.conormal import conormals
from fpsde.schemes.controls import projected, without_crossing
from fpsde.schemes.tracing import traced_step
from fpsde.schemes.walls import CORRECTED

ALPHA = 1e-8
REFLECTING, ABSORBING, PERIODIC, NONE = Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC, Wall.NONE
T_END = 0.3


@dataclass(frozen=True)
class Walled:
    """A process with walls whose law is that of ``carry(Y)``, Y Brownian motion from ``y0`` between walls."""

    process: Process
    x0: float
    brownian: Process
    y0: float
    carry: object

    @property
    def law(self):
        return self.brownian.exact.transition(self.y0, T_END)

    def expectation(self, f):
        return self.law.expectation(lambda y: f(self.carry(y)))


def geometric(low_wall, high_wall, drift=0.0):
    """X = exp(Y) between 1 and 2, sigma(x) = x/2."""
    walls = Interval(1.0, 2.0, low_wall, high_wall)
    process = Process(
        drift=lambda x, t, p: p.drift * x,
        sigma=lambda x: 0.5 * x,
        params={"drift": drift},
        interpretation=STRATONOVICH,
        domain=walls,
    )
    motion = brownian(drift, 0.5, domain=Interval(0.0, math.log(2), low_wall, high_wall))
    return Walled(process, 1.4, motion, math.log(1.4), np.exp)


def circle(drift=0.7):
    """X = 2 arctan(sqrt((a + b)/(a - b)) tan(Y/2)) on the circle, sigma(x) = a + b cos x with a = 1, b = 0.6."""
    process = Process(
        drift=lambda x, t, p: p.drift * (1 + 0.6 * np.cos(x)),
        sigma=lambda x: 1 + 0.6 * np.cos(x),
        params={"drift": drift},
        interpretation=STRATONOVICH,
        domain=Interval(-math.pi, math.pi, PERIODIC, PERIODIC),
    )
    motion = brownian(0.8 * drift, 0.8, domain=Interval(-math.pi, math.pi, PERIODIC, PERIODIC))
    y0 = 0.9
    carry = lambda y: 2 * np.arctan2(np.sqrt(1.6) * np.sin(y / 2), np.sqrt(0.4) * np.cos(y / 2))  # noqa: E731
    return Walled(process, float(carry(y0)), motion, y0, carry)


CASES = {
    "reflecting": geometric(REFLECTING, REFLECTING, 0.3),
    "absorbing": geometric(ABSORBING, ABSORBING, -0.6),
    "absorbing and reflecting": geometric(ABSORBING, REFLECTING),
    "reflecting and absorbing": geometric(REFLECTING, ABSORBING),
    "periodic": circle(),
}
WITH_WALLS = (euler_maruyama, milstein, tamed_euler)
STEPS = np.array([16, 32, 64, 128, 256, 512])
SMOOTH = (np.cos, lambda x: x * np.sin(x))


def has_order(errors, expected):
    """Assert the order in dt of errors at ``T_END/STEPS``: at walls they are series in sqrt(dt), and so are judged."""
    result = order(np.sqrt(T_END / STEPS), errors, expected=2 * expected, floor=1e-11, candidates=(1.0, 2.0, 3.0))
    assert result.verdict is Verdict.PASS, str(result)
    assert result.low <= 2 * expected <= result.high, str(result)
    assert max(map(abs, errors)) > 3e-5


@pytest.mark.parametrize("scheme", WITH_WALLS, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("name", CASES)
def test_the_weak_order_at_walls_is_the_one_that_is_stated(scheme, name):
    """Of smooth functions of X and, where walls absorb, of the mass that each has taken: first passage up to t_end."""
    case = CASES[name]
    laws = [scheme_law(case.process, scheme, x0=case.x0, t_end=T_END, dt=T_END / n).law for n in STEPS]
    assert scheme.weak_order(case.process) == 1.0
    for f in SMOOTH:
        has_order([law.expectation(f) - case.expectation(f) for law in laws], 1.0)
    absorbing = [w for w in (case.process.domain.low_wall, case.process.domain.high_wall) if w is ABSORBING]
    assert len(case.law.atoms) == len(absorbing)
    for end, (_, mass) in enumerate(case.law.atoms):
        has_order([law.atoms[end][1] - mass for law in laws], 1.0)


# --- without the corrections


def expectations(scheme, process, functions, x0, n_steps):
    """Return E f(X) after ``n_steps`` for each f, by u_n(x) = E u_(n+1)(step(x, z)) on panels: the step as array code.

    The walls of the process absorb, or all reflect; the step is Euler's, whose end is linear in z, and no function of
    the uniforms. The integral over z is cut where the step meets a wall.
    """
    interval, dt = process.domain, T_END / n_steps
    step = ArrayStep(scheme, process)
    share = np.concatenate([0.5 * 0.5 ** np.arange(6, 0, -1), [0.5], 1 - 0.5 * 0.5 ** np.arange(1, 7)])
    faces = interval.low + interval.length * np.concatenate([[0.0], share, [1.0]])
    nodes = np.concatenate([panel_rule(faces)[0], [x0]])
    mean = nodes + process.ito_drift(nodes) * dt
    spread = process.noise_coefficient(nodes) * math.sqrt(dt)
    cuts = np.stack([(interval.low - mean) / spread, (interval.high - mean) / spread]).clip(-9, 9)
    rules = [panel_rule(np.unique(np.concatenate([np.linspace(-9, 9, 9), cut]))) for cut in cuts.T]
    size = max(len(z) for z, _ in rules)
    z, w = (np.array([np.pad(rule[k], (0, size - len(rule[k]))) for rule in rules]) for k in (0, 1))
    w *= np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    noise = np.zeros((step.normals, z.size))
    noise[0], noise[1:] = z.ravel(), 0.6
    ends = step.advance(np.repeat(nodes, size)[None], noise, 0.0, dt)[0]
    stuck = ABSORBING in (interval.low_wall, interval.high_wall)
    on_low, on_high = stuck & (ends == interval.low), stuck & (ends == interval.high)
    rows = interpolation(faces, ends)
    rows[on_low | on_high] = 0.0
    rows = np.column_stack([rows, on_low, on_high])
    matrix = (rows * w.ravel()[:, None]).reshape(len(nodes), size, -1).sum(axis=1)
    places = np.concatenate([nodes[:-1], [interval.low, interval.high]])
    u = np.stack([f(places) for f in functions], axis=1)
    for _ in range(n_steps - 1):
        u = np.concatenate([matrix[:-1] @ u, u[-2:]])
    return matrix[-1] @ u


def interpolation(faces, x):
    """Return the weights ``(n, nodes)`` of the polynomial of each panel at ``x``."""
    per = len(panel_rule(faces)[0]) // (len(faces) - 1)
    nodes = panel_rule(faces)[0].reshape(-1, per)
    panel = np.clip(np.searchsorted(faces, x) - 1, 0, len(faces) - 2)
    out = np.zeros((len(x), nodes.size))
    for k in range(per):
        others = np.delete(nodes[panel], k, axis=1)
        lagrange = np.prod((x[:, None] - others) / (nodes[panel, k, None] - others), axis=1)
        out[np.arange(len(x)), panel * per + k] = lagrange
    return out


def test_particles_put_onto_a_reflecting_wall_have_order_one_half():
    case = CASES["reflecting"]
    scheme = projected(euler_maruyama)
    found = np.array([expectations(scheme, case.process, SMOOTH, case.x0, n) for n in STEPS])
    for f, column in zip(SMOOTH, found.T, strict=True):
        has_order(column - case.expectation(f), scheme.weak_order(case.process))
    (mirrored,) = expectations(euler_maruyama, case.process, [np.cos], case.x0, 32)
    law = scheme_law(case.process, euler_maruyama, x0=case.x0, t_end=T_END, dt=T_END / 32).law
    assert mirrored == pytest.approx(law.expectation(np.cos), abs=1e-11)  # the sum is right where the law is known


def test_crossings_missed_between_steps_cost_half_an_order():
    case = CASES["absorbing"]
    scheme = without_crossing(euler_maruyama)
    assert scheme.weak_order(case.process) == 0.5
    walls = [lambda x: 1.0 * (x <= 1.0), lambda x: 1.0 * (x >= 2.0)]
    found = np.array([expectations(scheme, case.process, walls, case.x0, n) for n in STEPS])
    for (_, mass), column in zip(case.law.atoms, found.T, strict=True):
        has_order(column - mass, 0.5)


def test_a_control_moves_particles_as_it_is_named(seed):
    z = np.random.default_rng(seed).normal(size=(3, LANES))
    x = np.linspace(-0.7, 0.9, LANES)
    moved = one_step(euler_maruyama, ou(), x, z[:1], times=[0.0, 0.5])[0]
    onto = one_step(projected(euler_maruyama), ou(domain=between(REFLECTING)), x, z[:1], times=[0.0, 0.5])[0]
    np.testing.assert_allclose(onto, np.clip(moved, -0.7, 0.9), rtol=1e-14)
    ends = one_step(without_crossing(euler_maruyama), ou(domain=between(ABSORBING)), x, z, times=[0.0, 0.5])[0]
    np.testing.assert_allclose(ends[1:-1], np.clip(moved, -0.7, 0.9)[1:-1], rtol=1e-14)
    assert ends[0] == -0.7 and ends[-1] == 0.9  # they began on the walls
    bridged = one_step(euler_maruyama, ou(domain=between(ABSORBING)), x, z, times=[0.0, 0.5])[0]
    assert np.mean(bridged != ends) > 0.05


def test_controls_are_no_schemes_of_the_package_and_have_no_exact_law():
    for control in (projected(euler_maruyama), without_crossing(milstein)):
        assert control.name not in SCHEMES
        with pytest.raises(InvalidInput, match=f"{control.name} has walls of its own kind"):
            scheme_law(CASES["reflecting"].process, control, x0=1.4, t_end=0.1, dt=0.01)
    assert all(scheme.wall_form is CORRECTED for scheme in SCHEMES.values())
    unwalled = projected(SCHEMES["heun"])
    with pytest.raises(Unsuited, match="heun_projected has no form at the reflecting/reflecting walls"):
        traced_step(unwalled, CASES["reflecting"].process)


# --- boxes


def test_a_box_has_the_product_of_the_laws_of_its_sides(seed):
    """Independent components, unequal walls: both are free with the product of the probabilities."""
    sides = [Interval(1.0, 2.0, ABSORBING, REFLECTING), Interval(-0.5, 0.7, ABSORBING, ABSORBING)]
    parts = [
        Process(drift=lambda x: 0.3 - 0.2 * x, sigma=lambda x: 0.5 * x, domain=sides[0]),
        Process(drift=lambda x: -np.sin(x), sigma=lambda x: 0.4 + 0.1 * np.cos(x), domain=sides[1]),
    ]
    box = Process(
        drift=lambda x: (0.3 - 0.2 * x[0], -np.sin(x[1])),
        sigma=lambda x: (0.5 * x[0], 0.4 + 0.1 * np.cos(x[1])),
        dim=2,
        domain=tuple(sides),
    )
    asked = {"t_end": 0.4, "dt": 0.04}
    x0, n = (1.4, 0.1), 200_000
    laws = [scheme_law(part, euler_maruyama, x0=x, **asked).law for part, x in zip(parts, x0, strict=True)]
    free = [1 - sum(mass for _, mass in law.atoms) for law in laws]
    assert all(0.5 < share < 0.95 for share in free)
    x = simulate(box, euler_maruyama, x0=x0, n_particles=n, seed=seed, **asked).x
    kept = (x[0] > 1.0) & (x[1] > -0.5) & (x[1] < 0.7)
    assert stats.binomtest(int(kept.sum()), n, free[0] * free[1]).pvalue > ALPHA
    assert stats.binomtest(int(kept.sum()), n, min(free)).pvalue < ALPHA
    radius = math.sqrt(math.log(2 / ALPHA) / (2 * kept.sum()))  # Dvoretzky, Kiefer, Wolfowitz, Massart
    for y, law, share, side in zip(x, laws, free, sides, strict=True):
        points = np.linspace(side.low, side.high, 201)[:-1]
        inside = (law.cdf(points) - law.cdf(side.low)) / share
        found = np.searchsorted(np.sort(y[kept]), points, side="right") / kept.sum()
        assert np.abs(found - inside).max() < radius
        assert np.abs(found - inside**1.1).max() > radius


# --- correlated noise

SIGMA = ((0.8, 0.0), (0.5, 0.6))  #: D_10/D_00 = 5/8
HALF_PLANE = (Interval(low=0.0, low_wall=REFLECTING), LINE)


def half_plane(sigma=SIGMA, domain=HALF_PLANE):
    return Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: sigma, dim=2, domain=domain)


@pytest.mark.parametrize("domain", [HALF_PLANE, (between(REFLECTING, low=0.0, high=0.4), LINE)])
def test_a_wall_pushes_along_the_conormal(domain, seed):
    """y - (D_10/D_00) x has noise of its own, which the wall leaves alone: one step is exact, and so are all."""
    rng = np.random.default_rng(seed)
    state, z = np.stack([rng.uniform(0, 0.4, LANES), rng.normal(size=LANES)]), rng.normal(size=(2, LANES))
    found = one_step(euler_maruyama, half_plane(domain=domain), state, z, times=[0.0, 0.25])
    ratio = 0.5 / 0.8
    np.testing.assert_allclose(found[1] - ratio * found[0], state[1] - ratio * state[0] + 0.3 * z[1], atol=1e-14)
    moved = state[0] + 0.4 * z[0]
    assert 0.1 < np.mean(np.abs(found[0] - moved) > 1e-9) < 0.9
    alone = state[1] + 0.25 * z[0] + 0.3 * z[1]  # mirrored in x alone
    np.testing.assert_allclose(found[1] - alone, ratio * (found[0] - moved), atol=1e-14)


def test_the_half_plane_has_its_exact_law(seed):
    """X is reflected Brownian motion |x0 + 0.8 W|, and y is (D_10/D_00)(X - x0) and an independent normal variable."""
    x0, t, n = 0.3, 0.5, 200_000
    run = simulate(half_plane(), euler_maruyama, x0=(x0, 0.0), t_end=t, dt=0.05, n_particles=n, seed=seed)
    x, y = run.x
    s = 0.8 * math.sqrt(t)
    folded = stats.foldnorm(c=x0 / s, scale=s)
    assert stats.kstest(x, folded.cdf).pvalue > ALPHA
    rest = y - 0.625 * (x - x0)
    assert stats.kstest(rest, stats.norm(scale=0.6 * math.sqrt(t)).cdf).pvalue > ALPHA
    assert stats.pearsonr(rest, x).pvalue > ALPHA
    mean, sd = 0.625 * (folded.mean() - x0), math.sqrt(0.625**2 * folded.var() + 0.36 * t)
    assert 2 * stats.norm.sf(abs(y.mean() - mean) / sd * math.sqrt(n)) > ALPHA
    assert 2 * stats.norm.sf(abs(y.mean() - 0.0) / sd * math.sqrt(n)) < ALPHA  # where the wall pushes x alone


def test_directions_are_those_of_the_conormal():
    assert conormals(half_plane())[0][1] == pytest.approx(0.625)
    assert conormals(half_plane(((0.8, 0.0), (0.0, 0.6))))[0] == {}
    assert conormals(half_plane(domain=(LINE, LINE))) == {}
    rotated = ((0.6, 0.8), (-0.8, 0.6))  # D is the unit matrix
    assert conormals(half_plane(rotated, domain=between(REFLECTING)))[0] == {}
    box = BlackBox(drift=lambda x, t: 0 * x, sigma=SIGMA, dim=2, domain=HALF_PLANE)
    assert conormals(box)[0][1] == pytest.approx(0.625)
    turned = BlackBox(drift=lambda x, t: 0 * x, sigma=rotated, dim=2, domain=between(REFLECTING))
    assert conormals(turned) == {0: {}, 1: {}}


REFUSED = {
    "a direction that depends on x": (
        Process(
            drift=lambda x: (0.0, 0.0), sigma=lambda x: ((1.0, 0.0), (np.sin(x[1]), 1.0)), dim=2, domain=HALF_PLANE
        ),
        r"D_01/D_00 = sin\(x1\) depends on x; a reflecting wall of component 0 needs it to be 0, or the same",
    ),
    "a wedge": (half_plane(domain=between(REFLECTING)), "components 0 and 1 .* meet in a corner of two walls"),
    "a wedge with an absorbing side": (
        half_plane(domain=(HALF_PLANE[0], between(ABSORBING))),
        "correlated noise and meet in a corner",
    ),
    "a velocity that would turn": (
        Process(drift=lambda x: (x[1], -x[1]), sigma=lambda x: ((0.0,), (1.0,)), dim=2, domain=HALF_PLANE),
        "component 0 .* has a reflecting wall and no noise of its own: the wall would have to turn a velocity",
    ),
    "a black box whose noise is not seen": (
        BlackBox(
            drift=lambda x, t: 0 * x,
            sigma=lambda x, t: np.ones((2, 2, x.shape[1])),
            noise=NoiseType.GENERAL,
            dim=2,
            domain=HALF_PLANE,
        ),
        "cannot be seen in a function sigma",
    ),
    "a black box without noise": (
        BlackBox(drift=lambda x, t: 0 * x, sigma=[0.0, 1.0], dim=2, domain=HALF_PLANE),
        "no noise of its own",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_no_reflection_is_right_it_is_refused(name):
    process, message = REFUSED[name]
    with pytest.raises(Unsuited, match=message):
        ArrayStep(euler_maruyama, process)


@pytest.mark.parametrize("walls", [(LINE, LINE), (between(PERIODIC), LINE), (between(ABSORBING), between(ABSORBING))])
def test_other_walls_take_correlated_noise_as_it_is(walls):
    traced_step(euler_maruyama, half_plane(domain=walls))


def test_a_correlated_component_may_be_periodic(seed):
    """It is wound up after the push."""
    ring = Interval(-0.2, 0.2, PERIODIC, PERIODIC)
    rng = np.random.default_rng(seed)
    state, z = np.stack([rng.uniform(0, 0.4, LANES), rng.uniform(-0.2, 0.2, LANES)]), rng.normal(size=(2, LANES))
    free = one_step(euler_maruyama, half_plane(), state, z, times=[0.0, 0.25])
    wound = one_step(euler_maruyama, half_plane(domain=(HALF_PLANE[0], ring)), state, z, times=[0.0, 0.25])
    np.testing.assert_array_equal(wound[0], free[0])
    np.testing.assert_allclose(wound[1], np.mod(free[1] + 0.2, 0.4) - 0.2, atol=1e-14)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("wall", [REFLECTING, ABSORBING])
def test_every_scheme_has_a_form_at_walls_or_is_refused(name, wall):
    """Those that read coefficients at x alone, inside, have one; all others are refused by name."""
    scheme = SCHEMES[name]
    process = ou(domain=between(wall))
    if scheme in WITH_WALLS:
        assert scheme.wall_order == 1.0
        traced_step(scheme, process)
        return
    assert scheme.wall_order is None
    with pytest.raises(Unsuited, match=f"{name} has no form at the {wall.value}/{wall.value} walls"):
        traced_step(scheme, process)
