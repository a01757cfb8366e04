"""The worked example: denoising diffusion models on data whose every law is known."""

from fpsde.ddpm.binomial import BinomialChain, Words, heartbeat
from fpsde.ddpm.bounds import Bound, ReverseVariance, bound_weights, variational_bound
from fpsde.ddpm.boxes import Boxes
from fpsde.ddpm.chain_density import chain_log_density
from fpsde.ddpm.curves import along_curves
from fpsde.ddpm.denoiser import Denoiser, Scaling, scaling_of
from fpsde.ddpm.divergences import Direction, Probes, divergence
from fpsde.ddpm.energy_network import EnergyNetwork, energy
from fpsde.ddpm.floors import (
    PriorGap,
    denoising_errors,
    loss_floor,
    noise_floors,
    prior_gap,
    refuse_short_schedule,
)
from fpsde.ddpm.laplace import Laplace
from fpsde.ddpm.likelihoods import WeightedBound, flow_log_likelihood, weighted_bound
from fpsde.ddpm.losses import min_snr_weights, simple_weights, weighted_floor
from fpsde.ddpm.network import Network, NetworkShape, new_network
from fpsde.ddpm.probability_flow import flow_by_rk45
from fpsde.ddpm.pushed_mass import JudgedModel, ModelLaw, model_law
from fpsde.ddpm.sampler_laws import sampler_law
from fpsde.ddpm.samplers import Sampler, annealed_chain, exact_box, exact_chain, network_chain, starting_points
from fpsde.ddpm.saved_training import saved_denoiser
from fpsde.ddpm.score_errors import curl, equation_residual, error_map, excess_errors, fisher_divergences
from fpsde.ddpm.toys import TOY_DATA, ToyData, toy_data
from fpsde.ddpm.training import Training, train
from fpsde.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.known_law import KnownLaw

__all__ = [
    "TOY_DATA",
    "BinomialChain",
    "Bound",
    "Boxes",
    "Denoiser",
    "Direction",
    "EnergyNetwork",
    "GaussianMixture",
    "JudgedModel",
    "KnownLaw",
    "Laplace",
    "ModelLaw",
    "Network",
    "NetworkShape",
    "PriorGap",
    "Probes",
    "ReverseVariance",
    "Sampler",
    "Scaling",
    "ToyData",
    "Training",
    "WeightedBound",
    "Words",
    "along_curves",
    "annealed_chain",
    "bound_weights",
    "chain_log_density",
    "curl",
    "denoising_errors",
    "divergence",
    "energy",
    "equation_residual",
    "error_map",
    "exact_box",
    "exact_chain",
    "excess_errors",
    "fisher_divergences",
    "flow_by_rk45",
    "flow_log_likelihood",
    "heartbeat",
    "loss_floor",
    "min_snr_weights",
    "model_law",
    "network_chain",
    "new_network",
    "noise_floors",
    "prior_gap",
    "refuse_short_schedule",
    "round_mixture",
    "sampler_law",
    "saved_denoiser",
    "scaling_of",
    "simple_weights",
    "starting_points",
    "toy_data",
    "train",
    "variational_bound",
    "weighted_bound",
    "weighted_floor",
]
