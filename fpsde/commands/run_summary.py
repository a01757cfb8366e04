"""What the command line watches of a run of particles, and the record of it: what JSON holds and the terminal shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fpsde.checks.wording import plus_minus
from fpsde.commands import quantiles
from fpsde.density import Law
from fpsde.ensemble import Counts, Ensemble
from fpsde.integrators import Covariance, Histogram, Moments, Observer
from fpsde.processes.process import Process
from fpsde.schemes import Scheme


@dataclass(frozen=True)
class Watch:
    """The observers of a run, at its end: of every component, and of the scheme's values for each particle."""

    moments: Moments
    covariance: Covariance | None  #: with more components than one
    histograms: tuple[Histogram, ...]  #: one for each component
    scalars: dict[str, Moments]

    @property
    def all(self) -> list[Observer]:
        several = [] if self.covariance is None else [self.covariance]
        return [self.moments, *several, *self.histograms, *self.scalars.values()]


def watch(process: Process, scheme: Scheme, *, x0: Any, histograms: tuple[Histogram, ...]) -> Watch:
    """Return what is watched: sums about the start, and the histograms of the components."""
    laws = x0 if isinstance(x0, tuple) else (x0,)
    centre = tuple(float(one.mean if isinstance(one, Law) else one) for one in laws)
    about: Any = centre if len(centre) > 1 else centre[0]
    return Watch(
        moments=Moments(centre=about),
        covariance=Covariance(centre=about) if process.dim > 1 else None,
        histograms=histograms,
        scalars={name: Moments(of=name) for name in scheme.scalars},
    )


def record(process: Process, run: Ensemble, watched: Watch, *, labels: list[str], with_counts: bool) -> dict[str, Any]:
    """Return what a run saw, as JSON can hold it; a number that is none, of a run with explosions, is None."""
    counts = [run.result(one)[0] for one in watched.histograms]
    with np.errstate(invalid="ignore", over="ignore"):  # an explosion makes sums infinite; it is reported as one
        return {
            "t": run.t,
            "requested": run.requested,
            "n_particles": run.n_particles,
            "interrupted": run.interrupted,
            "components": _components(process, run, watched, labels, counts),
            "covariance": None
            if watched.covariance is None
            else [[_number(v) for v in row] for row in run.result(watched.covariance)[0].covariance],
            "histograms": [_counts(one) for one in counts] if with_counts else None,
            "scalars": {name: _moments(run.result(one)[0], 0) for name, one in watched.scalars.items()},
            "absorbed": [list(pair) for pair in run.absorbed],
            "not_finite": run.not_finite,
            "first_not_finite": _first(run),
            "failed": run.failed,
            "provenance": dict(run.provenance),
        }


def _components(
    process: Process, run: Ensemble, watched: Watch, labels: list[str], counts: list[Counts]
) -> list[dict[str, Any]]:
    sums = run.result(watched.moments)[0]
    stds = np.sqrt(np.maximum(sums.variance, 0.0))  # of a point it may be -1e-17
    found = [quantiles.quantiles(*one) for one in zip(counts, stds, process.intervals, run.absorbed, strict=True)]
    return [{"name": name, **_moments(sums, i), "quantiles": found[i]} for i, name in enumerate(labels)]


def _moments(sums: Any, i: int) -> dict[str, float | None]:
    names = ("mean", "mean_error", "variance", "variance_error")
    return {name: _number(getattr(sums, name)[i]) for name in names}


def _counts(counts: Counts) -> dict[str, Any]:
    beside = {name: int(getattr(counts, name)[0]) for name in ("below", "above", "nan")}
    return {"faces": counts.faces[0], "counts": counts.counts[0], **beside}


def _first(run: Ensemble) -> dict[str, int] | None:
    if run.first_not_finite is None:
        return None
    step, particle = run.first_not_finite
    return {"step": step, "particle": particle}


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def headline(result: dict[str, Any]) -> str:
    """Return in a line what was run."""
    made = result["provenance"]
    return (
        f"{made['process']}, {made['scheme']}: {result['n_particles']:,} particles to t = {result['t']:g} in "
        f"{made['n_steps']:,} steps of {made['dt']:g}"
    )


def show(result: dict[str, Any], screen: Console) -> None:
    """Print a record: the law that was reached, and what became of the particles."""
    made = result["provenance"]
    screen.print(f"{headline(result)}, {made['dtype']}, seed {made['seed']}", highlight=False, style="bold")
    names = [one["name"] for one in result["components"]]
    parts: list[Any] = [_law(result["components"]), *_about_quantiles(result["components"])]
    parts += [line for line in map(_absorbed, names, result["absorbed"]) if line]
    if result["covariance"] is not None:
        parts.append(_matrix(result["covariance"], names))
    lines = [_scalar(name, one, made["n_steps"]) for name, one in result["scalars"].items()]
    screen.print(*parts, *lines, *_lost(result, made["n_steps"]), highlight=False, sep="\n")
    screen.print("; ".join(_pace(result)), highlight=False)


def _pace(result: dict[str, Any]) -> list[str]:
    pace, resumed = result["particle_steps_per_second"], result["resumed"]
    if pace is None:
        return [f"{result['seconds']:.2f} s", f"all {resumed:,} particles were there before"]
    before = [f"{resumed:,} particles were there before"] if resumed else []
    return [f"{result['seconds']:.2f} s, compiling included", f"{pace:.3g} particle-steps a second", *before]


def _law(components: list[dict[str, Any]]) -> Table:
    out = Table(box=None, pad_edge=False)
    out.add_column("")
    for head in ("mean", "variance", *(f"{100 * q:g} %" for q in quantiles.QUANTILES)):
        out.add_column(head, justify="right")
    for one in components:
        moments = [_measured(one, name) for name in ("mean", "variance")]
        out.add_row(one["name"], *moments, *map(quantiles.shown, one["quantiles"]))
    return out


def _about_quantiles(components: list[dict[str, Any]]) -> list[str]:
    """Return in words why a quantile is not there."""
    missing = any(q["value"] is None for one in components for q in one["quantiles"])
    return ["-: beside the bins, or these are too wide; --histogram takes others"] if missing else []


def _matrix(covariance: list[list[float | None]], names: list[str]) -> Table:
    out = Table(box=None, pad_edge=False)
    for head in ("covariance", *names):
        out.add_column(head, justify="right")
    for name, row in zip(names, covariance, strict=True):
        out.add_row(name, *map(_shown, row))
    return out


def _measured(moments: dict[str, Any], name: str) -> str:
    value, error = moments[name], moments[f"{name}_error"]
    if value is None or error is None:
        return _shown(value)
    # beyond these the digits of a plain number are zeros, or too many to read
    return plus_minus(value, error) if 1e-9 < error < 1e6 else f"{value:.6g} +- {error:.2g}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _scalar(name: str, moments: dict[str, Any], n_steps: int) -> str:
    share = moments["mean"]
    rate = "" if share is None else f", {share / n_steps:.5g} a step"
    return f"{name}: {_measured(moments, 'mean')} for each particle{rate}"


def _absorbed(name: str, pair: list[int]) -> str:
    if not any(pair):
        return ""
    ends = f"{pair[0]:,} absorbed at the low wall, {pair[1]:,} at the high wall"
    return f"{name}: {ends}; mean, variance and quantiles count them there"


def _lost(result: dict[str, Any], n_steps: int) -> list[str]:
    """Return in words which particles say nothing about the process."""
    out = []
    if result["not_finite"]:
        first = result["first_not_finite"]
        out.append(
            f"[bold red]{result['not_finite']:,} particles exploded[/] (infinite or not a number), the first of them "
            f"{first['particle']} in step {first['step']} of {n_steps}; no mean is taken without them. Take a smaller "
            "dt, or a scheme for such a drift: tamed_euler, split_step_backward_euler"
        )
    if result["failed"]:
        out.append(
            f"[bold red]{result['failed']:,} particles failed[/]: the equation of an implicit step was not solved; "
            "take a smaller dt"
        )
    return out
