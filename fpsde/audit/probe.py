"""step(x, i, z) without any sampling: its algebra, and the affine probe of every step.

The probe calls each step at places x where the chain goes, with z = 0, plus and minus each unit vector, and vectors
farther out, and compares with the claimed step. A law does not change when the sign of a normal does, or where normals
are turned among themselves: both are accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fpsde.audit.claimed import generator
from fpsde.audit.findings import ALGEBRA, PROBE, Level, Quantity, fails, holds
from fpsde.audit.foreign import WrongShape

#: A step as the judges call it: x (d, n), i, z (r, n) -> (d, n).
Step = Callable[[np.ndarray, int, np.ndarray], np.ndarray]


class Steps(Protocol):
    """What a probe asks of a claim: the steps themselves, and places where they are taken."""

    @property
    def n_steps(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def normals(self) -> int: ...
    def advance(self, x: np.ndarray, i: int, z: np.ndarray, *, stretch: float = 1.0) -> np.ndarray: ...
    def paths(self, n: int, seed: int) -> np.ndarray: ...


#: Places at which each step is probed, and particles of the paths that they are taken from.
PLACES, PATHS = 7, 64
#: Relative round-off allowed, by the precision of what comes back.
ROUND_OFF = {8: 1e-10, 4: 2e-5, 2: 2e-2}
#: Vectors of noise beyond the unit ones.
FAR = ((2.7, -1.9, 0.6), (-0.4, 3.3, -1.1))
#: Shifts of the index at which a step that is off is sought among those claimed.
SHIFTS = (1, -1, 2, -2)
#: Share of the steps that must be those of another index.
MOST = 0.75


@dataclass(frozen=True)
class Probes:
    """Places (n_steps, d, m) and noise (r, m), every place with every vector of noise; ``n_noise`` vectors."""

    x: np.ndarray
    z: np.ndarray
    n_noise: int

    def split(self, values: np.ndarray) -> np.ndarray:
        """Return values (d, m) as (d, places, vectors of noise)."""
        return values.reshape(len(values), -1, self.n_noise)


def probes_of(claim: Steps, seed: int) -> Probes:
    """Return probes along paths of the claimed step."""
    r = claim.normals
    unit = np.eye(r)
    far = [np.resize(v, r) for v in FAR]
    vectors = np.array([np.zeros(r), *unit, *(-unit), *far, *(-v for v in far)]).T
    paths = claim.paths(PATHS, seed)[:-1]
    chosen = paths[:, :, generator(seed).permutation(PATHS)[:PLACES]]
    chosen = chosen + 1e-3 * np.std(paths, axis=2, keepdims=True) * np.arange(PLACES)  # a point as start is spread
    k = vectors.shape[1]
    return Probes(np.repeat(chosen, k, axis=2), np.tile(vectors, PLACES), k)


def round_off(values: np.ndarray) -> float:
    """Return the relative error that the precision of an array allows."""
    return ROUND_OFF[min(8, values.dtype.itemsize)]


def algebra(step: Step, claim: Steps, seed: int) -> Level:
    """Judge what any one-step map is: positions back, finite, the same each time, a particle at a time."""
    n, rng = 32, generator(seed)
    x, z = claim.paths(n, seed)[-1], rng.standard_normal((claim.normals, n))
    places = sorted({0, claim.n_steps // 2, claim.n_steps - 1})
    try:
        first = [step(x, i, z) for i in places]
        again = [step(x, i, z) for i in reversed(places)][::-1]
    except WrongShape as error:
        return fails(ALGEBRA, Quantity.SHAPE, str(error))
    order = rng.permutation(n)
    for i, a, b in zip(places, first, again, strict=True):
        bad = int(np.count_nonzero(~np.isfinite(a)))
        if bad:
            return fails(ALGEBRA, Quantity.FINITE, f"step {i} gives {bad} of {a.size} values that are NaN or infinite")
        if not np.array_equal(a, b):
            return fails(
                ALGEBRA, Quantity.DETERMINISM, f"step {i} gave two results for the same x and z: it has state or noise "
                "of its own"
            )  # fmt: skip
        allowed = round_off(a) * (float(np.abs(a).max()) + float(np.std(x)))
        try:
            few = step(x[:, order[: n // 2]], i, z[:, order[: n // 2]])
        except WrongShape as error:
            return fails(ALGEBRA, Quantity.SHAPE, str(error))
        moved = float(np.abs(few - a[:, order[: n // 2]]).max())
        if not moved <= allowed:
            return fails(
                ALGEBRA, Quantity.COUPLING, f"step {i} moves a particle by {moved:.3g} when others are left out"
            )  # fmt: skip
    return holds(ALGEBRA, "positions come back, finite, the same each time, each particle from its own x and z")


def probe(step: Step, claim: Steps, seed: int) -> tuple[Level, bool]:
    """Judge every step against the one claimed; also return whether both move every particle alike, not only in law."""
    probes = probes_of(claim, seed)
    found, wanted, allowed = [], [], []
    for i in range(claim.n_steps):
        given = step(probes.x[i], i, probes.z)
        right = claim.advance(probes.x[i], i, probes.z)
        found.append(probes.split(given.astype(float)))
        wanted.append(probes.split(right))
        allowed.append(round_off(given) * (float(np.abs(right).max()) + float(np.std(right))))
    X, R, tolerance = np.array(found), np.array(wanted), np.array(allowed)
    wrong = ~(np.abs(X - R).max(axis=(1, 2, 3)) <= tolerance)
    if not wrong.any():
        detail = f"{claim.n_steps} steps at {PLACES} places and {probes.n_noise} vectors of noise agree to round-off"
        return holds(PROBE, detail), True
    wrong &= ~_same_in_law(X, R, tolerance)
    if not wrong.any():
        return holds(PROBE, f"{claim.n_steps} steps agree in law: their normals are turned among themselves"), False
    return _diagnosed(step, claim, probes, X, R, tolerance, wrong), False


def _parts(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x' without noise (steps, d, places) and its change for z = +e_k and -e_k (steps, d, places, 2r)."""
    r = (X.shape[3] - 1 - 2 * len(FAR)) // 2
    return X[..., 0], X[..., 1 : 1 + 2 * r] - X[..., :1]


def _same_in_law(X: np.ndarray, R: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return which steps have the law of the claimed ones although their noise is turned: affine, N N^T alike."""
    out = np.zeros(len(X), bool)
    for i, allowed in enumerate(tolerance):
        (mean, noise), (right, claimed) = _parts(X[i : i + 1]), _parts(R[i : i + 1])
        r = noise.shape[3] // 2
        affine = all(
            np.abs(part[..., :r] + part[..., r:]).max() <= 10 * allowed
            and np.abs(Y[i, ..., 1 + 2 * r + k] - Y[i, ..., 0] - part[0, ..., :r] @ np.resize(v, r)).max()
            <= 100 * allowed
            for Y, part in ((X, noise), (R, claimed))
            for k, v in enumerate(FAR)
        )
        squares = [np.einsum("sipk,sjpk->sijp", part[..., :r], part[..., :r]) for part in (noise, claimed)]
        size = max(float(np.abs(claimed).max()), allowed)
        flipped = r == 1 and np.abs(X[i][..., _mirrored(r)] - R[i]).max() <= allowed
        out[i] = np.abs(mean - right).max() <= allowed and (
            flipped or (affine and np.abs(squares[0] - squares[1]).max() <= 10 * allowed * size)
        )
    return out


def _mirrored(r: int) -> list[int]:
    """Return the order of the vectors of noise in which each takes the place of its negative."""
    k, f = 1 + 2 * r, len(FAR)
    return [0, *range(1 + r, k), *range(1, 1 + r), *range(k + f, k + 2 * f), *range(k, k + f)]


def _diagnosed(
    step: Step, claim: Steps, probes: Probes, X: np.ndarray, R: np.ndarray, tolerance: np.ndarray, wrong: np.ndarray
) -> Level:
    """Return the failed level: another index, the last step alone, the mean, or what is made of the noise."""
    n, at = claim.n_steps, np.flatnonzero(wrong)
    where = f"{len(at)} of {n} steps are off, the first is step {at[0]}"
    if len(at) > 2:
        others = {f"{k:+d}": lambda i, k=k: i + k for k in SHIFTS} | {"reversed": lambda i: n - 1 - i}
        for name, index in others.items():
            if _is_another(claim, probes, X, tolerance, at, index):
                said = f"steps are those of the index {name}" if name != "reversed" else "steps run backwards"
                return fails(PROBE, Quantity.GRID, f"{said}; {where}")
    (mean, noise), (right, claimed) = _parts(X), _parts(R)
    k = at[0]
    off = float(np.abs(mean[k] - right[k]).max())
    if n > 1 and list(at) == [n - 1]:
        return fails(PROBE, Quantity.LAST, f"only the last step is off, by {np.abs(X[-1] - R[-1]).max():.3g}")
    if not off <= tolerance[k]:
        share = _share_of_drift(mean[k], right[k], probes.split(probes.x[k])[..., 0])
        if share > 0 and np.abs(_stretched(claim, probes, k, share) - X[k]).max() <= 1e3 * tolerance[k]:
            return fails(PROBE, Quantity.GRID, f"{where}: it is {share:.6g} times as long as claimed")
        words = f"{where}: without noise it is off by {off:.3g}, its change {share:.6g} times what is claimed"
        return fails(PROBE, Quantity.MEAN, words)
    change = np.abs(noise[k] - claimed[k]).max()
    if not change <= tolerance[k]:
        size, needed = (float(np.sqrt(np.mean(part[k] ** 2))) for part in (noise, claimed))
        ratio = f"{size / needed:.6g} times what is claimed" if needed else f"{size:.3g} where none is claimed"
        return fails(PROBE, Quantity.VARIANCE, f"{where}: the noise is {ratio}")
    return fails(PROBE, Quantity.NOISE, f"{where}: it is right for |z| <= 1 and wrong farther out")


def _share_of_drift(mean: np.ndarray, right: np.ndarray, x: np.ndarray) -> float:
    """Return what a step without noise does, in units of what is claimed; 0 where that is nothing."""
    given, claimed = (mean - x).ravel(), (right - x).ravel()
    square = float(claimed @ claimed)
    return float(given @ claimed) / square if square > 0 else 0.0


def _stretched(claim: Steps, probes: Probes, k: int, share: float) -> np.ndarray:
    return probes.split(claim.advance(probes.x[k], k, probes.z, stretch=share))


def _is_another(
    claim: Steps, probes: Probes, X: np.ndarray, tolerance: np.ndarray, at: np.ndarray, index: Callable[[int], int]
) -> bool:
    """Return whether the steps that are off are, for the most part, those claimed at another index."""
    inside = [i for i in at if 0 <= index(i) < claim.n_steps and index(i) != i]
    if len(inside) < max(2, MOST * len(at) - 2):
        return False
    met = [
        np.abs(probes.split(claim.advance(probes.x[i], index(i), probes.z)) - X[i]).max() <= tolerance[i]
        for i in inside
    ]
    return float(np.mean(met)) >= MOST
