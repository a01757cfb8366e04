"""Values at the centres of equal cells as trigonometric polynomials: shifted, averaged over cells and back, exactly.

    p(z) = sum_k c_k exp(i k z),    k = 2 pi j / (length of the axis),    j = -n/2 .. n/2

A polynomial goes round the axis. On a ring that is what the law does; between cut ends the law must vanish before them.
What is carried is the wave of each k by itself, so that mass, the wave of k = 0, is kept to round-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput

#: A start is rough where the waves in the upper third of those that an axis carries make up more of the mass: a normal
#: law of less than about 1.4 cells, or a point, however it is spread.
ROUGH = 0.01


@dataclass(frozen=True, eq=False)
class Waves:
    """The waves on an axis of ``n`` cells between ``faces``. ``K = n//2 + 1`` of them are not the conjugate of another.

    Places u are counted from the middle of the axis, about which values are folded: their even part, at u and -u, makes
    the cosines of all waves, their odd part the sines, which halves the work. In ``folded`` order the ``h`` places of
    the lower half come first, from the end inward, and then their mirror images (the middle of an odd ``n`` twice).

        n c_k = a_k - i b_k,    a_k = sum_j (p(u_j) + p(-u_j)) cos(k u_j),    b_k = sum_j (p(u_j) - p(-u_j)) sin(k u_j)
    """

    faces: np.ndarray

    @property
    def n(self) -> int:
        return len(self.faces) - 1

    @cached_property
    def centres(self) -> np.ndarray:
        return 0.5 * (self.faces[1:] + self.faces[:-1])

    @property
    def middle(self) -> float:
        return 0.5 * float(self.faces[0] + self.faces[-1])

    @cached_property
    def k(self) -> np.ndarray:
        return 2 * np.pi / float(self.faces[-1] - self.faces[0]) * np.arange(self.n // 2 + 1)

    @property
    def folded(self) -> np.ndarray:
        """The numbers of the cells in folded order, ``(2 h,)``."""
        lower = np.arange((self.n + 1) // 2)
        return np.concatenate([lower, self.n - 1 - lower])

    @cached_property
    def _half(self) -> np.ndarray:
        return self.centres[: (self.n + 1) // 2] - self.middle

    def analysis(self, scale: float = 1.0, damping: np.ndarray | float = 1.0) -> np.ndarray:
        """Return ``(2, h, K)``: even parts times the first are a_k, odd parts times the second b_k.

        Values are put at ``scale`` times their places; ``damping`` multiplies each k.
        """
        angles = np.outer(scale * self._half, self.k)
        found = np.stack([np.cos(angles), np.sin(angles)]) * damping
        if self.n % 2:  # the middle is its own mirror image
            found[:, -1] /= 2
        return found

    @cached_property
    def synthesis(self) -> np.ndarray:
        """``(2, K, h)``: a_k times the first are even parts of the values at the centres, b_k times the second odd."""
        angles = np.outer(self.k, self._half)
        found = np.stack([np.cos(angles), np.sin(angles)]) * (2.0 / self.n)
        found[:, 0] /= 2
        if self.n % 2 == 0:  # the last wave is its own conjugate
            found[:, -1] /= 2
        return found

    def shift(self, by: np.ndarray) -> np.ndarray:
        """Return cosines and sines ``(2, len(by), K)`` by which (a, b) turn where a function moves up ``by`` a length.

        a becomes a cos - b sin, and b becomes a sin + b cos.
        """
        angles = np.outer(by, self.k)
        found = np.stack([np.cos(angles), np.sin(angles)])
        if self.n % 2 == 0:
            found[1, :, -1] = 0.0
        return found

    def filtered(self, values: np.ndarray, axis: int, factors: np.ndarray) -> np.ndarray:
        """Return values along ``axis`` with each of their waves multiplied by one of the ``factors`` (K,)."""
        waves = np.moveaxis(np.fft.rfft(values, axis=axis), axis, -1) * factors
        return np.fft.irfft(np.moveaxis(waves, -1, axis), self.n, axis=axis)

    @property
    def averaging(self) -> np.ndarray:
        """The factors ``(K,)`` by which waves shrink when they are averaged over cells: from 1 to 2/pi."""
        return np.sinc(np.arange(self.n // 2 + 1) / self.n)

    @property
    def lower(self) -> np.ndarray:
        """One for the lower two thirds of the waves, zero for the others."""
        return np.where(3 * np.arange(self.n // 2 + 1) <= self.n, 1.0, 0.0)


def values_of(axes: tuple[Waves, ...], masses: np.ndarray) -> np.ndarray:
    """Return the values at the centres of which ``masses`` are the averages, in their unit; rough ones are refused."""
    values = smooth = masses
    for axis, waves in enumerate(axes):
        values = waves.filtered(values, axis, 1 / waves.averaging)
        smooth = waves.filtered(smooth, axis, waves.lower / waves.averaging)
    rough = float(np.abs(values - smooth).sum())
    if rough > ROUGH:
        raise InvalidInput(
            f"the start is rough on this grid: waves shorter than three cells make up {rough:.3g} of its mass, where "
            f"at most {ROUGH:g} may; give a law that is smooth over a few cells (no point), narrower cells, or use "
            "evolve"
        )
    return values


def averages_of(axes: tuple[Waves, ...], values: np.ndarray) -> np.ndarray:
    """Return the averages over cells of the polynomial with ``values`` at the centres, in their unit."""
    for axis, waves in enumerate(axes):
        values = waves.filtered(values, axis, waves.averaging)
    return values
