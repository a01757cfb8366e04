"""One-step maps, one short file each: the formula, its random inputs and its orders."""

from fpsde.errors import unknown_name
from fpsde.schemes.euler import euler_maruyama
from fpsde.schemes.noising import ddpm_step
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.taylor import milstein

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (euler_maruyama, milstein, ddpm_step)}


def scheme_named(name: str) -> Scheme:
    """Return the scheme called ``name``; InvalidInput offers the nearest name."""
    if name not in SCHEMES:
        raise unknown_name("scheme", name, SCHEMES)
    return SCHEMES[name]


__all__ = ["SCHEMES", "Scheme", "ddpm_step", "euler_maruyama", "milstein", "scheme_named"]
