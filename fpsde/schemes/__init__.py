"""One-step maps, one short file each: the formula, its random inputs and its orders."""

from fpsde.errors import InvalidInput, unknown_name
from fpsde.schemes.additive_noise import sra1, sra3
from fpsde.schemes.averaged_noise import leimkuhler_matthews
from fpsde.schemes.correctors import langevin_corrector, predictor_corrector
from fpsde.schemes.denoising import ancestral, ddim
from fpsde.schemes.derivative_free import milstein_derivative_free
from fpsde.schemes.diagonal_noise import sriw1
from fpsde.schemes.euler import euler_maruyama
from fpsde.schemes.heun_flow import karras
from fpsde.schemes.implicit import drift_implicit, implicit_euler, split_step_backward_euler, trapezoidal
from fpsde.schemes.metropolis import mala
from fpsde.schemes.noising import ddpm_step
from fpsde.schemes.platen import platen_weak2
from fpsde.schemes.registry import SCHEMES
from fpsde.schemes.roessler import ri1
from fpsde.schemes.sampling import exact_sampling
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.splittings import aboba, baoab, is_word, lf_middle, oabao, obab, obabo, splitting
from fpsde.schemes.stochastic_gradient import sgld
from fpsde.schemes.stratonovich import euler_heun, heun
from fpsde.schemes.tamed import tamed_euler
from fpsde.schemes.taylor import milstein

SCHEMES |= {
    scheme.name: scheme
    for scheme in (
        euler_maruyama,
        milstein,
        milstein_derivative_free,
        euler_heun,
        heun,
        sra1,
        sra3,
        sriw1,
        platen_weak2,
        ri1,
        tamed_euler,
        implicit_euler,
        trapezoidal,
        split_step_backward_euler,
        leimkuhler_matthews,
        mala,
        baoab,
        aboba,
        obabo,
        obab,
        oabao,
        lf_middle,
        exact_sampling,
        ddpm_step,
    )
}


def scheme_named(name: str) -> Scheme:
    """Return the scheme called ``name``; letters A, B and O alone are a splitting. InvalidInput offers the nearest."""
    if name in SCHEMES:
        return SCHEMES[name]
    if is_word(name):
        return splitting(name)
    raise InvalidInput(f"{unknown_name('scheme', name, SCHEMES)}; and every splitting by its letters A, B and O")


__all__ = [
    "SCHEMES",
    "Scheme",
    "aboba",
    "ancestral",
    "baoab",
    "ddim",
    "ddpm_step",
    "drift_implicit",
    "euler_heun",
    "euler_maruyama",
    "exact_sampling",
    "heun",
    "implicit_euler",
    "karras",
    "langevin_corrector",
    "leimkuhler_matthews",
    "lf_middle",
    "mala",
    "milstein",
    "milstein_derivative_free",
    "oabao",
    "obab",
    "obabo",
    "platen_weak2",
    "predictor_corrector",
    "ri1",
    "scheme_named",
    "sgld",
    "split_step_backward_euler",
    "splitting",
    "sra1",
    "sra3",
    "sriw1",
    "tamed_euler",
    "trapezoidal",
]
