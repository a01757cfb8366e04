"""Toy data with known densities: what a diffusion model is trained on, and judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import placed
from fpsde.ddpm.boxes import Boxes
from fpsde.ddpm.curves import pinwheel, rings, spirals, swiss_roll, two_moons
from fpsde.ddpm.laplace import Laplace
from fpsde.density import Law
from fpsde.errors import InvalidInput, unknown_name
from fpsde.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.known_law import KnownLaw
from fpsde.noise import Purpose, uniforms
from fpsde.validation import finite, integer, seed64


@dataclass(frozen=True, eq=False)
class ToyData:
    """Data with a name and a law that is known under noise: x_t = sqrt(alpha_bar) x_0 + N(0, (1 - alpha_bar) I).

    Points are ``(d, n)``; with one component ``(n,)`` goes as well. They may lie on a device: density, score and
    denoiser compute there. ``alpha_bar`` lies in (0, 1]; 1 is the data.
    """

    name: str
    law: KnownLaw

    @property
    def dim(self) -> int:
        """The number d of components."""
        return self.law.dim

    def sample(self, n: int, *, seed: int, first: int = 0) -> np.ndarray:
        """Return the points (d, n) with ids from ``first`` on, a pure function of (seed, id): drawn by counter."""
        count, start = integer("n", n, least=1), integer("first", first, least=0)
        ids = np.arange(start, start + count, dtype=np.uint64)
        return self.law.draw(uniforms(seed64(seed), Purpose.INITIAL, particles=ids, count=self.law.uniforms))

    def density(self, x: Any, alpha_bar: float = 1.0) -> np.ndarray:
        """Return the density of x_t at ``x``, (n,), in 1/volume."""
        return np.exp(self.log_density(x, alpha_bar))

    def log_density(self, x: Any, alpha_bar: float = 1.0) -> np.ndarray:
        """Return the logarithm of the density of x_t at ``x``, (n,)."""
        return self.law.log_density(self._points(x), *_of(alpha_bar))

    def score(self, x: Any, alpha_bar: float = 1.0) -> np.ndarray:
        """Return grad log p of x_t at ``x``, (d, n). InvalidInput where p jumps: boxes without noise."""
        return self.law.score(self._points(x), *_of(alpha_bar))

    def denoised(self, x: Any, alpha_bar: float) -> np.ndarray:
        """Return E[x_0 | x_t = x], (d, n): the exact denoiser."""
        return self.law.denoised(self._points(x), *_of(alpha_bar))

    def marginal(self, alpha_bar: float = 1.0) -> Law:
        """Return the law of x_t where the data have one component; InvalidInput elsewhere."""
        return self.law.line_law(*_of(alpha_bar))

    def _points(self, x: Any) -> Any:
        points = placed(x).astype(float)
        points = points[None] if self.dim == 1 and points.ndim == 1 else points
        if points.ndim != 2 or points.shape[0] != self.dim:
            raise InvalidInput(f"x has shape {tuple(points.shape)}; ({self.dim}, n) is needed, component first")
        return points


def _of(alpha_bar: float) -> tuple[float, float]:
    """Return signal and level of an alpha_bar."""
    value = finite("alpha_bar", alpha_bar)
    if not 0 < value <= 1:
        raise InvalidInput(f"alpha_bar={value} must lie in (0, 1]; 1 is the data without noise")
    return value**0.5, (1 - value) ** 0.5


def _checkerboard() -> Boxes:
    """Return the uniform law on the black squares of a board of 4 x 4 on (-2, 2)^2."""
    lows = np.array([(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0], dtype=float)
    return Boxes(np.full(8, 1 / 8), lows, lows + 1)


def _anisotropic() -> GaussianMixture:
    """Return three normals in the plane that share no axis, size or weight."""
    covariances = np.array([[[0.5, 0.3], [0.3, 0.4]], [[0.1, -0.05], [-0.05, 0.3]], [[0.2, 0.0], [0.0, 0.05]]])
    return GaussianMixture(np.array([0.5, 0.3, 0.2]), np.array([[1.0, -0.5], [-1.2, 0.8], [0.3, 1.5]]), covariances)


#: Name: the law. gaussian and mixture are the targets on which the exact numbers of this package's tests rest.
TOY_DATA: dict[str, Callable[[], KnownLaw]] = {
    "gaussian": lambda: round_mixture([1.0], [[1.0]], [0.5]),
    "mixture": lambda: round_mixture([0.3, 0.7], [[-1.5], [1.0]], [0.3, 0.5]),
    "uniform": lambda: Boxes(np.ones(1), np.array([[-0.5]]), np.array([[1.5]])),
    "laplace": lambda: Laplace(0.4, 0.6),
    "anisotropic": _anisotropic,
    "moons": two_moons,
    "swiss_roll": swiss_roll,
    "rings": rings,
    "spirals": spirals,
    "pinwheel": pinwheel,
    "checkerboard": _checkerboard,
}


def toy_data(name: str) -> ToyData:
    """Return the toy data of this name. Raises InvalidInput for an unknown one, with the nearest."""
    if name not in TOY_DATA:
        raise unknown_name("toy data", name, TOY_DATA)
    return ToyData(name, TOY_DATA[name]())
