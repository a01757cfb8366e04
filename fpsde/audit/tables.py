"""Numbers that are known exactly: noise schedules, losses, bounds, log-densities. No sampling, no level of chance."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.audit.claimed import generator
from fpsde.audit.exact_models import DATA, default_schedule
from fpsde.audit.findings import ALGEBRA, END, LEVELS, PROBE, Audit, Judge, Level, Quantity, fails, holds, judged
from fpsde.audit.foreign import Layout, ToLibrary, as_array
from fpsde.audit.probe import round_off
from fpsde.ddpm import KnownLaw, ReverseVariance, simple_weights, variational_bound
from fpsde.ddpm.losses import Weights, weights_of
from fpsde.density import Law
from fpsde.errors import InvalidInput
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.signal_and_noise import Prediction, data_of, posterior_variance, prediction_of
from fpsde.validation import positive, refuse_no_function

#: Points of a batch, and levels of a schedule at which a loss is looked at, at most.
BATCH, LOOKED_AT = 24, 64
#: Relative error of a bound and of a loss in double precision.
CLOSE = 1e-9
#: Points at which a log-density is compared, as levels of the law.
AT = (np.arange(25) + 0.5) / 25


class Table(enum.Enum):
    """What the entries t = 1, ..., T of a table are."""

    BETA = "beta"  #: the variance of x_t given x_{t-1}
    ALPHA_BAR = "alpha_bar"
    SIGNAL = "signal"  #: the factor of x_0
    LEVEL = "level"  #: the standard deviation of the noise
    SIGMA = "sigma"  #: level/signal
    LOG_SNR = "log snr"
    TIMESTEP = "timestep"
    POSTERIOR_VARIANCE = "posterior variance"  #: of x_{t-1} given x_t and x_0


def entries(schedule: NoiseSchedule, table: Table) -> np.ndarray:
    """Return the entries (T,) of a table of a schedule."""
    match table:
        case Table.BETA:
            return schedule.fresh
        case Table.ALPHA_BAR:
            return schedule.alpha_bars[1:]
        case Table.SIGNAL:
            return schedule.signals[1:]
        case Table.LEVEL:
            return schedule.levels[1:]
        case Table.SIGMA:
            return schedule.sigmas[1:]
        case Table.LOG_SNR:
            return schedule.log_snr[1:]
        case Table.TIMESTEP:
            return schedule.timesteps[1:].astype(float)
        case Table.POSTERIOR_VARIANCE:
            return posterior_variance(schedule.step(np.arange(1, schedule.n_steps + 1)))
    raise InvalidInput(f"{table!r} is no table; give one of {', '.join(f'Table.{one.name}' for one in Table)}")


def schedule(values: Any, claim: NoiseSchedule, table: Table) -> Audit:
    """Return the audit of a table of a noise schedule: ``values`` (T,) at t = 1, ..., T, each to round-off.

    Told apart: an index that is off by one or two, a reversed table, a last entry alone, squares and roots, a factor.
    Raises InvalidInput for what is no schedule or no table.
    """
    if not isinstance(claim, NoiseSchedule):
        raise InvalidInput(f"claim={claim!r} is no NoiseSchedule; give one such as fpsde.linear_schedule()")
    found, wanted = as_array("values", values), entries(claim, table)

    def shaped() -> Level:
        if found.shape != wanted.shape:
            return fails(ALGEBRA, Quantity.SHAPE, f"values have shape {found.shape}, {wanted.shape} are needed")
        if not np.isfinite(found).all():
            return fails(
                ALGEBRA, Quantity.FINITE, f"{np.count_nonzero(~np.isfinite(found))} values are NaN or infinite"
            )
        return holds(ALGEBRA, f"{len(found)} finite values")

    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "a table is all there is")
    judges |= {ALGEBRA: shaped, PROBE: lambda: _compared(found, wanted, round_off(found), "entry")}
    return judged(f"a table of {table.value}", "an array", judges, 0.0)


def _compared(found: np.ndarray, wanted: np.ndarray, allowed: float, what: str) -> Level:
    """Judge numbers (T,) one by one, and say what they are instead."""

    def near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs(a - b) <= allowed * np.maximum(np.abs(a), np.abs(b)) + 1e-3 * allowed * float(np.abs(b).max())

    off = np.flatnonzero(~near(found, wanted))
    if not len(off):
        return holds(PROBE, f"{len(found)} numbers agree to round-off")
    first = off[0]
    told = (
        f"{what} {first + 1} is {found[first]:.8g}, {wanted[first]:.8g} is claimed; {len(off)} of {len(found)} are off"
    )
    if list(off) == [len(found) - 1]:
        return fails(PROBE, Quantity.LAST, f"only the last: {told}")
    for name, index in {"+1": 1, "-1": -1, "+2": 2, "-2": -2}.items():
        inside = slice(max(0, -index), len(found) - max(0, index))
        if len(found) > 4 and near(found[inside], np.roll(wanted, -index)[inside]).all():
            return fails(PROBE, Quantity.GRID, f"they are those of the index {name}; {told}")
    if len(found) > 1 and near(found, wanted[::-1]).all():
        return fails(PROBE, Quantity.GRID, f"they run backwards; {told}")
    with np.errstate(all="ignore"):
        ratio = found / wanted
        if np.all(wanted > 0) and near(found, wanted**2).all():
            return fails(PROBE, Quantity.VARIANCE, f"they are the squares; {told}")
        if np.all(wanted > 0) and near(found**2, wanted).all():
            return fails(PROBE, Quantity.VARIANCE, f"they are the roots; {told}")
    if len(found) > 1 and np.isfinite(ratio).all() and np.ptp(ratio) <= 10 * allowed * abs(float(ratio[0])):
        unit = _unit(float(ratio[0]))
        return fails(
            PROBE,
            Quantity.WEIGHT if not unit else Quantity.UNIT,
            f"all are {ratio[0]:.8g} times as large{unit}; {told}",
        )
    return fails(PROBE, Quantity.TABLE, told)


def _unit(ratio: float) -> str:
    """Return in words that a factor is that of another unit."""
    return " (bits in place of nats)" if abs(ratio * math.log(2) - 1) < 1e-6 else ""


def loss(
    loss: Callable[[Callable, Any, int, Any], Any],
    claim: NoiseSchedule | None = None,
    *,
    predicts: Prediction = Prediction.NOISE,
    weights: Weights = simple_weights,
    data: KnownLaw | None = None,
    up_to_factor: bool = False,
    batch_first: bool = False,
    arrays: ToLibrary | None = None,
) -> Audit:
    """Return the audit of a training loss ``loss(model, x0, t, z)``: a number, of one batch at the level named t.

        w_t mean |z - eps|^2 / d,    eps what the prediction of ``model(x_t, t)`` says of the noise

    ``predicts`` is what the model is said to predict, ``weights`` the claimed w_t (as ``fpsde.ddpm.min_snr_weights``):
    another parametrisation changes the weight and nothing else. The model that the loss is handed is a known function
    that is wrong, so that the loss is far from 0; it also notes what it is asked: x_t must be the noised data (mean
    coefficient, variance, an index that is off) and t its name. ``up_to_factor`` says that a factor common to all t
    (a sum in place of the mean, 1/2) is meant. Raises InvalidInput for what is no function or schedule.
    """
    refuse_no_function("the code", loss, "loss(model, x0, t, z)")
    levels, chosen = default_schedule() if claim is None else claim, DATA if data is None else data
    w, layout, rng = weights_of(weights, levels), Layout(batch_first, arrays), generator(11)
    x0, z = chosen.draw(rng.random((chosen.uniforms, BATCH))), rng.standard_normal((chosen.dim, BATCH))
    at = np.unique(np.linspace(1, levels.n_steps, min(LOOKED_AT, levels.n_steps)).round().astype(int))
    asked: list[tuple[np.ndarray, float]] = []

    def model(x: Any, t: Any) -> Any:
        points = layout.back(x, chosen.dim, BATCH).astype(float)
        asked.append((points, float(np.ravel(as_array("t", t))[0])))
        return layout.out(_wrong(points))

    def measured() -> Level:
        found, wanted, precision = [], [], CLOSE
        for k in at:
            name, (a, s) = int(levels.timesteps[k]), (float(levels.signals[k]), float(levels.levels[k]))
            asked.clear()
            value = as_array("the loss", loss(model, layout.out(x0), name, layout.out(z)))
            if value.size != 1 or not np.isfinite(value).all() or not asked:
                quantity = Quantity.SHAPE if value.size != 1 else Quantity.FINITE
                return fails(ALGEBRA, quantity, f"t = {name}: one finite number from calls of the model is needed")
            found.append(float(value.ravel()[0]))
            precision = max(precision, 10 * round_off(value) if value.dtype.itemsize < 8 else 0.0)
            x_t = a * x0 + s * z
            data_seen = data_of(predicts, _wrong(x_t), x_t, signal=a, level=s)
            eps = prediction_of(Prediction.NOISE, data_seen, x_t, signal=a, level=s)
            wanted.append(w[k - 1] * float(np.mean((z - eps) ** 2)))
            wrong = _asked_wrongly(
                asked, x_t, name, precision, lambda j: levels.signals[j] * x0 + levels.levels[j] * z, k, levels.n_steps
            )
            if wrong is not None:
                return wrong
        given, right = np.array(found), np.array(wanted)
        if up_to_factor:
            given = given * (right[0] / given[0])
        return _compared(given, right, precision, "level")

    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "a loss is a number for each t, and no chain")
    judges[PROBE] = measured
    return judged(f"a loss of {predicts.value}", "loss(model, x0, t, z)", judges, 0.0)


def _wrong(x: np.ndarray) -> np.ndarray:
    return 0.3 * x + 0.2 * np.sin(x) + 0.15


def _asked_wrongly(
    asked: list[tuple[np.ndarray, float]],
    x_t: np.ndarray,
    name: int,
    precision: float,
    noised: Callable[[int], np.ndarray],
    k: int,
    n_steps: int,
) -> Level | None:
    """Return the failed level where the model was asked at other points, or at another name; None where it was not."""
    points, t = asked[-1]
    size = float(np.abs(x_t).max())
    if np.abs(points - x_t).max() <= 100 * precision * size:
        if t != name:
            return fails(PROBE, Quantity.GRID, f"the model is asked at t = {t:g} where x is noised to t = {name}")
        return None
    shifted = [j for j in (k - 1, k + 1) if 0 <= j <= n_steps and np.abs(points - noised(j)).max() <= 1e-9 * size]
    if shifted:
        return fails(
            PROBE, Quantity.GRID, f"at t = {name} the data are noised to the level {shifted[0]} in place of {k}"
        )
    off = np.abs(points - x_t).max()
    return fails(PROBE, Quantity.VARIANCE, f"at t = {name} the model is asked at points that are off by {off:.3g}")


def bound(
    value: Any,
    data: KnownLaw,
    claim: NoiseSchedule,
    *,
    variance: ReverseVariance = ReverseVariance.SMALL,
    tolerance: float = CLOSE,
) -> Audit:
    """Return the audit of a variational bound with the exact denoiser, in nats: the total, or all terms.

    ``value`` is a number, or an array (T + 1,) of L_0, L_1, ..., L_T: the data term first, the prior last.
    ``tolerance`` is relative. Errors of :func:`fpsde.ddpm.variational_bound`; InvalidInput for other shapes.
    """
    right, found = variational_bound(data, claim, variance=variance), np.atleast_1d(as_array("value", value))
    allowed = positive("tolerance", tolerance)
    wanted = np.array([right.total]) if found.shape == (1,) else np.array([right.data, *right.steps, right.prior])
    if found.shape != wanted.shape:
        raise InvalidInput(f"value has shape {found.shape}; give the total, or {len(wanted)} terms L_0, ..., L_T")
    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "a bound is a number, and no chain")
    judges[PROBE] = lambda: (
        _total(found, wanted, allowed) if len(found) == 1 else _compared(found, wanted, allowed, "term")
    )
    return judged(f"a bound with {variance.value} variances", "numbers", judges, 0.0)


def _total(found: np.ndarray, wanted: np.ndarray, allowed: float) -> Level:
    ratio = float(found[0] / wanted[0])
    if abs(ratio - 1) <= allowed:
        return holds(PROBE, "the total agrees")
    quantity = Quantity.UNIT if _unit(ratio) else Quantity.WEIGHT
    return fails(PROBE, quantity, f"the total is {found[0]:.8g} in place of {wanted[0]:.8g}{_unit(ratio)}")


def log_density(
    log_density: Callable[[Any], Any], law: Law, *, tolerance: float = 1e-6, arrays: ToLibrary | None = None
) -> Audit:
    """Return the audit of a log-density or likelihood ``log_density(x)`` (n,), in nats, at quantiles of ``law``.

    Told apart: a constant (the normalisation), a factor (the unit), a shape. ``tolerance`` bounds the error in nats.
    """
    refuse_no_function("the code", log_density, "log_density(x)")
    x, allowed, layout = law.ppf(AT), positive("tolerance", tolerance), Layout(arrays=arrays)

    def compared() -> Level:
        found = as_array("log_density", log_density(layout.out(x[None])))
        right = np.log(law.pdf(x))
        if found.shape != x.shape:
            return fails(END, Quantity.SHAPE, f"shape {found.shape} came back where {x.shape} was needed")
        if not np.isfinite(found).all():
            return fails(END, Quantity.FINITE, "some values are NaN or infinite")
        apart = found - right
        if np.abs(apart).max() <= allowed:
            return holds(END, f"{len(x)} quantiles agree within {np.abs(apart).max():.2g} nats")
        if np.ptp(apart) <= 2 * allowed:
            return fails(END, Quantity.MASS, f"a constant of {apart.mean():.6g} nats is off: the normalisation")
        ratio = float(found @ right / (right @ right))
        if np.abs(found - ratio * right).max() <= allowed * max(1.0, abs(ratio)):
            return fails(END, Quantity.UNIT, f"all are {ratio:.6g} times as large{_unit(ratio)}")
        return fails(
            END, Quantity.LAW, f"off by up to {np.abs(apart).max():.3g} nats, at x = {x[np.argmax(np.abs(apart))]:.4g}"
        )

    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "a density is all there is")
    judges[END] = compared
    return judged("a log-density", "log_density(x)", judges, 0.0)
