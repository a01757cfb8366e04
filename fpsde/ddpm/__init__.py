"""The worked example: denoising diffusion models on data whose every law is known."""

from fpsde.ddpm.boxes import Boxes
from fpsde.ddpm.curves import along_curves
from fpsde.ddpm.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.ddpm.known_law import KnownLaw
from fpsde.ddpm.laplace import Laplace
from fpsde.ddpm.probability_flow import flow_by_rk45
from fpsde.ddpm.sampler_laws import sampler_law
from fpsde.ddpm.samplers import Sampler, exact_chain, starting_points
from fpsde.ddpm.toys import TOY_DATA, ToyData, toy_data

__all__ = [
    "TOY_DATA",
    "Boxes",
    "GaussianMixture",
    "KnownLaw",
    "Laplace",
    "Sampler",
    "ToyData",
    "along_curves",
    "exact_chain",
    "flow_by_rk45",
    "round_mixture",
    "sampler_law",
    "starting_points",
    "toy_data",
]
