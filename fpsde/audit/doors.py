"""The doors for steps and runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fpsde.audit.claimed import Claim, generator
from fpsde.audit.drawn import drawn_algebra, innovations_of
from fpsde.audit.ensembles import against_process, against_scheme, looked_at, order_of
from fpsde.audit.findings import (
    ALGEBRA,
    END,
    LAW,
    MARGINALS,
    ORDER,
    PROBE,
    Audit,
    Judge,
    Level,
    Quantity,
    fails,
    judged,
)
from fpsde.audit.foreign import Layout, ToLibrary, WrongShape, as_array
from fpsde.audit.probe import Step, algebra, probe, round_off
from fpsde.audit.whole_runs import Run, finer_order, run_algebra
from fpsde.chain import SEED
from fpsde.checks import SESSION_ALPHA, Verdict
from fpsde.errors import InvalidInput
from fpsde.laws.scheme_laws import steps_at
from fpsde.user_code import refuse_other_arguments
from fpsde.validation import integer, probability, refuse_no_function, seed64

#: Particles of a step with its noise handed in, of one that draws it (its noise counts at every step), of a run.
N_STEP, N_DRAWN, N_RUN = 100_000, 40_000, 200_000
#: Levels that spend from the false-alarm probability: exact law, marginals, end law.
STATISTICAL = 3
#: Particles that are followed beside the claimed step on the same noise, and by how many times the round-off of a step
#: two right codes may move apart in a whole run.
BESIDE, GROWTH = 2048, 1e4


def step(
    step: Callable[[Any, int, Any], Any],
    claim: Claim,
    *,
    n: int = N_STEP,
    seed: int = SEED,
    alpha: float = SESSION_ALPHA,
    batch_first: bool = False,
    arrays: ToLibrary | None = None,
) -> Audit:
    """Return the audit of ``step(x, i, z)``: the positions after step i from x and standard normals z. Every level.

    With one component x is (n,), else (d, n), or (n, d) with ``batch_first``; z likewise, a row for each normal that
    the claimed scheme takes, in its order. ``arrays`` makes the arrays of the code's library (``torch.as_tensor``).

    Algebra and affine probe see every step without a sample, an error of 1e-10 of the state in double precision; then
    ``n`` particles are followed, on the noise of the claimed step beside it and against its exact law; the exact law
    goes to that of the process with its order; and the particles are held against the process's own law at four times.
    The probability that right code fails is at most ``alpha``.

    Raises InvalidInput for what is no function or claim, and a scheme whose step has state besides x.
    """
    _refuse(step, claim, "step", ("x", "i", "z"))
    claim.refuse_hidden_state()
    layout, key, size = Layout(batch_first, arrays), seed64(seed), integer("n", n, least=2)
    share = probability("alpha", alpha) / STATISTICAL

    def called(x: np.ndarray, i: int, z: np.ndarray) -> np.ndarray:
        return layout.back(step(layout.out(x), i, layout.out(z)), claim.dim, x.shape[1])

    @cache
    def probed() -> tuple[Level, bool]:
        return probe(called, claim, key)

    @cache
    def seen() -> dict[int, np.ndarray]:
        rng = generator(key + 1)
        normals = lambda i, x: rng.standard_normal((claim.normals, x.shape[1]))  # noqa: E731
        return _followed(lambda x, i: called(x, i, normals(i, x)), claim, size, key)

    def law() -> Level:
        apart = _beside(called, claim, key + 2) if probed()[1] else None
        return apart or against_scheme(claim, seen(), share, key)

    judges: dict[str, Judge | str] = {
        ALGEBRA: lambda: algebra(called, claim, key),
        PROBE: lambda: probed()[0],
        LAW: law,
    }
    return judged(str(claim), "step(x, i, z)", judges | _after_the_law(claim, seen, share), alpha)


def drawn_step(
    step: Callable[[Any, int, Any], Any],
    claim: Claim,
    *,
    n: int = N_DRAWN,
    seed: int = SEED,
    alpha: float = SESSION_ALPHA,
    rng: Callable[[int], Any] = generator,
    batch_first: bool = False,
    arrays: ToLibrary | None = None,
) -> Audit:
    """Return the audit of ``step(x, i, rng)``, which draws its own noise. All levels but the probe.

    Each step gets a generator of its own, ``rng(seed)``: NumPy's unless given (``jax.random.key``, or
    ``torch.Generator().manual_seed``). Where the claimed step is affine in its noise, the noise is read off every step
    of every particle and must be independent and N(0, 1): n times n_steps values, so that 40,000 particles and 50
    steps show an error of 1 % in the variance. Otherwise single steps are held against a sample of the claimed one.
    The rest is as in :func:`step`, and what is left out is said there.
    """
    _refuse(step, claim, "step", ("x", "i", "rng"))
    claim.refuse_hidden_state()
    layout, key, size = Layout(batch_first, arrays), seed64(seed), integer("n", n, least=2)
    share = probability("alpha", alpha) / STATISTICAL

    def called(x: np.ndarray, i: int, own: int) -> np.ndarray:
        return layout.back(step(layout.out(x), i, rng(own)), claim.dim, x.shape[1])

    @cache
    def seen() -> dict[int, np.ndarray]:
        keys = generator(key + 1).integers(2**31, size=claim.n_steps)
        return _followed(lambda x, i: called(x, i, int(keys[i])), claim, size, key)

    def law() -> Level:
        one_step = innovations_of(called, claim, size, key + 2, share / 2)
        return one_step if one_step.verdict is not Verdict.PASS else against_scheme(claim, seen(), share / 2, key)

    judges: dict[str, Judge | str] = {
        ALGEBRA: lambda: drawn_algebra(called, claim, key),
        PROBE: "the noise is not handed in",
        LAW: law,
    }
    return judged(str(claim), "step(x, i, rng)", judges | _after_the_law(claim, seen, share), alpha)


def run(
    run: Callable[[int, int], Any],
    claim: Claim,
    *,
    at: Sequence[float] | None = None,
    finer: Callable[[int], Callable[[int, int], Any]] | None = None,
    n: int = N_RUN,
    seed: int = SEED,
    alpha: float = SESSION_ALPHA,
    batch_first: bool = False,
) -> Audit:
    """Return the audit of ``run(n, seed)``, a whole run of n particles: its law, order, marginals and end.

    The run returns the positions at the end, (n,), (d, n) or (n, d), or, with ``at``, an array of them at these times
    of the claimed grid, the end last. ``finer(k)`` is the same code with each step cut into k: without it the order
    cannot be reached. The seed must decide the result, and other seeds must give others.

    The law of the end is that of the claimed scheme, to which nothing is forgiven; where it fails with the law of one
    step less, the last step is named. The rest as in :func:`step`.
    """
    _refuse(run, claim, "run", ("n", "seed"))
    layout, key, size = Layout(batch_first), seed64(seed), integer("n", n, least=2)
    share = probability("alpha", alpha) / STATISTICAL
    steps = steps_at(at, claim.times) if at is not None else [claim.n_steps]
    if steps[-1] != claim.n_steps:
        raise InvalidInput(f"at ends at {at[-1]}, the claim at {claim.times[-1]}; give the end last")  # type: ignore[index]

    def called(one: Callable[[int, int], Any]) -> Run:
        def positions(count: int, own: int) -> dict[int, np.ndarray]:
            given = one(count, own)
            parts = [given] if at is None else list(as_array("the run", given))
            if len(parts) != len(steps):
                raise WrongShape(f"positions at {len(parts)} times came back where {len(steps)} were asked for")
            return {k: layout.back(part, claim.dim, count) for k, part in zip(steps, parts, strict=True)}

        return positions

    @cache
    def seen() -> dict[int, np.ndarray]:
        return called(run)(size, key)

    judges: dict[str, Judge | str] = {
        ALGEBRA: lambda: run_algebra(called(run), claim, key),
        PROBE: "a step cannot be called on its own",
        LAW: lambda: against_scheme(claim, seen(), share, key),
    }
    judges |= _after_the_law(claim, seen, share)
    if at is None or len(steps) == 1:
        judges[MARGINALS] = "positions at the end are all that comes back; give at=(...)"
    if finer is None:
        judges[ORDER] = "the run has one step size; give finer=, the same code with shorter steps"
    else:
        judges[ORDER] = lambda: finer_order(claim, lambda k: called(finer(k)), size, key, share)
    return judged(str(claim), "run(n, seed)", judges, alpha)


def _refuse(given: Any, claim: Any, name: str, arguments: Sequence[str]) -> None:
    refuse_no_function("the code", given, f"{name}({', '.join(arguments)})")
    refuse_other_arguments("this door", given, arguments)
    if not isinstance(claim, Claim):
        raise InvalidInput(f"claim={claim!r} is no claim; say what the code is with fpsde.audit.claim(process, scheme)")


def _after_the_law(claim: Claim, seen: Callable[[], dict[int, np.ndarray]], share: float) -> dict[str, Judge | str]:
    """Return the judges of the levels beyond the law of the scheme."""
    end = claim.n_steps
    return {
        ORDER: lambda: order_of(claim),
        MARGINALS: lambda: against_process(claim, {k: x for k, x in seen().items() if k < end}, share, MARGINALS),
        END: lambda: against_process(claim, {end: seen()[end]}, share, END),
    }


def _followed(step: Callable[[np.ndarray, int], np.ndarray], claim: Claim, n: int, seed: int) -> dict[int, np.ndarray]:
    """Return the positions of n particles at the times that are looked at, and at the end."""
    x, kept = claim.start(n, seed), {}
    for i in range(claim.n_steps):
        x = step(x, i)
        if i + 1 in (*looked_at(claim.n_steps), claim.n_steps):
            kept[i + 1] = x
    return kept


def _beside(step: Step, claim: Claim, seed: int) -> Level | None:
    """Return the failed level where particles leave those of the claimed step on the same noise, else None."""
    rng, x = generator(seed), claim.start(BESIDE, seed)
    own = x
    for i in range(claim.n_steps):
        z = rng.standard_normal((claim.normals, BESIDE))
        x, own = step(x, i, z), claim.advance(own, i, z)
        apart = np.abs(x - own).max(axis=0)
        allowed = GROWTH * round_off(x) * (float(np.abs(own).max()) + float(np.std(own)))
        worst = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        if not apart[worst] <= allowed:
            told = f"on the same noise a particle is {apart[worst]:.3g} away from the claimed one after step {i}"
            return fails(LAW, Quantity.LAW, f"{told} (z = {np.round(z[:, worst], 2).tolist()})")
    return None
