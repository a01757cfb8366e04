"""Running claims: one after another, at their shares of one false-alarm probability, each with a seed of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpsde.checks import SESSION_ALPHA, CheckResult, Verdict, combined
from fpsde.claims.experiment import Claim, Evidence, Lab, Ruling
from fpsde.errors import FpsdeError, InvalidInput, unknown_name
from fpsde.validation import probability, seed64

#: Seed of a session that names none.
SEED = 1


@dataclass(frozen=True, eq=False)
class Outcome:
    """A claim that was run: its parameters and seed, what was computed, and how long it took."""

    claim: Claim
    parameters: Mapping[str, float]
    seed: int
    evidence: Evidence
    seconds: float

    @property
    def ruling(self) -> Ruling:
        """The verdict."""
        return self.evidence.ruling

    @property
    def words(self) -> str:
        """The verdict, with the condition where it holds only under one."""
        return f"holds if {self.claim.condition}" if self.ruling is Ruling.HOLDS_IF else self.ruling.value

    @property
    def deciding(self) -> CheckResult:
        """The check of the claim as written that decided: the worst failure, or else the nearest to its threshold."""
        results = list(self.evidence.written.values())
        decided = combined(results)
        alike = [one for one in results if one.verdict is decided.verdict]
        return decided if decided.verdict is Verdict.FAIL else max(alike, key=_nearness)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        e, decided = self.evidence, self.deciding
        checks = {"as written": e.written, "outside of the condition": e.outside, "corrected": e.corrected}
        checks["must fail"] = e.rivals
        return {
            "id": self.claim.id,
            "verdict": self.ruling.value,
            "title": self.claim.title,
            "claim": self.claim.statement,
            "corrected": self.claim.correction,
            "condition": self.claim.condition,
            "discrepancy": decided.statistic,
            "threshold": decided.threshold,
            "resolution": decided.resolution,
            "unit": decided.unit,
            "seconds": self.seconds,
            "seed": self.seed,
            "parameters": dict(self.parameters),
            "checks": {
                kind: {name: result.as_dict() for name, result in results.items()} for kind, results in checks.items()
            },
        }


def _nearness(result: CheckResult) -> float:
    return result.statistic / result.threshold if result.statistic is not None and result.threshold else 0.0


def run(
    claims: Sequence[Claim],
    *,
    settings: Mapping[str, float] | None = None,
    seed: int = SEED,
    alpha: float = SESSION_ALPHA,
    reduced: bool = False,
    watched: Callable[[Iterable[Claim]], Iterable[Claim]] = iter,
) -> list[Outcome]:
    """Return the outcomes of ``claims``: each spends an equal share of ``alpha``.

    ``settings`` are parameters by name, set in each claim that has them; ``watched`` is what the claims are taken
    through, such as a bar that shows progress. Raises InvalidInput without claims, for a parameter that none has, and
    for values with which an experiment cannot be computed.
    """
    if not claims:
        raise InvalidInput("there are no claims to run; name some, such as A7, or all of them")
    seed, share = seed64(seed), probability("alpha", alpha) / len(claims)
    given = dict(settings or {})
    known = {name for one in claims for name in one.parameters}
    for name in given:
        if name not in known:
            raise unknown_name(f"parameter of {', '.join(one.id for one in claims[:5])}", name, known)
    own = {
        one.id: one.set({name: v for name, v in given.items() if name in one.parameters}, reduced=reduced)
        for one in claims
    }
    return [_outcome(one, own[one.id], seed=seed, alpha=share) for one in watched(claims)]


def _outcome(claim: Claim, parameters: Mapping[str, float], *, seed: int, alpha: float) -> Outcome:
    own = int.from_bytes(hashlib.sha256(f"{seed} {claim.id}".encode()).digest()[:6], "big")
    begun = time.perf_counter()
    try:
        evidence = claim.experiment(Lab(parameters, seed=own, alpha=alpha))
    except FpsdeError:
        raise
    except (ArithmeticError, ValueError) as error:
        changed = ", ".join(f"{name}={v:g}" for name, v in parameters.items() if v != claim.parameters[name])
        raise InvalidInput(
            f"{claim.id} cannot be computed with {changed or 'its parameters'} ({error}); take values nearer to "
            f"{', '.join(f'{name}={v:g}' for name, v in claim.parameters.items())}"
        ) from error
    return Outcome(claim, parameters, own, evidence, time.perf_counter() - begun)
