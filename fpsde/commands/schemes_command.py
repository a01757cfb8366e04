"""``fpsde schemes``: the schemes of the package, and which of them have a form on a process."""

from __future__ import annotations

import argparse
import math
from typing import Any

from rich.table import Table

from fpsde.commands.options import add_json, add_process, process_of, screen
from fpsde.errors import InvalidInput, Unsuited
from fpsde.noise_class import NoiseType
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, Scheme, ancestral, ddim, karras, langevin_corrector, predictor_corrector
from fpsde.schemes.noise_types import noise_types
from fpsde.schemes.scheme import Orders, StationaryOrder
from fpsde.schemes.tracing import traced_step
from fpsde.writing import put_json, refuse_unwritable

#: What is written for an order that is infinite, and where none is claimed.
EXACT, NONE = "exact", "-"
#: Samplers of diffusion models by how they are called from Python; they take steps of processes from noise to data.
SAMPLERS: dict[str, Scheme] = {
    "ddim(eta)": ddim(),
    "ancestral(fraction)": ancestral(),
    "karras(churn)": karras(),
    "langevin_corrector(size)": langevin_corrector(0.1),
    "predictor_corrector(predictor, size)": predictor_corrector(size=0.1),
}
_LEGEND = (
    f"Orders by class of noise, additive/commutative/general; one number where they are equal, {NONE} where none is "
    "claimed. stationary: order of the bias of the stationary law, additive noise; of two, the first is that of "
    "processes in equilibrium (--json has the conditions), the second that of all others. wall: weak order at "
    f"reflecting and absorbing walls, {NONE} where they are refused. evals: drift evaluations for each step. Every "
    "splitting of underdamped dynamics goes by its letters A, B and O."
)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    schemes = commands.add_parser(
        "schemes", help="list the schemes with their orders; with PROCESS, those that suit it"
    )
    add_process(schemes, needed=False)
    add_json(schemes)
    schemes.set_defaults(run=_schemes)


def _schemes(options: argparse.Namespace) -> int:
    refuse_unwritable([options.json])
    process = None if options.process is None else process_of(options.process, options.dynamics, {})
    refused = {} if process is None else refusals(process)
    suited = [scheme for name, scheme in SCHEMES.items() if name not in refused]
    if options.json != "-":
        _show(suited, process, refused)
    if options.json:
        made = {"schemes": [as_dict(scheme, process) for scheme in suited], "refused": refused}
        samplers = [as_dict(scheme) | {"name": name} for name, scheme in SAMPLERS.items()]
        put_json(made if process is not None else made | {"samplers": samplers}, options.json)
    return 0


def refusals(process: Process) -> dict[str, str]:
    """Return why each of the schemes that have no form on a process has none, by name."""
    out = {}
    for name, scheme in SCHEMES.items():
        try:
            traced_step(scheme, process)
        except Unsuited as error:
            out[name] = str(error.__cause__ or error)  # the error itself goes on with a list of those that have one
    return out


def as_dict(scheme: Scheme, process: Process | None = None) -> dict[str, Any]:
    """Return what a scheme says of itself, as JSON can hold it: an infinite order is the word ``exact``.

    The stationary order is that on the process, where one is given.
    """
    stationary = scheme.stationary if process is None else scheme.stationary_order(process)
    return {
        "name": scheme.name,
        "equation": scheme.equation,
        "convention": scheme.convention,
        "noise": noise_names(scheme.noise),
        "strong": _by_class(scheme.strong),
        "weak": _by_class(scheme.weak),
        "stationary": _conditional(stationary) if isinstance(stationary, StationaryOrder) else _plain(stationary),
        "wall_order": _plain(scheme.wall_order),
        "evaluations": scheme.evaluations,
        "conditions": scheme.conditions,
        "source": scheme.source,
    }


def noise_names(types: frozenset[NoiseType]) -> list[str]:
    """Return classes of noise by name, the narrowest first."""
    return [kind.value for kind in NoiseType if kind in types]


def _by_class(orders: Orders | None) -> dict[str, float | str | None] | None:
    if orders is None:
        return None
    claims = {"additive": orders.additive, "commutative": orders.commutative, "general": orders.general}
    return {kind: _plain(order) for kind, order in claims.items()}


def _conditional(order: StationaryOrder) -> dict[str, float | str | None]:
    return {"where": order.where.__name__, "order": _plain(order.order), "elsewhere": _plain(order.elsewhere)}


def _plain(order: float | None) -> float | str | None:
    return EXACT if order == math.inf else order


def _order(order: float | None) -> str:
    return NONE if order is None else EXACT if order == math.inf else f"{order:g}"


def _orders(orders: Orders | None) -> str:
    """Return orders by class in short: one where all that are claimed are equal."""
    claims = () if orders is None else (orders.additive, orders.commutative, orders.general)
    different = {order for order in claims if order is not None}
    return "/".join(map(_order, claims)) if len(different) > 1 else _order(min(different, default=None))


def _claimed(scheme: Scheme, process: Process | None) -> tuple[str, str, str]:
    """Return the strong, the weak and the stationary order: on a process, or by class of noise and of process."""
    if process is None:
        rest = scheme.stationary
        both = (rest.order, rest.elsewhere) if isinstance(rest, StationaryOrder) else (rest,)
        return _orders(scheme.strong), _orders(scheme.weak), "/".join(map(_order, both))
    strong = None if scheme.strong is None else scheme.strong.on(process)
    try:
        weak: float | None = scheme.weak_order(process)
    except InvalidInput:
        weak = None
    return _order(strong), _order(weak), _order(scheme.stationary_order(process))


def _show(schemes: list[Scheme], process: Process | None, refused: dict[str, str]) -> None:
    """Print the orders, then the sources: in one table they would need more columns than a terminal has."""
    out = screen()
    title = "Schemes"
    if process is not None:
        title += f" with a form on {process.name} ({', '.join(noise_names(noise_types(process)))} noise)"
    orders = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("scheme", "convention"):
        orders.add_column(column, no_wrap=True)
    orders.add_column("noise", max_width=11)
    for column in ("strong", "weak", "stationary", "wall", "evals"):
        orders.add_column(column, justify="right")
    for scheme in schemes:
        ends = _order(scheme.wall_order), str(scheme.evaluations)
        noise = ", ".join(noise_names(scheme.noise))
        orders.add_row(scheme.name, scheme.convention, noise, *_claimed(scheme, process), *ends)
    sources = Table(box=None, show_header=False, pad_edge=False)
    for scheme in schemes:
        sources.add_row(scheme.name, scheme.source)
    out.print(orders, "", _LEGEND, "\nSources", sources, highlight=False, sep="\n")
    if process is None:
        samplers = Table(box=None, show_header=False, pad_edge=False)
        for name, scheme in SAMPLERS.items():
            samplers.add_row(name, scheme.source)
        out.print("\nSamplers of diffusion models, from Python (fpsde ddpm verify judges them)", samplers, sep="\n")
    if process is not None and refused:
        reasons: dict[str, list[str]] = {}
        for name, why in refused.items():
            reasons.setdefault(why, []).append(name)
        lines = [f"{', '.join(names)}: {why}" for why, names in reasons.items()]
        out.print(f"\nWithout a form on {process.name}", *lines, highlight=False, markup=False, sep="\n")
