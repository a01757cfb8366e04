"""step(x, i, rng): code that draws its own noise, whose single steps can be judged by their law alone.

Where the claimed step is affine in its normals, x' = A(x) + N(x) z, the noise is read off what the code did:

    z = (N^T N)^-1 N^T (x' - A(x)),    and x' - A(x) - N z must vanish.

For right code these are independent N(0, 1), over steps and particles, exactly, whatever the step size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fpsde import checks
from fpsde.audit.claimed import Claim, generator
from fpsde.audit.findings import ALGEBRA, LAW, Level, Quantity, fails, holds, of_checks
from fpsde.audit.foreign import WrongShape
from fpsde.audit.probe import round_off
from fpsde.checks import CheckResult

#: A step as the judges call it: x (d, n), i, the seed of its generator -> (d, n).
DrawnStep = Callable[[np.ndarray, int, int], np.ndarray]

#: Vectors of noise at which a step is asked whether it is affine.
TRIED = 2.6
#: Round-off of a step within which it is affine, and within which what is left after the noise vanishes.
AFFINE, LEFT = 1e-11, 1e2
#: Share of the largest squared noise below which that of a direction is none.
SINGULAR = 1e-14


def drawn_algebra(step: DrawnStep, claim: Claim, seed: int) -> Level:
    """Judge shapes, finite values, and that the generator decides the result: one seed, one result."""
    n, i = 64, claim.n_steps // 2
    x = claim.paths(n, seed)[i]
    try:
        first, again, other = (step(x, i, s) for s in (seed, seed, seed + 1))
    except WrongShape as error:
        return fails(ALGEBRA, Quantity.SHAPE, str(error))
    bad = int(np.count_nonzero(~np.isfinite(first)))
    if bad:
        return fails(ALGEBRA, Quantity.FINITE, f"step {i} gives {bad} of {first.size} values that are NaN or infinite")
    if not np.array_equal(first, again):
        return fails(
            ALGEBRA, Quantity.DETERMINISM, f"step {i} gave two results for one x and one seed of its generator"
        )
    noisy = np.any(_columns(claim, x, i)[1])
    if noisy and np.array_equal(first, other):
        return fails(ALGEBRA, Quantity.SEED, f"step {i} gives the same positions for two seeds of its generator")
    return holds(ALGEBRA, "positions come back, finite, and the seed of the generator decides them")


def _columns(claim: Claim, x: np.ndarray, i: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return A(x) (d, n), N(x) (d, r, n) of the claimed step, and whether it is affine in its noise."""
    r, n = claim.normals, x.shape[1]

    def at(z: np.ndarray) -> np.ndarray:
        return claim.advance(x, i, np.broadcast_to(z[:, None], (r, n)))

    mean = at(np.zeros(r))
    noise = np.stack([at(e) - mean for e in np.eye(r)], axis=1)
    far = TRIED * (-1.0) ** np.arange(r)
    size = float(np.abs(mean).max() + np.abs(noise).max())
    affine = np.abs(at(far) - mean - np.einsum("drn,r->dn", noise, far)).max() <= AFFINE * size
    return mean, noise, bool(affine)


@dataclass
class _Noise:
    """The noise read off the steps of a chain: sums of it (steps + 1, r, n), itself, and the places where it acted."""

    sums: list[np.ndarray]
    with_x: list[np.ndarray]
    places: list[np.ndarray]


def innovations_of(step: DrawnStep, claim: Claim, n: int, seed: int, alpha: float) -> Level:
    """Judge the noise of every step; where it cannot be read off, single steps against the claimed one's."""
    keys, x = generator(seed).integers(2**31, size=claim.n_steps), claim.start(n, seed)
    noise = _Noise([np.zeros((claim.normals, n))], [], [])
    for i in range(claim.n_steps):
        mean, columns, affine = _columns(claim, x, i)
        if not affine or _hidden(columns):
            return _single_steps(step, claim, n, seed, alpha)
        after = step(x, i, int(keys[i]))
        if not np.isfinite(after).all():
            return fails(LAW, Quantity.FINITE, f"step {i} gives values that are NaN or infinite")
        z, left, silent = _read_off(after - mean, columns)
        allowed = LEFT * round_off(after) * float(np.abs(mean).max() + np.abs(columns).max())
        if not left <= allowed:
            if silent and not np.array_equal(after, step(x, i, int(keys[i]) + 1)):
                quantity = Quantity.LAST if i == claim.n_steps - 1 else Quantity.VARIANCE
                return fails(
                    LAW, quantity, f"step {i} has noise of spread {np.std(after - mean):.3g} where none is claimed"
                )
            told = f"step {i} moves particles by {left:.3g} where the claimed noise has no part"
            return fails(LAW, Quantity.MEAN, told)
        if not silent:
            noise.sums.append(noise.sums[-1] + z)
            noise.with_x.append(z)
            noise.places.append(x)
        x = after.astype(float)
    if len(noise.sums) < 2:
        return holds(LAW, "no step has noise, and every one is the claimed map")
    results = [row for k in range(claim.normals) for row in _judged(noise, k, alpha / claim.normals)]
    return of_checks(LAW, results, _quantity)


def _hidden(columns: np.ndarray) -> bool:
    """Return whether the noise of some particle cannot be read off its step: more normals than directions."""
    if not np.any(columns):
        return False
    values = np.linalg.eigvalsh(np.einsum("drn,dsn->nrs", columns, columns))
    return bool(np.any(values[:, 0] <= SINGULAR * values[:, -1].max()))


def _read_off(change: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """Return z (r, n), the largest part of the change that is no noise, and whether the step has no noise at all."""
    if not np.any(columns):
        return np.zeros(columns.shape[1:]), float(np.abs(change).max()), True
    gram = np.einsum("drn,dsn->nrs", columns, columns)
    z = np.linalg.solve(gram, np.einsum("drn,dn->nr", columns, change)[..., None])[..., 0].T
    return z, float(np.abs(change - np.einsum("drn,rn->dn", columns, z)).max()), False


def _judged(noise: _Noise, k: int, alpha: float) -> list[CheckResult]:
    """Return the verdicts on one row of the noise."""
    paths = np.array([s[k] for s in noise.sums])
    one = checks.innovations(
        paths, np.arange(len(paths), dtype=float), drift=lambda x, t: 0.0, sigma=lambda x, t: 1.0, alpha=alpha / 2
    )
    x, z = np.concatenate([p[0] for p in noise.places]), np.concatenate([w[k] for w in noise.with_x])
    if not np.ptp(x):
        return [one]
    scaled = np.concatenate([_standard(p[0]) for p in noise.places])
    return [one, replace(checks.correlation(scaled, z, alpha=alpha / 2), check="noise and positions: correlation")]


def _standard(x: np.ndarray) -> np.ndarray:
    spread = float(np.std(x))
    return (x - x.mean()) / spread if spread > 0 else np.zeros(len(x))


def _quantity(result: CheckResult) -> Quantity:
    """Return what a failed check of the noise says is off."""
    name = result.check
    if "variance" in name:
        return Quantity.VARIANCE
    if "mean" in name or "positions" in name or "state" in name:
        return Quantity.MEAN
    if "particles" in name:
        return Quantity.COUPLING
    return Quantity.SERIAL if "steps" in name else Quantity.NOISE


def _single_steps(step: DrawnStep, claim: Claim, n: int, seed: int, alpha: float) -> Level:
    """Judge the first, a middle and the last step, each from where the chain is."""
    found = []
    chosen = sorted({0, claim.n_steps // 2, claim.n_steps - 1})
    rng, paths = generator(seed), claim.paths(n, seed)
    for i in chosen:
        a = step(paths[i], i, seed + i)
        b = claim.advance(paths[i][:, rng.permutation(n)], i, rng.standard_normal((claim.normals, n)))
        for k in range(claim.dim):
            result = checks.same_law(a[k], b[k], alpha=alpha / len(chosen) / claim.dim)
            found.append(replace(result, check=f"step {i}, component {k}, beside the claimed step: {result.check}"))
    return of_checks(LAW, found, lambda result: Quantity.LAW)
