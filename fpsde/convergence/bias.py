"""stationary_bias(): how far a chain settles from the stationary law of its process, without sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.checks import OrderResult
from fpsde.convergence.weak import judged
from fpsde.errors import NotConverged
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.extent import extent_of
from fpsde.laws.frame import Observable
from fpsde.laws.levels import Level, levels
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite_array, positive

#: Steps from which an order is judged.
FEWEST = 4


@dataclass(frozen=True, eq=False)
class BiasTable:
    """Biases E u(chain) - E u(process) of stationary laws, by step size and observable.

    ``total_variation`` is half of the integral of the distance between the two densities.
    """

    dts: np.ndarray
    observables: tuple[str, ...]
    exact: np.ndarray  #: E u under exp(-energy/temperature)/Z, ``(k,)``
    biases: np.ndarray  #: ``(levels, k)``
    total_variation: np.ndarray  #: ``(levels,)``
    total_variation_accuracy: np.ndarray  #: its last change: kinks where densities cross, tails where a chain leaks
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
    long as what leaves changes nothing.

    ``dts`` are steps, ``observables`` functions of the components, by name; processes have one or two components.
    Raises InvalidInput where the process states no energy, and NotConverged where nothing settles: take smaller steps.
    """
    steps, tolerance = finite_array("dts", dts, ndim=1), positive("tolerance", tolerance)
    for dt in steps:
        positive("dts", dt)
    named = observables or {"x^2": lambda *x: x[0] ** 2, "x^4": lambda *x: x[0] ** 4}
    extent, step = extent_of(process, x0=None, t_end=1.0, dt=1.0), array_step(scheme, process)

    before: Any = np.inf
    farther: Any = np.inf
    for level in levels(process, step, extent):
        with np.errstate(all="ignore"):
            exact, biases, distances = _table(process, scheme, level, steps, list(named.values()))
            change = np.abs(biases - before)
        if np.all(change <= tolerance):
            provenance = {"process": process.name, "scheme": scheme.name, "tolerance": tolerance, **environment()}
            theory, results = scheme.stationary_order(process), {}
            if theory is not None and np.isfinite(theory) and len(steps) >= FEWEST:
                results = {u: judged(steps, biases[:, i], change[:, i], theory) for i, u in enumerate(named)}
            return BiasTable(
                dts=steps,
                observables=tuple(named),
                exact=exact,
                biases=biases,
                total_variation=distances,
                total_variation_accuracy=np.abs(distances - farther),
                accuracy=change,
                theory=theory,
                results=results,
                provenance=provenance,
            )
        before, farther = biases, distances
    raise NotConverged(
        f"the stationary biases of {scheme.name} on {process.name} settled to {np.max(change):.2g}, not to "
        f"tolerance={tolerance:g}; allow more, or take smaller steps"
    )


def _table(
    process: Process, scheme: Scheme, level: Level, dts: np.ndarray, observables: list[Observable]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return E u of the process, biases and distances, all on one level."""
    frame = level.frame
    x = frame.nodes
    values = np.stack([np.broadcast_to(u(*x), x.shape[1]) for u in observables], axis=1)
    own = frame.weight**2 * frame.lengths
    own = own / own.sum()
    chain = BackwardChain(scheme, process, frame, nodes=level.nodes)
    laws = np.stack([chain.stationary(dt) for dt in dts])
    exact = own @ values
    return exact, laws @ values - exact, 0.5 * np.abs(laws - own).sum(axis=1)
