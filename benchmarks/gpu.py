"""How fast are the particles on a GPU? Rates against particles, steps, dimension and observers; peers; the roofline.

    python benchmarks/gpu.py [--quick] [--json FILE]

Everything goes through the public ``simulate``. Each number comes from this run, beside its goal. Needs a GPU and CuPy;
where PyTorch sees the same GPU it is a peer.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gpu_work
import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense, Timing
from rich.console import Console

from fpsde.errors import BackendUnavailable
from fpsde.integrators import Backend, Histogram, Moments, simulate
from fpsde.processes import Process, double_well, linear_system, ornstein_uhlenbeck
from fpsde.schemes import euler_maruyama

cupy, torch = harness.optional("cupy"), harness.optional("torch")

DT = 1 / 128
X0 = 0.3
LOOK_EVERY = 10
#: Of issue and README: particle-steps a second on an H200, times the loop of CuPy, cost of observers, seconds.
RATE_GOALS = {"float32": 3e11, "float64": 1e11}
LOOP_GOAL, OBSERVER_GOAL, LARGE_GOAL = 50.0, 0.15, 5.0


@dataclass(frozen=True)
class Size:
    """How large the runs are."""

    particles: int
    steps: int
    rounds: int
    some_particles: tuple[int, ...]
    some_steps: tuple[int, ...]
    dimensions: tuple[int, ...]
    large: tuple[int, int]  #: particles and steps of the run with a histogram at its end
    cpu: int  #: particles on the CPU


FULL = Size(
    particles=2**24, steps=1000, rounds=7, some_particles=(2**14, 2**17, 2**20, 2**23, 2**26),
    some_steps=(10, 100, 1000, 10_000), dimensions=(1, 2, 4, 8, 16), large=(10**9, 1000), cpu=2**19,
)  # fmt: skip
QUICK = Size(
    particles=2**11, steps=20, rounds=2, some_particles=(2**10,), some_steps=(10,), dimensions=(2,),
    large=(2**12, 10), cpu=2**10,
)  # fmt: skip


def ours(name: str, process: Process, particles: int, steps: int, **options: Any) -> Contestant:
    """Return a run on the GPU as a contestant; its positions stay there."""
    horizon = {"x0": X0, "t_end": steps * DT, "dt": DT}
    options = {"n_particles": particles, "seed": 1, "backend": Backend.GPU, **horizon, **options}
    return Contestant(name, lambda: simulate(process, euler_maruyama, **options), work=float(particles * steps))


def chain(d: int) -> Process:
    """Return d coupled Ornstein-Uhlenbeck processes: each pulls on the one before."""
    return ornstein_uhlenbeck() if d == 1 else linear_system(np.eye(d) + 0.3 * np.eye(d, k=1), 0.7 * np.eye(d))


def contests(size: Size) -> dict[str, Contest]:
    """Return all that is measured, by name."""
    ou, n, steps = ornstein_uhlenbeck(), size.particles, size.steps
    looks = np.arange(LOOK_EVERY, steps + 1, LOOK_EVERY) * DT
    moments, histogram = Moments(times=looks, centre=0.5), Histogram(-3.0, 4.0, times=looks)
    kinds = {"float32": np.float32, "float64": np.float64}
    groups = {
        "precision": [
            ours(f"{process.name}, {name}{', fused' if backend is Backend.GPU_FAST else ''}", process, n, steps,
                 dtype=kind, backend=backend)
            for process in (ou, double_well())
            for name, kind in kinds.items()
            for backend in (Backend.GPU, Backend.GPU_FAST)
        ],
        "particles": [ours(f"{k} particles", ou, k, steps, dtype=np.float32) for k in size.some_particles],
        "steps": [ours(f"{k} steps", ou, n, k, dtype=np.float32) for k in size.some_steps],
        "dimension": [
            ours(f"{d} components", chain(d), n // d, steps, dtype=np.float32) for d in size.dimensions
        ],
        "observers": [
            ours(name, ou, n, steps, dtype=np.float32, observers=seen)
            for name, seen in (
                ("none", ()), (f"moments each {LOOK_EVERY} steps", (moments,)),
                (f"histogram each {LOOK_EVERY} steps", (histogram,)), ("both", (moments, histogram)),
            )
        ],
        "peers": [
            ours("fpsde", ou, n, steps, dtype=np.float32),
            ours("fpsde on the CPU", ou, size.cpu, steps, dtype=np.float32, backend=Backend.CPU),
            *array_loops(ou, n, steps),
        ],
        "large": [
            ours("with a histogram at the end", ou, *size.large, dtype=np.float32, keep_positions=False,
                 observers=(Histogram(-3.0, 4.0),))
        ],
    }  # fmt: skip
    out = {}
    for name, entries in groups.items():
        for contestant in entries:
            contestant.run()  # compiles, and warms up
        rounds = 1 if name == "large" else size.rounds
        out[name] = Contest(name, harness.measure(entries, rounds=rounds), ())
    return out


def array_loops(process: Process, n: int, steps: int) -> list[Contestant]:
    """Return the loops of array code on the same GPU, by the libraries that are here."""
    theta, mean, sigma = (float(np.float32(process.params[name])) for name in ("theta", "mean", "sigma"))
    kick = sigma * math.sqrt(DT)

    def by_cupy() -> Any:
        generator, x = cupy.random.default_rng(1), cupy.full(n, X0, cupy.float32)
        for _ in range(steps):
            x += theta * (mean - x) * DT + kick * generator.standard_normal(n, dtype=cupy.float32)
        cupy.cuda.get_current_stream().synchronize()
        return x

    def by_torch() -> Any:
        x, z = torch.full((n,), X0, device="cuda"), torch.empty(n, device="cuda")
        for _ in range(steps):
            x.mul_(1 - theta * DT).add_(z.normal_(theta * mean * DT, kick))
        torch.cuda.synchronize()
        return x

    work = float(n * steps)
    found = [Contestant("CuPy loop", by_cupy, work)] if cupy else []
    return found + ([Contestant("PyTorch loop", by_torch, work)] if torch and torch.cuda.is_available() else [])


def named(contest: Contest, name: str) -> Timing | None:
    """Return a timing of a contest, or None where its contestant is not here."""
    return next((timing for timing in contest.timings if timing.name == name), None)


def best(timing: Timing) -> float:
    """Return the rate of the fastest round."""
    return float(np.max(timing.rates))


def goals(found: dict[str, Contest], size: Size) -> list[Goal]:
    """Return the goals of the benchmark with what was measured."""
    out = []
    for process in ("ornstein_uhlenbeck", "double_well"):
        for dtype, bound in RATE_GOALS.items():
            timing = named(found["precision"], f"{process}, {dtype}")
            rate = None if timing is None else best(timing)
            out.append(Goal(f"{process}, {dtype}, strict", rate, Sense.AT_LEAST, bound, "steps/s", also=None))
    mine, loop = named(found["peers"], "fpsde"), named(found["peers"], "CuPy loop")
    times = None if mine is None or loop is None else harness.ratio(mine, loop)
    out.append(
        Goal("times the CuPy loop", times and times.paired, Sense.AT_LEAST, LOOP_GOAL, also=times and times.of_medians)
    )
    bare, both = named(found["observers"], "none"), named(found["observers"], "both")
    cost = None if bare is None or both is None else harness.ratio(bare, both)
    out.append(
        Goal("cost of both observers", cost and cost.paired - 1, Sense.AT_MOST, OBSERVER_GOAL,
             also=cost and cost.of_medians - 1)
    )  # fmt: skip
    (large,) = found["large"].timings
    claim = f"{size.large[0]:g} particles x {size.large[1]} steps with a histogram"
    out.append(Goal(claim, min(large.seconds), Sense.AT_MOST, LARGE_GOAL, "s", also=None))
    return out


def rooflines(found: dict[str, Contest], roof: float) -> dict[str, float]:
    """Return the fraction of the roof that each strict run reaches, by name."""
    out = {}
    for process in (ornstein_uhlenbeck(), double_well()):
        for dtype in RATE_GOALS:
            timing = named(found["precision"], f"{process.name}, {dtype}")
            if timing is not None:
                work = gpu_work.of_step(process, euler_maruyama, dtype)
                out[timing.name] = best(timing) * work / roof
    return out


def device() -> dict[str, Any]:
    """Return the first GPU: its name, what it can issue, driver and runtime; BackendUnavailable where there is none."""
    if cupy is None:
        raise BackendUnavailable("a GPU needs CuPy, which is not installed: pip install 'fpsde[cuda13]'")
    try:
        said = cupy.cuda.runtime.getDeviceProperties(0)
        driver, runtime = cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailable(f"CuPy is installed, but finds no driver or no GPU ({error})") from error
    return {
        "name": said["name"].decode(),
        "multiprocessors": said["multiProcessorCount"],
        "hertz": 1000.0 * cupy.cuda.Device(0).attributes["ClockRate"],
        "bytes": said["totalGlobalMem"],
        "driver": driver,
        "runtime": runtime,
        "cupy": cupy.__version__,
    }


def report(size: Size, card: dict[str, Any], console: Console) -> dict[str, Any]:
    """Measure, print the tables, and return the record."""
    console.print(f"{card['name']}: {card['multiprocessors']} multiprocessors, {card['hertz'] / 1e9:.2f} GHz")
    found = contests(size)
    for contest in found.values():
        console.print(harness.rates_table(contest, unit=1e9, heading="10⁹ steps/s"))
    reached = rooflines(found, gpu_work.roof(card["multiprocessors"], card["hertz"]))
    for name, fraction in reached.items():
        console.print(f"{name}: {100 * fraction:.0f} % of the instructions that the device can issue")
    judged = goals(found, size)
    console.print(harness.goals_table(judged))
    return {
        "benchmark": "gpu",
        "device": card,
        "environment": harness.environment(),
        "size": asdict(size),
        "contests": [harness.contest_record(contest) for contest in found.values()],
        "roofline": reached,
        "goals": [harness.goal_record(goal) for goal in judged],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="runs so short that they show only that everything works")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured to FILE (- for standard output)")
    options = parser.parse_args(arguments)
    try:
        card = device()
    except BackendUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    record = report(QUICK if options.quick else FULL, card, harness.console(options.json))
    if options.json:
        harness.write_json(record, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
