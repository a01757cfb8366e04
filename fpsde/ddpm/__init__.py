"""The worked example: denoising diffusion models on data whose every law is known."""

from fpsde.ddpm.binomial import BinomialChain, Words, heartbeat
from fpsde.ddpm.bounds import Bound, ReverseVariance, variational_bound
from fpsde.ddpm.boxes import Boxes
from fpsde.ddpm.curves import along_curves
from fpsde.ddpm.floors import (
    PriorGap,
    denoising_errors,
    loss_floor,
    noise_floors,
    prior_gap,
    refuse_short_schedule,
)
from fpsde.ddpm.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.ddpm.known_law import KnownLaw
from fpsde.ddpm.laplace import Laplace
from fpsde.ddpm.probability_flow import flow_by_rk45
from fpsde.ddpm.sampler_laws import sampler_law
from fpsde.ddpm.samplers import Sampler, annealed_chain, exact_chain, starting_points
from fpsde.ddpm.toys import TOY_DATA, ToyData, toy_data

__all__ = [
    "TOY_DATA",
    "BinomialChain",
    "Bound",
    "Boxes",
    "GaussianMixture",
    "KnownLaw",
    "Laplace",
    "PriorGap",
    "ReverseVariance",
    "Sampler",
    "ToyData",
    "Words",
    "along_curves",
    "annealed_chain",
    "denoising_errors",
    "exact_chain",
    "flow_by_rk45",
    "heartbeat",
    "loss_floor",
    "noise_floors",
    "prior_gap",
    "refuse_short_schedule",
    "round_mixture",
    "sampler_law",
    "starting_points",
    "toy_data",
    "variational_bound",
]
