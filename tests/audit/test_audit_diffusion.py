"""Audits of diffusion models (samplers with an exact model, noisings, losses, ...) and of Fokker-Planck solutions."""

from __future__ import annotations

import numpy as np
import pytest

import fpsde
from fpsde import audit
from fpsde.audit import Quantity, Table
from fpsde.ddpm import ReverseVariance, min_snr_weights, round_mixture, variational_bound
from fpsde.errors import InvalidInput

LEVELS = fpsde.linear_schedule().subset(fpsde.trailing_timesteps(1000, 13))
BARS = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
NAMES = LEVELS.timesteps[:0:-1].tolist()  #: from the most noisy level on


def outcome(found):
    return found.level, found.quantity


def bars_of(i):
    """alpha_bar of step i and of the level that it leads to, by hand."""
    after = BARS[NAMES[i + 1] - 1] if i + 1 < len(NAMES) else 1.0
    return BARS[NAMES[i] - 1], after


def ddim_step(model, *, eta=0.5, after=None, scale=1.0):
    """DDIM (Song, Meng & Ermon 2021, eqs. 12 and 16) by hand, with a model of the noise."""

    def step(x, i, z):
        a, b = bars_of(i)
        b = b if after is None else after(i)
        eps = model(x, NAMES[i])
        x0 = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
        v = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
        return np.sqrt(b) * x0 + np.sqrt(1 - b - v) * eps + scale * np.sqrt(v) * z

    return step


CLAIM = audit.denoising()
NORMAL = audit.denoising(data=round_mixture([1.0], [[1.0]], [0.5]))


@pytest.mark.parametrize("claim", [NORMAL, pytest.param(CLAIM, marks=pytest.mark.slow)], ids=["normal", "mixture"])
def test_a_sampler_with_an_exact_model_passes_to_the_end(claim) -> None:
    found = audit.step(ddim_step(claim.model()), claim, n=20_000)
    assert [one.said for one in found.levels] == ["pass", "pass", "pass", "not applicable", "pass", "pass"]
    velocity = claim.model(fpsde.Prediction.VELOCITY)

    def by_velocity(x, t):
        a = BARS[t - 1]
        return np.sqrt(1 - a) * x + np.sqrt(a) * velocity(x, t)

    assert audit.step(ddim_step(by_velocity), claim, n=2000).holds


@pytest.mark.parametrize(
    ("wrong", "quantity"),
    [
        ({"eta": 1.0}, Quantity.MEAN),  # another claim: ancestral sampling
        ({"scale": 1.001}, Quantity.VARIANCE),
        ({"after": lambda i: BARS[max(NAMES[i] - 2, 0)]}, Quantity.MEAN),  # t - 1 for the previous selected step
        ({"after": lambda i: bars_of(i)[1] if i < 12 else BARS[0]}, Quantity.LAST),  # it ends at alpha_bar_1
    ],
)
def test_a_wrong_sampler_fails_at_the_probe(wrong, quantity) -> None:
    found = audit.step(ddim_step(CLAIM.model(), **wrong), CLAIM, n=2000)
    assert outcome(found) == ("affine probe", quantity)


def test_a_model_is_asked_at_levels_of_the_schedule_alone() -> None:
    with pytest.raises(InvalidInput, match="no level with noise"):
        CLAIM.model()(np.zeros(3), 2)
    with pytest.raises(InvalidInput, match="no law with known denoisers"):
        audit.denoising(data=fpsde.Normal(0.0, 1.0))


def test_two_components_of_unlike_spreads() -> None:
    data = fpsde.ddpm.GaussianMixture([1.0], [[1.0, -0.5]], [[[0.25, 0.1], [0.1, 0.09]]])
    claim = audit.denoising(fpsde.ancestral(), data=data, schedule=LEVELS)
    model = claim.model(batch_first=True)

    def ancestral(x, i, z, *, flipped=1):
        a, b = bars_of(i)
        eps = model(x[:, ::flipped], NAMES[i])[:, ::flipped]
        alpha, beta = a / b, 1 - a / b
        mean = (x - beta / np.sqrt(1 - a) * eps) / np.sqrt(alpha)
        return mean + np.sqrt(beta * (1 - b) / (1 - a)) * z

    right = audit.step(ancestral, claim, n=5000, batch_first=True)
    assert [one.said for one in right.levels][:3] == ["pass"] * 3
    swapped = audit.step(lambda x, i, z: ancestral(x, i, z, flipped=-1), claim, batch_first=True)
    assert outcome(swapped) == ("affine probe", Quantity.MEAN)


# --- noisings and schedules


def test_a_noising_is_judged_at_every_level() -> None:
    few = fpsde.linear_schedule(40, beta_last=0.3)
    bars = np.cumprod(1 - np.linspace(1e-4, 0.3, 40))

    def noising(x0, t, z, *, shift=0, root=np.sqrt):
        bar = bars[min(t - 1 + shift, 39)]
        return np.sqrt(bar) * x0 + root(1 - bar) * z

    assert audit.noising(noising, few).holds
    cases = {
        Quantity.GRID: lambda x0, t, z: noising(x0, t, z, shift=1),
        Quantity.VARIANCE: lambda x0, t, z: noising(x0, t, z, root=lambda v: v),
        Quantity.MEAN: lambda x0, t, z: bars[t - 1] * x0 + np.sqrt(1 - bars[t - 1]) * z,
        Quantity.NOISE: lambda x0, t, z: noising(x0, t, np.clip(z, -2, 2)),
    }
    for quantity, code in cases.items():
        assert outcome(audit.noising(code, few)) == ("affine probe", quantity)


def test_tables_of_a_schedule_and_what_they_are_instead() -> None:
    full = fpsde.linear_schedule()
    assert audit.schedule(BARS, full, Table.ALPHA_BAR).holds
    assert audit.schedule(BARS.astype(np.float32), full, Table.ALPHA_BAR).holds
    assert audit.schedule(np.sqrt(1 / BARS - 1), full, Table.SIGMA).holds
    cases = {
        Quantity.GRID: np.append(1.0, BARS[:-1]),
        Quantity.VARIANCE: np.sqrt(BARS),
        Quantity.WEIGHT: 1.001 * BARS,
        Quantity.LAST: np.append(BARS[:-1], 0.0),
        Quantity.TABLE: np.exp(-np.cumsum(np.linspace(1e-4, 0.02, 1000))),
    }
    for quantity, values in cases.items():
        assert outcome(audit.schedule(values, full, Table.ALPHA_BAR)) == ("affine probe", quantity)
    assert outcome(audit.schedule(BARS[:-1], full, Table.ALPHA_BAR)) == ("algebra", Quantity.SHAPE)


# --- losses, bounds, densities


def simple(model, x0, t, z, *, shift=0, named=0):
    bar = BARS[t - 1 + shift]
    return np.mean((z - model(np.sqrt(bar) * x0 + np.sqrt(1 - bar) * z, t + named)) ** 2)


def test_losses_by_weight_and_by_what_the_model_is_asked() -> None:
    assert audit.loss(simple).holds

    def min_snr(model, x0, t, z, *, power=1.0):
        snr = BARS[t - 1] / (1 - BARS[t - 1])
        return simple(model, x0, t, z) * (min(snr, 5.0) / snr) ** power

    assert audit.loss(min_snr, weights=min_snr_weights).holds
    assert outcome(audit.loss(lambda *a: min_snr(*a, power=0.5), weights=min_snr_weights))[1] is Quantity.TABLE
    assert outcome(audit.loss(lambda *a: 24 * simple(*a)))[1] is Quantity.WEIGHT
    assert audit.loss(lambda *a: 24 * simple(*a), up_to_factor=True).holds
    assert outcome(audit.loss(lambda *a: simple(*a, named=1)))[1] is Quantity.GRID
    assert outcome(audit.loss(lambda *a: simple(*a, shift=-1 if a[2] > 1 else 0)))[1] is Quantity.VARIANCE

    def of_data(model, x0, t, z):  # predicts x0, weighted by the SNR: the simple loss in another parametrisation
        bar = BARS[t - 1]
        return bar / (1 - bar) * np.mean((x0 - model(np.sqrt(bar) * x0 + np.sqrt(1 - bar) * z, t)) ** 2)

    assert audit.loss(of_data, predicts=fpsde.Prediction.DATA).holds
    assert not audit.loss(of_data, predicts=fpsde.Prediction.VELOCITY).holds


def test_bounds_and_log_densities() -> None:
    data = round_mixture([1.0], [[1.0]], [0.5])
    right = variational_bound(data, LEVELS, variance=ReverseVariance.LARGE)
    terms = np.array([right.data, *right.steps, right.prior])
    ask = {"variance": ReverseVariance.LARGE}
    assert audit.bound(right.total, data, LEVELS, **ask).holds and audit.bound(terms, data, LEVELS, **ask).holds
    assert outcome(audit.bound(right.total / np.log(2), data, LEVELS, **ask))[1] is Quantity.UNIT
    assert not audit.bound(right.total, data, LEVELS).holds  # of the small variances
    assert outcome(audit.bound(np.append(terms[:-1], 0.0), data, LEVELS, **ask))[1] is Quantity.LAST

    law = fpsde.Normal(1.0, 0.5)
    exact = lambda x: -0.5 * ((x - 1) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))  # noqa: E731
    assert audit.log_density(exact, law).holds
    assert outcome(audit.log_density(lambda x: exact(x) + 0.5 * np.log(2 * np.pi), law))[1] is Quantity.MASS
    assert outcome(audit.log_density(lambda x: exact(x) / np.log(2), law))[1] is Quantity.UNIT
    assert outcome(audit.log_density(lambda x: exact(1.001 * x), law))[1] is Quantity.LAW


# --- Fokker-Planck solutions

OU = fpsde.ornstein_uhlenbeck(theta=1.0, mean=0.4, sigma=0.8)


def central(faces, *, drift=1.0, diffusivity=1.0):
    """Central differences in space, Crank-Nicolson in time, of OU from N(1, 0.3^2) to t = 1: not positive, order 2."""
    from scipy.linalg import solve_banded

    h, n = faces[1] - faces[0], len(faces) - 1
    mu, d = drift * (0.4 - faces[1:-1]), diffusivity * 0.32
    up, down = d / h**2 + mu / (2 * h), d / h**2 - mu / (2 * h)  # rates over inner faces
    main = np.zeros(n)
    main[:-1] -= up
    main[1:] -= down
    steps = n // 2
    tau = 1.0 / steps / 2
    bands = np.zeros((3, n))
    bands[0, 1:], bands[1], bands[2, :-1] = -tau * down, 1 - tau * main, -tau * up
    p = np.diff(fpsde.Normal(1.0, 0.3).cdf(faces))
    for _ in range(steps):
        q = p + tau * main * p
        q[1:] += tau * up * p[:-1]
        q[:-1] += tau * down * p[1:]
        p = solve_banded((1, 1), bands, q)
    return p


ASKED = {"x0": fpsde.Normal(1.0, 0.3), "t_end": 1.0, "window": (-4.0, 5.0), "positive_everywhere": False}


def test_a_wrong_diffusivity_does_not_go_away_with_the_cells() -> None:
    assert audit.solution(central, OU, **ASKED).holds
    assert outcome(audit.solution(lambda f: central(f, diffusivity=1.02), OU, **ASKED)) == ("order", Quantity.VARIANCE)
    assert outcome(audit.solution(lambda f: 0.999 * central(f), OU, **ASKED)) == ("algebra", Quantity.MASS)
    assert outcome(audit.solution(lambda f: central(f)[:-1], OU, **ASKED)) == ("algebra", Quantity.SHAPE)


@pytest.mark.slow
def test_a_wrong_drift_is_told_from_a_wrong_diffusivity() -> None:
    assert outcome(audit.solution(lambda f: central(f, drift=1.02), OU, **ASKED)) == ("order", Quantity.MEAN)
