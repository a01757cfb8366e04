"""stationary_bias(): how far a chain settles from the stationary law of its process, without sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.checks import OrderResult, distances
from fpsde.convergence.weak import ROUND_OFF, SHARE, judged
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.laws import stationary_scheme_law
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.extent import Extent, extent_of
from fpsde.laws.frame import Observable
from fpsde.laws.levels import Level, levels, refuse_walls, settled
from fpsde.laws.noise_rule import continuous_rows, row_of_uniform
from fpsde.laws.scheme_forms import has_kinks
from fpsde.panel_law import PanelLaw
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite_array, positive

#: Steps from which an order is judged.
FEWEST = 4
#: Where a density is compared: -log of the probability beyond its ends, and panels between them.
DEEPEST, PANELS = 60.0, 128


@dataclass(frozen=True, eq=False)
class BiasTable:
    """Biases E u(chain) - E u(process) of stationary laws, by step size and observable.

    ``total_variation`` is half of the integral of the distance between the two densities; nan where the noise of a step
    is discrete, so that its law has no density.
    """

    dts: np.ndarray
    observables: tuple[str, ...]
    exact: np.ndarray  #: E u under exp(-energy/temperature)/Z, ``(k,)``
    biases: np.ndarray  #: ``(levels, k)``
    total_variation: np.ndarray  #: ``(levels,)``
    total_variation_accuracy: np.ndarray  #: its last change, or the accuracy of the density that it was read from
    accuracy: np.ndarray  #: the last change of each bias when the frame was made finer and wider, ``(levels, k)``
    theory: float | None  #: the order of the bias that the scheme claims
    results: Mapping[str, OrderResult]  #: verdicts on it by observable, of four steps or more
    provenance: Mapping[str, Any]


def stationary_bias(
    process: Process,
    scheme: Scheme,
    *,
    dts: Sequence[float],
    observables: Mapping[str, Observable] | None = None,
    tolerance: float = 1e-9,
) -> BiasTable:
    """Return the biases of E x^2 and E x^4 of the first component, or of ``observables``, and the total variation.

    The stationary law of the chain is the left eigenvector of its backward operator; that of the process is
    exp(-energy/temperature)/Z at the same nodes. The frame is made finer and wider until no bias changes by more than
    ``tolerance``. Where an explicit step is transient on a superlinear force, the law is the quasi-stationary one, as
    long as what leaves changes nothing. In one component what does not settle so (a chain that accepts or rejects, a
    step with kinks, one whose tails are longer than those of the process, a total variation) is read off the density of
    :func:`~fpsde.laws.stationary_scheme_law`, where there is one.

    ``dts`` are steps, ``observables`` functions of the components, by name; processes have one or two components.
    Raises InvalidInput where the process states no energy, and NotConverged where nothing settles: take smaller steps.
    """
    steps, tolerance = finite_array("dts", dts, ndim=1), positive("tolerance", tolerance)
    for dt in steps:
        positive("dts", dt)
    named = observables or {"x^2": lambda *x: x[0] ** 2, "x^4": lambda *x: x[0] ** 4}
    extent, functions = extent_of(process, x0=None, t_end=1.0, dt=1.0), list(named.values())
    refuse_walls(process)
    inputs = array_step(scheme, process).inputs
    dense = process.dim == 1 and bool(continuous_rows(inputs))  # in one component a step may have a density
    try:
        if dense and (row_of_uniform(inputs) is not None or has_kinks(scheme, process)):
            raise NotConverged(f"{scheme.name} accepts or rejects, or changes its formula: expectations have kinks")
        exact, biases, accuracy, apart, unsure = _settled(process, scheme, extent, steps, functions, tolerance)
    except NotConverged:
        if not dense:
            raise
        found = [_of_density(process, scheme, dt, extent, functions) for dt in steps]
        exact, biases, accuracy, apart, unsure = (np.array(part) for part in zip(*found, strict=True))
        exact = exact[0]
    if not continuous_rows(inputs):
        apart, unsure = np.full((2, len(steps)), np.nan)
    for i in np.flatnonzero(dense & (unsure > np.maximum(tolerance, SHARE * apart))):
        with contextlib.suppress(InvalidInput, NotConverged, UnstableStep):
            *_, apart[i], unsure[i] = _of_density(process, scheme, steps[i], extent, functions)
    provenance = {"process": process.name, "scheme": scheme.name, "tolerance": tolerance, **environment()}
    theory, results = scheme.stationary_order(process), {}
    if theory is not None and np.isfinite(theory) and len(steps) >= FEWEST:
        results = {u: judged(steps, biases[:, i], accuracy[:, i], theory) for i, u in enumerate(named)}
    return BiasTable(
        dts=steps,
        observables=tuple(named),
        exact=exact,
        biases=biases,
        total_variation=apart,
        total_variation_accuracy=unsure,
        accuracy=accuracy,
        theory=theory,
        results=results,
        provenance=provenance,
    )


def _settled(
    process: Process, scheme: Scheme, extent: Extent, dts: np.ndarray, observables: list[Observable], tolerance: float
) -> tuple[np.ndarray, ...]:
    """Return E u of the process, biases, distances of densities, each with its last change, by weights at nodes."""
    (biases, exact, apart), (change, _, farther) = settled(
        levels(process, scheme, extent),
        lambda level: _of_weights(process, scheme, level, dts, observables),
        lambda biases: tolerance,
        f"the stationary biases of {scheme.name} on {process.name}",
        f"tolerance={tolerance:g}; allow more, or take smaller steps",
    )
    return exact, biases, change, apart, farther


def _of_weights(
    process: Process, scheme: Scheme, level: Level, dts: np.ndarray, observables: list[Observable]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return biases, E u of the process and distances, all on one level."""
    frame = level.frame
    x = frame.nodes
    values = np.stack([np.broadcast_to(u(*x), x.shape[1]) for u in observables], axis=1)
    own = frame.weight**2 * frame.lengths
    own = own / own.sum()
    chain = BackwardChain(scheme, process, frame, nodes=level.nodes)
    laws = np.stack([chain.stationary(dt) for dt in dts])
    exact = own @ values
    return laws @ values - exact, exact, np.array([frame.total_variation(law - own) for law in laws])


def _of_density(
    process: Process, scheme: Scheme, dt: float, extent: Extent, observables: list[Observable]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Return E u of the process, biases, their accuracy, the distance of the densities and its, in one component."""
    assert extent.energy is not None
    energy = extent.energy
    faces = np.linspace(*extent.ends(DEEPEST)[0], PANELS + 1)
    own = PanelLaw.from_density(lambda x: np.exp(-energy(x[None])), faces, normalise=True)
    found = stationary_scheme_law(process, scheme, dt=dt)
    exact, kept = (np.array([law.expectation(u) for u in observables]) for law in (own, found.law))
    # what is wrong with the distribution function is wrong with E u by as much of the sizes that u takes
    sizes = np.array([np.max(np.abs(np.broadcast_to(u(faces), faces.shape))) for u in observables])
    accuracy = np.maximum(found.accuracy, ROUND_OFF) * sizes
    return exact, kept - exact, accuracy, distances.total_variation(found.law, own), float(found.accuracy)
