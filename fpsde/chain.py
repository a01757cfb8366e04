"""verify(): the chain of laws of one process and one scheme, judged edge by edge.

    particles --1-- law of the scheme --2-- law of the process --3-- closed form, stationary law

Edge 3 is judged first; edge 2 uses the closed form where there is one, and the Fokker-Planck solution only where edge 3
has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fpsde.checks import SESSION_ALPHA, Budget, CheckResult, Verdict, combined_verdict
from fpsde.corners import Corners
from fpsde.density import Law
from fpsde.edge_particles import particle_edge
from fpsde.edge_scheme import scheme_edge
from fpsde.edge_solver import solver_edge
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.laws import SchemeLaw
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.question import Question, Reference, law_of
from fpsde.schemes import Scheme
from fpsde.validation import dividing_step, finite, increasing, integer, seed64, whole_steps

#: What a failure on each edge means.
_MEANING = {
    1: "the particles do not follow the law of their own scheme: the particle code is wrong",
    2: "the law of the scheme does not go to that of the process: the scheme is wrong, or not of its order",
    3: "the Fokker-Planck solution is wrong",
}
#: The same on edge 2 where nothing that is known stands behind the Fokker-Planck solution.
_UNDECIDED = "the laws of scheme and Fokker-Planck equation do not meet: one is wrong, and no closed form says which"
N_PARTICLES = 2_000_000
SEED = 20_240_501


@dataclass(frozen=True)
class Chain:
    """The judged chain of one process and one scheme, and the laws that it was judged from."""

    question: Question
    rows: tuple[tuple[int, CheckResult], ...]  #: (edge, result)
    reference: Reference
    law: SchemeLaw | None
    run: Ensemble | None

    def verdict(self, edge: int) -> Verdict:
        """Return the verdict of one edge."""
        return combined_verdict(self._verdicts(edge))

    @property
    def holds(self) -> bool:
        """Whether every check that applies was judged and passed."""
        return {row.verdict for _, row in self.rows} <= {Verdict.PASS, Verdict.NOT_APPLICABLE}

    @property
    def blame(self) -> str:
        """What the verdicts of the three edges mean together."""
        if self.holds:
            return "all edges hold"
        held = [edge for edge in (1, 2, 3) if self.verdict(edge) is Verdict.PASS]
        prefix = (
            f"edge{'s' if len(held) > 1 else ''} {' and '.join(map(str, held))} hold{'' if len(held) > 1 else 's'}, "
            if held
            else ""
        )
        return prefix + "; ".join(self._says(edge) for edge in (1, 2, 3) if not self._clear(edge))

    def _clear(self, edge: int) -> bool:
        return all(row.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) for number, row in self.rows if number == edge)

    def _says(self, edge: int) -> str:
        """What an edge that does not hold means, with the first check that says so."""
        verdict = next(v for v in (Verdict.FAIL, Verdict.UNDERPOWERED, Verdict.NOT_JUDGED) if v in self._verdicts(edge))
        row = next(row for number, row in self.rows if number == edge and row.verdict is verdict)
        meaning = {
            Verdict.FAIL: f"fails: {_MEANING[edge] if edge != 2 or self.reference.proven else _UNDECIDED}",
            Verdict.UNDERPOWERED: "is underpowered",
            Verdict.NOT_JUDGED: "is not judged",
        }
        return f"edge {edge} {meaning[verdict]} ({row.check}: {row.detail})"

    def _verdicts(self, edge: int) -> set[Verdict]:
        return {row.verdict for number, row in self.rows if number == edge}


@dataclass(frozen=True)
class Report:
    """The chains of a session, decided within one false-alarm budget ``alpha``."""

    chains: tuple[Chain, ...]
    seed: int
    alpha: float

    def __str__(self) -> str:
        """One line for each chain: what its verdicts mean together."""
        return "\n".join(f"{c.question.process.name}, {c.question.scheme.name}: {c.blame}" for c in self.chains)

    @property
    def holds(self) -> bool:
        return all(chain.holds for chain in self.chains)

    @property
    def exit_code(self) -> int:
        """0 if all hold, 1 if a check failed, 2 if none did but one is underpowered or could not be judged."""
        if self.holds:
            return 0
        return 1 if any(row.verdict is Verdict.FAIL for chain in self.chains for _, row in chain.rows) else 2

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        checks = [
            {
                "process": chain.question.process.name,
                "scheme": chain.question.scheme.name,
                "edge": edge,
                **row.as_dict(),
            }
            for chain in self.chains
            for edge, row in chain.rows
        ]
        provenance = {"alpha": self.alpha, **environment()}
        return {"holds": self.holds, "seed": self.seed, "checks": checks, "provenance": provenance}


def verify(
    process: Process,
    scheme: Scheme,
    *,
    x0: float | Law | None = None,
    t_end: float | None = None,
    dt: float | None = None,
    window: tuple[float, float] | None = None,
    n_particles: int = N_PARTICLES,
    seed: int = SEED,
    alpha: float = SESSION_ALPHA,
    corners: Corners | None = None,
) -> Report:
    """Return the report on one process and one scheme; what is left out comes from the process's own setting.

    Raises InvalidInput for arguments outside of what is allowed, and where the process has no window and none is given.
    """
    question = asked(process, scheme, x0=x0, t_end=t_end, dt=dt, window=window, n_particles=n_particles, seed=seed)
    return session([question], seed=seed, alpha=alpha, corners=[corners or Corners()])


def session(
    questions: Sequence[Question],
    *,
    seed: int,
    alpha: float = SESSION_ALPHA,
    corners: Sequence[Corners] | None = None,
    watched: Callable[[Iterable], Iterable] = iter,
) -> Report:
    """Return the report on several questions, which share the false-alarm probability ``alpha``.

    ``watched`` wraps the loop over them, such as in a progress bar.
    """  # fmt: skip
    shares = Budget(alpha).share(len(questions))
    replaced = corners or [Corners()] * len(questions)
    work = list(zip(questions, shares, replaced, strict=True))
    return Report(tuple(judged(replace(q, alpha=share), c) for q, share, c in watched(work)), seed, alpha)


def asked(
    process: Process,
    scheme: Scheme,
    *,
    x0: Any = None,
    t_end: Any = None,
    dt: Any = None,
    window: Any = None,
    n_particles: Any = N_PARTICLES,
    seed: Any = SEED,
) -> Question:
    """Return the checked question, completed from the process's setting."""  # fmt: skip
    if not isinstance(process, Process) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"verify takes a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            "fpsde.process_named and fpsde.scheme_named find them by name"
        )
    setting = process.setting
    if process.dim != 1:
        raise InvalidInput(f"{process.name} has dim={process.dim}; verify judges processes of one component")
    horizon = setting.t_end if t_end is None else t_end
    step = dividing_step(horizon, setting.dt) if dt is None else dt
    whole_steps(horizon, step)
    bounds = setting.window if window is None else window
    interval = process.intervals[0]
    bounds = (interval.low, interval.high) if bounds is None and interval.walled else bounds
    if bounds is None:
        raise InvalidInput(
            f"{process.name} has no window that holds its mass; give window=(low, high), or --window LOW HIGH"
        )
    ends = increasing("window", bounds)
    if len(ends) != 2:
        raise InvalidInput(f"window has {len(ends)} entries; give its two ends (low, high)")
    low, high = ends
    start = setting.x0 if x0 is None else x0
    return Question(
        process=process,
        scheme=scheme,
        x0=start if isinstance(start, Law) else finite("x0", start),
        t_end=float(horizon),
        dt=float(step),
        window=(float(low), float(high)),
        n_particles=integer("n_particles", n_particles, least=2),
        seed=seed64(seed),
        alpha=SESSION_ALPHA,
    )


def judged(q: Question, corners: Corners) -> Chain:
    """Return the judged chain of one question."""
    solver_rows, reference = solver_edge(q, corners)
    sound = combined_verdict(row.verdict for row in solver_rows) is Verdict.PASS
    scheme_rows = scheme_edge(q, corners, reference, sound=sound)
    law: SchemeLaw | None = None
    run: Ensemble | None = None
    try:
        law = law_of(q, corners)
        sampling_rows, run = particle_edge(q, corners, law)
    except (UnstableStep, NotConverged) as error:
        sampling_rows = [CheckResult("density", Verdict.NOT_JUDGED, detail=str(error))]
    rows = [(1, row) for row in sampling_rows] + [(2, row) for row in scheme_rows] + [(3, row) for row in solver_rows]
    return Chain(q, tuple(rows), reference, law, run)
