"""The random inputs of a step, declared by kind: how they come from standard normals, and how they coarsen.

Every input is a function of raw standard normals of the generator, so one mechanism feeds all. ``weights(sub)`` gives,
for a coarse step made of ``sub`` fine ones, the normals of the coarse step as  z_i = sum_k sum_j w[k, i, j] z_kj  of
the fine ones: one Brownian path read at several resolutions. An input without weights has no refinement, and asking
for one is an error.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fpsde.schemes.noise_types import met_pairs

#: The three-point variable takes +-sqrt(3) with probability 1/6 each: |z| beyond this normal quantile.
THREE_POINT_QUANTILE = 0.9674215661017007


class Per(enum.Enum):
    """What a step gets one random input for."""

    CHANNEL = "channel"  #: each of the m channels of the noise
    COMPONENT = "component"  #: each of the d components of the position
    PAIR = "pair"  #: each pair of channels that meet, of (0, 1), (0, 2), ..., (m - 2, m - 1)
    STEP = "step"  #: the whole step

    def count(self, process: Any) -> int:
        """Return how many inputs a step of a process gets."""
        if self is Per.PAIR:
            return len(met_pairs(process))
        return {Per.CHANNEL: process.channels, Per.COMPONENT: process.dim, Per.STEP: 1}[self]


@dataclass(frozen=True)
class RandomInput:
    """One kind of random input, and what a step gets one of it for."""

    name: str  #: the name under which the step reads it: ``noise.dw``
    normals: int  #: raw standard normals that one of it takes
    form: Callable[..., Any]  #: (z, sqrt_dt, dt) -> value, with z a tuple of ``normals`` components
    weights: Callable[[int], np.ndarray] | None = None  #: sub -> (sub, normals, normals), or None: no refinement
    support: tuple[tuple[float, float], ...] | None = None  #: (value / sqrt(dt), probability) where it is discrete
    per: Per = Per.CHANNEL


def _sum_weights(sub: int) -> np.ndarray:
    return np.full((sub, 1, 1), 1.0 / np.sqrt(sub))


def _pair_weights(sub: int) -> np.ndarray:
    """Weights of (dW, I10): coarse I10 = sum_k [I10_k + dt_f (W_k - W_0)], with I10 = dt^(3/2) (z0 + z1/sqrt 3)/2."""
    k = np.arange(sub)
    w = np.zeros((sub, 2, 2))
    w[:, 0, 0] = 1 / np.sqrt(sub)
    # z1 is what of 2 I10/dt^(3/2) = z0 + z1/sqrt(3) is left beside the coarse z0
    w[:, 1, 0] = np.sqrt(3) * ((1 + 2 * (sub - 1 - k)) / sub**1.5 - 1 / np.sqrt(sub))
    w[:, 1, 1] = 1 / sub**1.5
    return w


# The forms are functions of the module, not lambdas: a scheme is to go to another process by their names.


def _increment(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    return sqrt_dt * z[0]


def _increment_and_integral(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    return sqrt_dt * z[0], 0.5 * dt * sqrt_dt * (z[0] + z[1] / np.sqrt(3.0))


def _increments_of_parts(of: int, z: Any, sqrt_dt: Any, dt: Any) -> Any:
    share = np.sqrt(1 / of)
    return tuple(share * sqrt_dt * part for part in z)


def _weights_of_parts(parts: int, sub: int) -> np.ndarray:
    w = np.zeros((sub, parts, parts))
    fine = np.arange(sub * parts)  # the parts of all fine steps, in the order of time
    w[fine // parts, fine // sub, fine % parts] = 1 / np.sqrt(sub)
    return w


def _two_point(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    return sqrt_dt * np.where(z[0] < 0, -1.0, 1.0)


def _three_point(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    side = np.where(z[0] > THREE_POINT_QUANTILE, np.sqrt(3.0), 0.0)
    return sqrt_dt * np.where(z[0] < -THREE_POINT_QUANTILE, -np.sqrt(3.0), side)


def _uniform(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    return np.exp(-0.5 * (z[0] * z[0] + z[1] * z[1]))


def _normal(z: Any, sqrt_dt: Any, dt: Any) -> Any:
    return z[0]


#: The Brownian increment dW ~ N(0, dt); a coarse one is the sum of the fine ones.
DW = RandomInput("dw", 1, _increment, _sum_weights)

#: dW with I(1,0) = int_0^dt W ds, as a pair (Kloeden & Platen (1992), eq. (10.4.3)).
DW_I10 = RandomInput("dw_i10", 2, _increment_and_integral, _pair_weights)


def increments_of_parts(parts: int, *, of: int | None = None) -> RandomInput:
    """Return the input of the increments of W over ``parts`` equal parts of a step, ``(parts,)`` for each channel.

    They are all parts of the step, or some ``of`` more, which make no path.
    """
    whole = of is None or of == parts
    form = partial(_increments_of_parts, of or parts)
    return RandomInput("dw_parts", parts, form, partial(_weights_of_parts, parts) if whole else None)


#: +-sqrt(dt) with probability 1/2 each.
TWO_POINT = RandomInput("two_point", 1, _two_point, support=((-1.0, 0.5), (1.0, 0.5)))

#: +-sqrt(3 dt) with probability 1/6 each, else 0: five moments of dW (Kloeden & Platen (1992), eq. (14.2.2)).
THREE_POINT = RandomInput(
    "three_point",
    1,
    _three_point,
    support=((-np.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (np.sqrt(3.0), 1 / 6)),
)

#: A uniform variable in (0, 1): exp(-(z0^2 + z1^2)/2) of two normals is one exactly.
UNIFORM = RandomInput("uniform", 2, _uniform, per=Per.STEP)

#: A standard normal, for steps that claim no dt-refinement (DDPM).
Z = RandomInput("z", 1, _normal)
