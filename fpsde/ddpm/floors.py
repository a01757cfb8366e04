"""What no denoiser can do better than: errors and losses of the exact one, and how far x_T is from the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fpsde.errors import InvalidInput, NotConverged
from fpsde.gaussian_mixture import GaussianMixture
from fpsde.known_law import KnownLaw
from fpsde.panels import panel_rule
from fpsde.processes.denoising import prior_std
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.validation import positive

#: Numbers of panels on the line.
PANELS = tuple(64 * 2**k for k in range(8))
#: Spacings of grids in the plane, in finest lengths; the most points along an axis, and at once.
STEPS, MOST_POINTS, CHUNK = tuple(0.7 / 2 ** (k / 2) for k in range(10)), 3200, 50_000
#: Density below which nothing counts, and a score may not be finite.
LEAST = 1e-40
#: The change of a mean at which a quadrature has settled, by the number of components.
ACCURACY = {1: 1e-10, 2: 1e-7}
#: Chebyshev nodes in log sigma, at first and at most; they are enough where a share changes by ten times the accuracy.
NODES, MOST_NODES = 16, 256


def denoising_error(law: KnownLaw, sigma: float) -> float:
    """Return E|x0 - E[x0 | x]|^2 of x = x0 + sigma z, the error of the exact denoiser.

    Closed form for one normal law. Else by quadrature, sigma^2 (d - sigma^2 E|score|^2) where there is little noise,
    and tr Cov(x0) - tr Cov(E[x0 | x]) where there is much: neither is a difference of large numbers there. To 1e-10 on
    the line and 1e-7 in the plane, of sigma^2 or of the variance of the data.
    Raises InvalidInput for more than two components, and NotConverged where the quadrature does not settle.
    """
    sigma = positive("sigma", sigma)
    if _is_normal(law):
        spreads = law.spreads[0]  # type: ignore[attr-defined]  # it is a mixture of one part
        return float(np.sum(sigma**2 * spreads / (spreads + sigma**2)))
    spread = float(np.trace(law.covariance))
    centre = law.mean[:, None] if sigma**2 * law.dim > spread else None
    moved = _mean_square(law, sigma, centre)
    return sigma**2 * (law.dim - moved) if centre is None else spread - moved


def _mean_square(law: KnownLaw, sigma: float, centre: np.ndarray | None) -> float:
    """Return E|E[x0 | x] - x|^2/sigma^2, or E|E[x0 | x] - centre|^2, with E[x0 | x] - x = sigma^2 score."""
    if law.dim == 2 and law.factors(0, np.zeros(1), sigma) is not None:
        return _settled(law, sigma, (_grid_square(law, sigma, centre, axes) for axes in _grids(law, sigma)))

    def square(x: np.ndarray) -> np.ndarray:
        score = law.score(x, 1.0, sigma)
        return np.sum((sigma * score if centre is None else x + sigma**2 * score - centre) ** 2, axis=0)

    return mean_of(law, sigma, square)


def noise_floors(law: KnownLaw, sigmas: np.ndarray) -> np.ndarray:
    """Return min E|z - eps(x)|^2 of x = x0 + sigma z at each of ``sigmas``: E|x0 - E[x0 | x]|^2/sigma^2.

    Over sigma^2 c d/(sigma^2 + c), c the mean variance of the data, the error is smooth and of order one in log sigma:
    that ratio is interpolated between Chebyshev nodes, which are doubled until it changes by less than ten times the
    accuracy of :func:`denoising_error`. Errors as there; NotConverged where 256 nodes do not settle.
    """
    at = np.log(np.asarray(sigmas, dtype=float))
    if _is_normal(law) or len(at) <= NODES:
        return np.array([denoising_error(law, float(s)) / s**2 for s in np.exp(at)])
    c, d = float(np.trace(law.covariance)) / law.dim, law.dim

    def usual(log_sigma: np.ndarray | float) -> np.ndarray | float:
        return c * d / (np.exp(2 * log_sigma) + c)

    low, high = float(at.min()), float(at.max())
    n, before = NODES, None
    while n <= MOST_NODES:
        u = np.cos(np.pi * (np.arange(n) + 0.5) / n)
        logs = low + (high - low) * (1 + u) / 2
        ratios = [denoising_error(law, math.exp(v)) / math.exp(2 * v) / usual(float(v)) for v in logs]
        series = np.polynomial.chebyshev.chebfit(u, ratios, n - 1)
        found = np.polynomial.chebyshev.chebval(2 * (at - low) / (high - low) - 1, series)
        if before is not None and np.abs(found - before).max() < 10 * ACCURACY[law.dim]:
            return found * usual(at)
        n, before = 2 * n, found
    raise NotConverged(f"{MOST_NODES} levels of noise do not resolve how the floor depends on sigma")


def denoising_errors(law: KnownLaw, schedule: NoiseSchedule) -> np.ndarray:
    """Return E|x0 - E[x0 | x_t]|^2 at t = 1, ..., T, (T,): sigma^2 times the floor of the noise. Errors as there."""
    sigmas = schedule.sigmas[1:]
    return sigmas**2 * noise_floors(law, sigmas)


def loss_floor(law: KnownLaw, schedule: NoiseSchedule) -> float:
    """Return the least simple loss, E|z - eps(x_t, t)|^2/d with t uniform on 1, ..., T: a loss below it is a bug."""
    return float(np.mean(noise_floors(law, schedule.sigmas[1:]))) / law.dim


@dataclass(frozen=True)
class PriorGap:
    """How far the law of x_T is from the prior: its signal-to-noise ratio, and KL(q(x_T) || prior) in nats."""

    snr: float
    kullback_leibler: float


def prior_gap(law: KnownLaw, schedule: NoiseSchedule) -> PriorGap:
    """Return how far x_T is from where sampling starts, N(0, prior^2 I): prior 1, or level_T where variance explodes.

    KL = (E|x_T|^2/prior^2 + d log(2 pi prior^2))/2 - entropy of x_T; in closed form for one normal law, else by
    quadrature. Raises InvalidInput where no signal is left; errors of :func:`denoising_error`.
    """
    if schedule.signals[-1] == 0:
        raise InvalidInput("no signal is left at the last timestep, and x_T is the prior itself")
    a, s, prior = float(schedule.signals[-1]), float(schedule.levels[-1]), prior_std(schedule)
    snr, d = math.exp(float(schedule.log_snr[-1])), law.dim
    mean2 = a**2 * float(law.mean @ law.mean) / prior**2
    if _is_normal(law):
        spreads = (a**2 * law.spreads[0] + s**2 - prior**2) / prior**2  # type: ignore[attr-defined]  # of x_T, less 1
        return PriorGap(snr, 0.5 * (mean2 + float(np.sum(spreads - np.log1p(spreads)))))
    size = mean2 + float(np.trace(a**2 * law.covariance + s**2 * np.eye(d))) / prior**2
    minus_entropy = mean_of(law, s / a, lambda y: law.log_density(y, 1.0, s / a)) - d * math.log(a)
    return PriorGap(snr, minus_entropy + 0.5 * (size + d * math.log(2 * math.pi * prior**2)))


def refuse_short_schedule(law: KnownLaw, schedule: NoiseSchedule, *, most: float = 1e-2) -> PriorGap:
    """Return the gap, or raise InvalidInput with its numbers if it is above ``most`` nats: T is too small."""
    gap = prior_gap(law, schedule)
    if gap.kullback_leibler > most:
        raise InvalidInput(
            f"T={schedule.n_steps} is too small for this schedule: at T the signal-to-noise ratio is {gap.snr:.3g} and "
            f"x_T is {gap.kullback_leibler:.3g} nats from N(0, {prior_std(schedule):.3g}^2 I), where sampling starts, "
            f"more than {most:g}; take more steps or more noise"
        )
    return gap


def mean_of(law: KnownLaw, sigma: float, f: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return E f(x0 + sigma z), f from (d, n) to (n,): panels on the line, the trapezoid rule in the plane.

    Both are refined until the mean changes by less than 1e-10 and 1e-7; NotConverged where they do not settle.
    """
    if law.dim > 2:
        raise InvalidInput(f"the law has {law.dim} components; quadrature is done on the line and in the plane")
    if law.dim == 2:
        return _settled(law, sigma, (_grid_mean(law, sigma, f, axes) for axes in _grids(law, sigma)))
    (low,), (high,), _ = law.extent(sigma)
    rules = (panel_rule(np.linspace(low, high, n + 1)) for n in PANELS)
    return _settled(law, sigma, (_total(law, sigma, f, x[None], w) for x, w in rules))


def _settled(law: KnownLaw, sigma: float, means: Iterable[float]) -> float:
    """Return the first mean that is that before it to the accuracy; NotConverged where none is."""
    before = math.inf
    for found in means:
        if abs(found - before) < ACCURACY[law.dim] * max(1.0, abs(found)):
            return found
        before = found
    raise NotConverged(f"the mean over x0 + {sigma:g} z does not settle: the last value is {before:.12g}")


def _grids(law: KnownLaw, sigma: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield points along the two axes, finer and finer; NotConverged where they become too many."""
    low, high, finest = law.extent(sigma)
    for step in STEPS:
        counts = [math.ceil((b - a) / (step * finest)) + 1 for a, b in zip(low, high, strict=True)]
        if max(counts) > MOST_POINTS:
            raise NotConverged(
                f"lengths of {step * finest:.3g} on a box of {(high - low).tolist()} need {max(counts)} points along "
                f"an axis, more than {MOST_POINTS}"
            )
        x, y = (np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True))
        yield x, y


def _grid_square(law: KnownLaw, sigma: float, centre: np.ndarray | None, axes: tuple[np.ndarray, np.ndarray]) -> float:
    """Return :func:`_mean_square` by the trapezoid rule, p a sum of products over the two axes: sum |p move|^2/p."""
    (f, f_slope), (g, g_slope) = (law.factors(i, at, sigma) for i, at in enumerate(axes))  # type: ignore[misc]
    weights = law.weights[:, None]  # type: ignore[attr-defined]  # parts have weights
    p = (weights * f).T @ g
    scale = sigma if centre is None else sigma**2
    moves = [scale * ((weights * f_slope).T @ g), scale * ((weights * f).T @ g_slope)]
    if centre is not None:
        moves[0] += p * (axes[0] - centre[0])[:, None]
        moves[1] += p * (axes[1] - centre[1])
    seen = p > LEAST
    return float(_area(axes) * np.sum((moves[0][seen] ** 2 + moves[1][seen] ** 2) / p[seen]))


def _grid_mean(law: KnownLaw, sigma: float, f: Callable, axes: tuple[np.ndarray, np.ndarray]) -> float:
    x, y = axes
    rows = max(1, CHUNK // len(y))
    parts = []
    for k in range(0, len(x), rows):
        points = np.stack(np.meshgrid(x[k : k + rows], y, indexing="ij")).reshape(2, -1)
        parts.append(_total(law, sigma, f, points, _area(axes)))
    return math.fsum(parts)


def _area(axes: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.prod([at[1] - at[0] for at in axes]))


def _total(law: KnownLaw, sigma: float, f: Callable, points: np.ndarray, weights: np.ndarray | float) -> float:
    """Return the sum of weights p f."""
    p = np.exp(law.log_density(points, 1.0, sigma))
    seen = p > LEAST
    w = np.broadcast_to(weights, p.shape)[seen]
    return float(np.sum(w * p[seen] * f(points[:, seen])))


def _is_normal(law: KnownLaw) -> bool:
    return isinstance(law, GaussianMixture) and len(law.weights) == 1
