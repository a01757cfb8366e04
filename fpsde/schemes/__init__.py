"""One-step maps, one short file each: the formula, its random inputs and its orders."""

from fpsde.errors import unknown_name
from fpsde.schemes.additive_noise import sra1, sra3
from fpsde.schemes.derivative_free import milstein_derivative_free
from fpsde.schemes.diagonal_noise import sriw1
from fpsde.schemes.euler import euler_maruyama
from fpsde.schemes.noising import ddpm_step
from fpsde.schemes.platen import platen_weak2
from fpsde.schemes.registry import SCHEMES
from fpsde.schemes.roessler import ri1
from fpsde.schemes.scheme import Scheme
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
        ddpm_step,
    )
}


def scheme_named(name: str) -> Scheme:
    """Return the scheme called ``name``; InvalidInput offers the nearest name."""
    if name not in SCHEMES:
        raise unknown_name("scheme", name, SCHEMES)
    return SCHEMES[name]


__all__ = [
    "SCHEMES",
    "Scheme",
    "ddpm_step",
    "euler_heun",
    "euler_maruyama",
    "heun",
    "milstein",
    "milstein_derivative_free",
    "platen_weak2",
    "ri1",
    "scheme_named",
    "sra1",
    "sra3",
    "sriw1",
    "tamed_euler",
]
