"""Underdamped Langevin dynamics in a potential, in positions and velocities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.density import Law, Normal
from fpsde.domain import LINE, Interval
from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.processes.allowed import Allowed
from fpsde.processes.gibbs import gibbs_law
from fpsde.processes.gradient import force_of, may_be_gibbs, point_inside, reduced_energy, refuse_names
from fpsde.processes.matrices import diagonal, entry, lower_triangle, positive_entries, positive_factor, times
from fpsde.processes.process import Exact, Process, Setting
from fpsde.validation import integer

#: What the factories here name themselves.
_OWN = ("temperature", "friction", "mass", "inverse_mass", "root_inverse_mass")
EQUATION = "dX = V dt,  dV = (-U'(X)/mass - friction V) dt + sqrt(2 friction temperature/mass) dW"


def underdamped(
    potential: Callable,
    temperature: Any = 1.0,
    *,
    friction: Any = 1.0,
    mass: Any = 1.0,
    dim: int = 1,
    params: Mapping[str, Any] | None = None,
    domain: Interval | tuple[Interval, ...] = LINE,
    setting: Setting | None = None,
    name: str = "underdamped",
    equation: str = EQUATION,
    allowed: Allowed | None = None,
) -> Process:
    """Return the underdamped Langevin process of a potential, with components (x_1 .. x_k, v_1 .. v_k), k = ``dim``.

        dX = V dt,    dV = (-mass^-1 grad U(X) - friction V) dt + sqrt(2 friction temperature) mass^(-1/2) dW
        stationary law exp(-H/temperature)/Z,    H = V mass V/2 + U(X)

    ``potential`` is U(x, p) (or U(x), or U(x, t, p)) of a component (k = 1) or a tuple of k, written with operators and
    NumPy ufuncs; the force is derived. ``params`` are p, by name. ``mass`` is a number, k numbers or a symmetric
    positive definite matrix ``(k, k)`` (mass^(-1/2) is then the Cholesky factor of its inverse); ``friction``, in
    1/time, and ``temperature`` kT, in mass (unit of x)^2/time^2, are a number or k numbers: run-time values all three.
    The process has 2k components and k channels.

    H is stated as the process's ``energy`` where exp(-H/temperature)/Z is stationary: one temperature, no U that
    depends on time, no periodic end at which U jumps, in one dimension a Z that exists. ``domain`` holds the
    positions: the line or rings, one Interval or one for each of k. ``allowed`` states the values of temperature,
    friction, mass and params for which U is meant, as of Process.

    Raises InvalidInput unless temperature, friction and mass are positive and of these shapes (a singular mass is
    refused), for components of their own temperature or friction with a mass that couples them, for walls (a particle
    bounces by reversing its velocity, which no wall here does), and for a parameter named as one of the arguments.
    Source: Risken, The Fokker-Planck Equation (1989), eqs. 10.1-10.4.
    """
    k, params = integer("dim", dim, least=1), dict(params or {})
    refuse_names(params, _OWN)
    positions = domain if isinstance(domain, tuple) else (domain,) * k
    _refuse_walls(positions)
    own: dict[str, Any] = {
        "temperature": positive_entries("temperature", temperature, k),
        "friction": positive_entries("friction", friction, k),
        "mass": positive_factor("mass", mass, k),
    }
    values = {**own, **params, **_derived(own)}

    def with_values(**changed: Any) -> Process:
        own = {name: changed.pop(name) for name in ("temperature", "friction", "mass")}
        return underdamped(
            potential, **own, dim=k, params=changed, domain=domain, setting=setting, name=name, equation=equation,
            allowed=allowed,
        )  # fmt: skip

    process = Process(
        drift=_drift(potential, k, coupled=np.ndim(own["mass"]) == 2),
        sigma=_sigma(k, coupled=np.ndim(own["mass"]) == 2),
        dim=2 * k,
        params=values,
        domain=(*positions, *(LINE,) * k),
        name=name,
        equation=equation,
        setting=setting or Setting((*(point_inside(interval) for interval in positions), *(0.0,) * k)),
        factory=with_values,
        allowed=allowed,
        arguments={**own, **params},
    )
    if np.ndim(own["temperature"]) or not may_be_gibbs(potential, values, positions):
        return process
    if k > 1:
        return replace(process, energy=_energy(potential, k), exact=_velocities(own, k))
    reduced = reduced_energy(potential, values)
    law = None if reduced is None else gibbs_law(reduced, positions[0])
    if law is None:
        return process
    return replace(process, energy=_energy(potential, k), exact=_gibbs(law, own["temperature"] / float(own["mass"])))


def underdamped_of(process: Process, *, friction: Any = 1.0, mass: Any = 1.0) -> Process:
    """Return the underdamped twin of an overdamped process: the same potential, temperature, parameters and domain.

    The twin of ``dX = -grad U dt + sqrt(2 temperature) dW`` is :func:`underdamped` in U; for large friction its
    position moves like the process with time divided by friction and mass. A mobility has no twin and is left out.

    Raises InvalidInput if the process states no potential or has no parameter ``temperature``, and as underdamped does.
    """
    if process.potential is None or "temperature" not in process.params:
        raise InvalidInput(
            f"{process.name} states no potential with a temperature, of which an underdamped twin could be made; give "
            "it to fpsde.underdamped(potential, temperature)"
        )
    own = ("temperature", "mobility", "root_mobility")
    start = process.setting.x0
    x0 = (float(start.mean),) if isinstance(start, Law) else start if isinstance(start, tuple) else (float(start),)
    return underdamped(
        process.potential,
        process.params["temperature"],
        friction=friction,
        mass=mass,
        dim=process.dim,
        params={name: value for name, value in process.params.items() if name not in own},
        domain=process.domain,
        setting=replace(process.setting, x0=(*x0, *(0.0,) * process.dim), window=None),
        name=f"underdamped_{process.name}",
    )


def _refuse_walls(positions: tuple[Interval, ...]) -> None:
    for interval in positions:
        if interval != LINE and not interval.periodic:
            raise InvalidInput(
                f"domain ({interval.low}, {interval.high}) of positions has ends that are not periodic: a particle "
                "with velocity bounces by reversing it, which no wall here does; give the line or a periodic interval"
            )


def _derived(own: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what a matrix of masses is used as: its inverse, and the Cholesky factor of that."""
    if np.ndim(own["mass"]) < 2:
        return {}
    for name in ("temperature", "friction"):
        if np.ndim(own[name]):
            raise InvalidInput(
                f"{name} has one value for each component, and mass is a matrix, which couples them; give one {name}, "
                "or masses without coupling"
            )
    inverse = np.linalg.inv(own["mass"])
    inverse = (inverse + inverse.T) / 2
    return {"inverse_mass": inverse, "root_inverse_mass": np.linalg.cholesky(inverse)}


def _parts(x: Any, k: int) -> tuple[Any, tuple]:
    """Return the position as a potential takes it, and the velocities."""
    return (x[0] if k == 1 else tuple(x[:k])), tuple(x[k:])


def _drift(potential: Callable, k: int, *, coupled: bool) -> Callable:
    def drift(x: Any, t: Any, p: Any) -> Any:
        position, v = _parts(x, k)
        force = force_of(potential, position, t, p)
        pull = times(p.inverse_mass, force) if coupled else [f / entry(p.mass, i) for i, f in enumerate(force)]
        return (*v, *(b - entry(p.friction, i) * v[i] for i, b in enumerate(pull)))

    return drift


def _sigma(k: int, *, coupled: bool) -> Callable:
    def sigma(x: Any, t: Any, p: Any) -> Any:
        strength = [2 * entry(p.friction, i) * entry(p.temperature, i) for i in range(k)]
        if coupled:
            lower = lower_triangle(p.root_inverse_mass, np.sqrt(strength[0]))
        else:
            lower = diagonal([np.sqrt(s / entry(p.mass, i)) for i, s in enumerate(strength)])
        return [[0.0] * k for _ in range(k)] + lower

    return sigma


def _energy(potential: Callable, k: int) -> Callable:
    def energy(x: Any, t: Any, p: Any) -> Any:
        position, v = _parts(x, k)
        momentum = times(p.mass, v)
        return call(potential, position, t, p) + sum(v[i] * momentum[i] for i in range(k)) / 2

    return energy


def _gibbs(law: Law, speed2: float) -> Exact:
    """Return the stationary law in one dimension: that of x, and N(0, kT/mass) of v, independent of it."""
    parts = (law, Normal(0.0, speed2**0.5))
    return Exact(
        stationary_mean=lambda: np.array([float(part.mean) for part in parts]),
        stationary_covariance=lambda: np.diag([float(part.variance) for part in parts]),
        stationary_component=lambda i: parts[i],
    )


def _velocities(own: Mapping[str, Any], k: int) -> Exact:
    """Return what is known of the stationary law in k dimensions: that of each velocity."""
    kT, mass = own["temperature"], own["mass"]
    variances = kT * np.diag(np.linalg.inv(mass)) if np.ndim(mass) == 2 else kT / (mass * np.ones(k))

    def component(i: int) -> Law:
        if not k <= i < 2 * k:
            raise InvalidInput(
                f"the stationary law of component {i} is not known; that of velocities, {k} to {2 * k - 1}, is"
            )
        return Normal(0.0, float(variances[i - k]) ** 0.5)

    return Exact(stationary_component=component)
