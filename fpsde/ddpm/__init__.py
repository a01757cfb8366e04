"""The worked example: denoising diffusion models on data whose every law is known."""

from fpsde.ddpm.boxes import Boxes
from fpsde.ddpm.curves import along_curves
from fpsde.ddpm.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.ddpm.known_law import KnownLaw
from fpsde.ddpm.laplace import Laplace
from fpsde.ddpm.toys import TOY_DATA, ToyData, toy_data

__all__ = [
    "TOY_DATA",
    "Boxes",
    "GaussianMixture",
    "KnownLaw",
    "Laplace",
    "ToyData",
    "along_curves",
    "round_mixture",
    "toy_data",
]
