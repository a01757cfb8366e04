"""How fast are the particles? Rates, ratios to other libraries, the cost of observers, and what a user waits for.

    python benchmarks/particles.py [--quick] [--json FILE]

Everything goes through the public ``simulate`` on two threads. Each number comes from this run, beside its goal.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import fresh
import harness
import numpy as np
import peers
import scheme_rates
from harness import Contest, Contestant, Goal, Sense, Timing
from rich.console import Console
from rich.markup import escape

from fpsde.errors import BackendUnavailable
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.integrators import Histogram, Moments, simulate, simulate_batch
from fpsde.processes import Process, double_well, ornstein_uhlenbeck
from fpsde.schemes import euler_maruyama, milstein
from fpsde.writing import refuse_unwritable

THREADS = 2
#: A power of two, so that sums of steps are exact in float32 and every library makes the same number of steps.
DT = 1 / 128
X0 = 0.3
#: Particles and steps of each member of a batch.
MEMBER_PARTICLES, MEMBER_STEPS = 256, 100
#: Share of its threads that a run gets at least where the machine is free for it.
BUSY = 0.9
#: Steps between two looks of the observers.
LOOK_EVERY = 10

#: Drifts whose functions are the cost.
TRANSCENDENTAL = {
    "−tanh x": lambda x, t, p: -np.tanh(x),
    "−sin x": lambda x, t, p: -np.sin(x),
    "−x exp(−x²)": lambda x, t, p: -x * np.exp(-(x**2)),
}

RATE_GOAL = 1.0e9
#: Times the rate of a peer, by the first word of its arrangements.
PEER_GOALS = {"NumPy": 8.0, "PyTorch": 4.0, "torchsde": 30.0, "diffrax": 30.0}
DRIFT_GOAL, OBSERVER_GOAL, BATCH_GOAL = 0.4, 0.2, 50.0
IMPORT_GOAL, NEW_GOAL, KNOWN_GOAL = 0.3, 4.0, 2.0
FOKKER_PLANCK_GOAL = 50.0


@dataclass(frozen=True)
class Size:
    """How large a run is."""

    particles: int
    steps: int
    rounds: int
    scale: float  #: of the peers' batches
    processes: int  #: fresh processes of each kind
    schemes: int | None  #: how many are compiled anew; None: all
    members: int  #: of a batch
    single: int  #: runs of a loop that does the same one by one


FULL = Size(particles=2**19, steps=1000, rounds=7, scale=1.0, processes=5, schemes=None, members=4096, single=64)
QUICK = Size(particles=2**13, steps=100, rounds=2, scale=1 / 32, processes=1, schemes=2, members=64, single=4)


def ours(name: str, process: Process, size: Size, scheme: Any = euler_maruyama, **options: Any) -> Contestant:
    """Return ``simulate`` as a contestant."""
    horizon = {"x0": X0, "t_end": size.steps * DT, "dt": DT}
    options = {"n_particles": size.particles, "seed": 1, "threads": THREADS, **horizon, **options}
    return Contestant(name, lambda: simulate(process, scheme, **options).x[0], work=float(size.particles * size.steps))


def against_peers(model: peers.Model, process: Process, size: Size) -> Contest:
    """Return the contest of one process between fpsde and every arrangement of the peers that are here."""
    entries = [ours("fpsde", process, size), ours("fpsde, float32 state", process, size, dtype=np.float32)]
    entries += peers.contestants(model, scale=size.scale)
    found = [contestant.run() for contestant in entries]  # warms up, and is looked at: is it the same job?
    different = tuple(c.name for c, x in zip(entries, found, strict=True) if not harness.same_law(found[0], x))
    return Contest(process.name, harness.measure(entries, rounds=size.rounds), different)


def among_ourselves(size: Size) -> Contest:
    """Return the contest of drifts, observers and schemes within fpsde."""
    looks = np.arange(LOOK_EVERY, size.steps + 1, LOOK_EVERY) * DT
    base = ours("−θ(x − m)", ornstein_uhlenbeck(), size)
    well = ours("−U′(x), U = (x² − 1)²", double_well(), size)
    observed = [Moments(times=looks, centre=0.5), Histogram(-3.0, 4.0, times=looks)]
    entries = [
        base,
        ours(f"the same, observed each {LOOK_EVERY} steps", ornstein_uhlenbeck(), size, observers=observed),
        well,
        *(ours(name, _additive(drift), size) for name, drift in TRANSCENDENTAL.items()),
        ours("−tanh x, σ = 1 + sin(x)/2", _multiplicative(), size),
        ours("the same by Milstein", _multiplicative(), size, milstein),
    ]
    for contestant in entries:
        contestant.run()
    return Contest("drifts, observers and schemes", harness.measure(entries, rounds=size.rounds))


def _additive(drift: Any) -> Process:
    return Process(drift=drift, sigma=lambda x, t, p: p.sigma, params={"sigma": 0.7})


def _multiplicative() -> Process:
    return Process(drift=lambda x, t, p: -np.tanh(x), sigma=lambda x, t, p: 1 + 0.5 * np.sin(x))


def models(size: Size) -> list[tuple[peers.Model, Process]]:
    """Return the two processes of the comparison, as the peers and as fpsde state them."""
    ou, well = ornstein_uhlenbeck(), double_well()
    theta, mean = ou.params["theta"], ou.params["mean"]
    common = {"x0": X0, "dt": DT, "n_steps": size.steps}
    return [
        (
            peers.Model(
                "ornstein_uhlenbeck", lambda x: theta * (mean - x), ou.params["sigma"], **common,
                gain=1 - theta * DT, bend=0.0, shift=theta * mean * DT,
            ),
            ou,
        ),
        (
            peers.Model(
                "double_well", lambda x: -4 * x * (x * x - 1), math.sqrt(2 * well.params["temperature"]), **common,
                gain=1 + 4 * DT, bend=-4 * DT, shift=0.0,
            ),
            well,
        ),
    ]  # fmt: skip


def batches(size: Size) -> Contest:
    """Return the contest of a batch and a part of a loop of single calls, every result read."""
    well, observers = double_well(), [Moments(), Histogram(-2.0, 2.0, 64)]
    given = {"x0": X0, "t_end": MEMBER_STEPS * DT, "dt": DT, "n_particles": MEMBER_PARTICLES, "seed": 1}
    given |= {"observers": observers, "threads": THREADS}

    def side_by_side() -> np.ndarray:
        values = {"temperature": np.linspace(0.1, 1.0, size.members)}
        runs = simulate_batch(well, euler_maruyama, params=values, **given)
        return np.array([run.moments[0].mean[0] for run in runs])

    def one_by_one() -> np.ndarray:
        own = [well.with_params(temperature=value) for value in np.linspace(0.1, 1.0, size.single)]
        return np.array([simulate(process, euler_maruyama, **given).moments[0].mean[0] for process in own])

    each = float(MEMBER_PARTICLES * MEMBER_STEPS)
    entries = [
        Contestant(f"a batch of {size.members} × {MEMBER_PARTICLES} particles", side_by_side, work=size.members * each),
        Contestant(f"a loop of {size.single} single calls", one_by_one, work=size.single * each),
    ]
    for contestant in entries:
        contestant.run()
    return Contest("parameter batches", harness.measure(entries, rounds=size.rounds))


def batch_goal(contest: Contest) -> Goal:
    """Return the goal on batches."""
    batch, loop = contest.timings
    return _ratio_goal("particle-steps a second of a batch / of a loop of single calls", batch, loop, BATCH_GOAL, "×")


def fokker_planck() -> Contest:
    """Return the time of 1000 steps on 1000 cells."""
    processes = (ornstein_uhlenbeck(), double_well())
    entries = [Contestant(f"{p.name}, 1000 cells × 1000 steps", partial(_solve, p)) for p in processes]
    for contestant in entries:
        contestant.run()
    return Contest("Fokker–Planck", harness.measure(entries, rounds=5))


def _solve(process: Process) -> None:
    FokkerPlanck(process, Grid.uniform(process.setting.window, cells=1000)).evolve(X0, t_end=1000 * DT, dt=DT)


def waits(size: Size) -> Contest:
    """Return what a user waits for in fresh processes."""
    fresh.import_seconds()
    imports = tuple(fresh.import_seconds() for _ in range(size.processes))
    with fresh.first_results() as entries:
        results = harness.measure(entries, rounds=size.processes)
    return Contest("fresh processes", (Timing("import fpsde", 1.0, imports, imports), *results))


def rate_goals(contest: Contest) -> list[Goal]:
    """Return the goals of one process: its rate, and its ratio to each arrangement of each peer."""
    base = contest["fpsde"]
    rate = harness.spread(base.rates)
    goals = [Goal(f"{contest.name}: particle-steps", rate.median, Sense.AT_LEAST, RATE_GOAL, "/s", also=rate.best)]
    for timing in contest.timings:
        bound = PEER_GOALS.get(timing.name.replace(",", " ").split()[0])
        if bound is not None:
            goals.append(_ratio_goal(f"{contest.name}: fpsde / {timing.name}", base, timing, bound, "×"))
    return goals


def _ratio_goal(claim: str, a: Timing, b: Timing, bound: float, unit: str = "") -> Goal:
    times = harness.ratio(a, b)
    return Goal(claim, times.paired, Sense.AT_LEAST, bound, unit, also=times.of_medians)


def drift_goals(contest: Contest) -> list[Goal]:
    """Return the goals on drifts with transcendental functions, and on observers."""
    base, observed = contest.timings[:2]
    ratios = [(f"rate with {name} / Ornstein–Uhlenbeck", contest[name]) for name in TRANSCENDENTAL]
    longer = harness.ratio(base, observed)
    claim = f"extra time for moments and histogram each {LOOK_EVERY} steps"
    return [
        *(_ratio_goal(text, timing, base, DRIFT_GOAL) for text, timing in ratios),
        Goal(claim, longer.paired - 1, Sense.AT_MOST, OBSERVER_GOAL, also=longer.of_medians - 1),
    ]


def waiting_goals(processes: Contest, solver: Contest) -> list[Goal]:
    """Return the goals on times: medians, and beside them the shortest."""
    bounds = zip(processes.timings, (IMPORT_GOAL, NEW_GOAL, KNOWN_GOAL), strict=True)
    return [
        *(_time_goal(timing, bound, "s", 1.0) for timing, bound in bounds),
        *(_time_goal(timing, FOKKER_PLANCK_GOAL, "ms", 1000.0) for timing in solver.timings),
    ]


def _time_goal(timing: Timing, bound: float, unit: str, in_a_second: float) -> Goal:
    seconds = np.array(timing.seconds) * in_a_second
    return Goal(timing.name, float(np.median(seconds)), Sense.AT_MOST, bound, unit, also=float(seconds.min()))


def run(size: Size, console: Console) -> tuple[list[Contest], list[Goal]]:
    """Return contests and goals, showing each contest as it ends."""
    contests, goals = [], []
    for model, process in models(size):
        contests.append(against_peers(model, process, size))
        goals += rate_goals(contests[-1])
        console.print(harness.rates_table(contests[-1], unit=1e6, heading="10⁶ steps/s"))
    contests.append(among_ourselves(size))
    goals += drift_goals(contests[-1])
    console.print(harness.rates_table(contests[-1], unit=1e6, heading="10⁶ steps/s"))
    contests.append(batches(size))
    goals.append(batch_goal(contests[-1]))
    console.print(harness.rates_table(contests[-1], unit=1e6, heading="10⁶ steps/s"))
    schemes = scheme_rates.contest(
        particles=size.particles, steps=size.steps, rounds=size.rounds, threads=THREADS, dt=DT
    )
    console.print(harness.rates_table(schemes, unit=1e6, heading="10⁶ steps/s"))
    compiling = scheme_rates.compilation(schemes=size.schemes)
    goals += scheme_rates.goals(schemes, compiling, threads=THREADS)
    processes, solver = waits(size), fokker_planck()
    return [*contests, schemes, compiling, processes, solver], goals + waiting_goals(processes, solver)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="runs so short that they show only that everything works")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured to FILE (- for standard output)")
    options = parser.parse_args()
    try:
        refuse_unwritable([options.json])
    except BackendUnavailable as error:
        parser.error(str(error))
    size = QUICK if options.quick else FULL
    console = harness.console(options.json)
    cores = harness.restrict_to_cores(THREADS)
    before = harness.environment()
    _announce(console, before, cores, quick=options.quick)
    contests, goals = run(size, console)
    console.print(harness.goals_table(goals))
    _remark(console, contests, quick=options.quick)
    record = {
        "benchmark": "particles",
        "environment": {**before, "cores_used": cores, "load_average_after": harness.load_average()},
        "size": asdict(size),
        "missing": peers.missing(),
        "contests": [harness.contest_record(contest) for contest in contests],
        "goals": [harness.goal_record(goal) for goal in goals],
    }
    if options.json:
        harness.write_json(record, options.json)


def _announce(console: Console, environment: dict[str, Any], cores: int, *, quick: bool) -> None:
    load = environment["load_average"]
    console.print(f"{environment['processor']}, {cores} of {environment['cores']} cores, load average {load:.1f}")
    console.print(", ".join(f"{name} {version}" for name, version in environment["versions"].items() if version))
    if quick:
        console.print("quick: these runs are too short for their numbers to mean anything")


def _remark(console: Console, contests: Sequence[Contest], *, quick: bool) -> None:
    got = min(contest.timings[0].cores for contest in contests[:3])
    if got < BUSY * THREADS and not quick:
        console.print(f"the machine was busy: fpsde had {got:.2f} of {THREADS} cores; repeat when nothing else runs")
    for peer, note in peers.missing().items():
        console.print(f"{peer}: reported as missing, {escape(note)}")


if __name__ == "__main__":
    main()
