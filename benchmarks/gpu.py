"""How fast are the particles on a GPU? Rates against particles, steps, dimension and observers; peers; the roofline.

    python benchmarks/gpu.py [--quick] [--json FILE]

Everything goes through the public ``simulate``. Each number comes from this run, beside its goal. Needs a GPU and CuPy;
where PyTorch sees the same GPU it is a peer, and so is the CPU where Numba is installed; SciPy and rich are not needed.
With --json the file is written after each table, and a second call with the same file goes on from there: what failed
and what is missing is measured, and the rest is kept. The tables of the goals come first.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gpu_work
import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense, Timing

from fpsde.arrays import gpus
from fpsde.errors import BackendUnavailable
from fpsde.integrators import Backend, Histogram, Moments, simulate
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

cupy, torch, numba = harness.optional("cupy"), harness.optional("torch"), harness.optional("numba")

DT = 1 / 128
X0 = 0.3
LOOK_EVERY = 10
#: No round of a table begins after so long, so that all tables fit into a quarter of an hour of a borrowed device.
TABLE_SECONDS = 45.0
#: Of the README: particle-steps a second on an H200, times the loop of CuPy, cost of observers, seconds, bytes.
RATE_GOALS = {"float32": 3e11, "float64": 1e11}
LOOP_GOAL, OBSERVER_GOAL, LARGE_GOAL, MEMORY_GOAL = 50.0, 0.15, 5.0, 1.0
KINDS = {"float32": np.float32, "float64": np.float64}
#: CUDA's number for the clock of a device, in kHz (cudaDevAttrClockRate); its struct of properties no longer has it.
CLOCK_RATE = 13

# Stated here, since those of the catalogue need SciPy for the windows in which they are judged.
OU = Process(
    drift=lambda x, p: p.theta * (p.mean - x), sigma=lambda x, p: p.sigma,
    params={"theta": 1.0, "mean": 0.5, "sigma": 0.7}, name="ornstein_uhlenbeck",
)  # fmt: skip
WELL = Process(
    drift=lambda x: -4.0 * x * (x * x - 1.0), sigma=lambda x, p: p.sigma, params={"sigma": 0.7}, name="double_well"
)


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
    if d == 1:
        return OU
    return Process(
        drift=lambda x: tuple(-x[i] - (0.3 * x[i + 1] if i + 1 < d else 0.0) for i in range(d)),
        sigma=lambda x: (0.7,) * d, dim=d, name=f"chain of {d}",
    )  # fmt: skip


def groups(size: Size) -> dict[str, Callable[[], list[Contestant]]]:
    """Return what makes the contestants of each table, by its name."""
    n, steps = size.particles, size.steps
    looks = np.arange(LOOK_EVERY, steps + 1, LOOK_EVERY) * DT
    moments, histogram = Moments(times=looks, centre=0.5), Histogram(-3.0, 4.0, times=looks)
    single = {"dtype": np.float32}
    return {
        "precision": lambda: [
            ours(f"{process.name}, {name}{', fused' if backend is Backend.GPU_FAST else ''}", process, n, steps,
                 dtype=kind, backend=backend)
            for process in (OU, WELL)
            for name, kind in KINDS.items()
            for backend in (Backend.GPU, Backend.GPU_FAST)
        ],
        "observers": lambda: [
            ours(name, OU, n, steps, observers=seen, **single)
            for name, seen in (
                ("none", ()), (f"moments each {LOOK_EVERY} steps", (moments,)),
                (f"histogram each {LOOK_EVERY} steps", (histogram,)), ("both", (moments, histogram)),
            )
        ],
        "peers": lambda: [
            ours("fpsde", OU, n, steps, **single),
            *([ours("fpsde on the CPU", OU, size.cpu, steps, backend=Backend.CPU, **single)] if numba else []),
            *array_loops(OU, n, steps),
        ],
        "large": lambda: [
            ours("with a histogram at the end", OU, *size.large, keep_positions=False,
                 observers=(Histogram(-3.0, 4.0),), **single)
        ],
        "particles": lambda: [ours(f"{k} particles", OU, k, steps, **single) for k in size.some_particles],
        "steps": lambda: [ours(f"{k} steps", OU, n, k, **single) for k in size.some_steps],
        "dimension": lambda: [ours(f"{d} components", chain(d), n // d, steps, **single) for d in size.dimensions],
    }  # fmt: skip


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


def measured(
    name: str, made: Callable[[], list[Contestant]], rounds: int, *, warm: bool = True
) -> tuple[Contest, dict[str, str]]:
    """Return a table, and by name the contestants that failed with what they said: the others are measured.

    Where a round takes long there are fewer of them, one at least. Without ``warm`` none is for warming up: its kernel
    has been compiled for another table.
    """
    failed: dict[str, str] = {}
    try:
        contestants = [guarded(one, failed) for one in made()]
    except Exception as error:
        return Contest(name, ()), {"the table": _said(error)}
    if warm:  # compiles
        for one in contestants:
            one.run()
    begun, parts = time.perf_counter(), []
    while len(parts) < rounds and (not parts or time.perf_counter() - begun < TABLE_SECONDS):
        parts.append(harness.measure([one for one in contestants if one.name not in failed], rounds=1))
    able = [[one for one in part if one.name not in failed] for part in parts]
    timings = [
        replace(same[0], **{key: sum((getattr(one, key) for one in same), ()) for key in ("seconds", "cpu_seconds")})
        for same in zip(*able, strict=True)
    ]
    return Contest(name, tuple(timings)), failed


def guarded(contestant: Contestant, failed: dict[str, str]) -> Contestant:
    """Return a contestant that puts what stopped it among ``failed``, and does not try again."""

    def run() -> None:
        if contestant.name not in failed:
            try:
                contestant.run()
            except Exception as error:  # whatever a peer, a driver or a device says
                failed[contestant.name] = _said(error)

    return replace(contestant, run=run)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def device_bytes() -> int | None:
    """Return the bytes of the device that CuPy holds for this process, in use or kept for the next array."""
    return int(cupy.get_default_memory_pool().total_bytes()) if cupy else None


def forget_arrays() -> None:
    """Give back what CuPy keeps for the next array, so that the next run shows what it takes."""
    if cupy:
        cupy.get_default_memory_pool().free_all_blocks()


def named(contest: Contest | None, name: str) -> Timing | None:
    """Return a timing of a table, or None where it or its contestant is not here."""
    return next((timing for timing in contest.timings if timing.name == name), None) if contest else None


def best(timing: Timing) -> float:
    """Return the rate of the fastest round."""
    return float(np.max(timing.rates))


def goals(found: dict[str, Contest], size: Size, large_bytes: int | None) -> list[Goal]:
    """Return the goals of the benchmark with what was measured."""
    out = []
    for process in (OU, WELL):
        for dtype, bound in RATE_GOALS.items():
            timing = named(found.get("precision"), f"{process.name}, {dtype}")
            rate = None if timing is None else best(timing)
            out.append(Goal(f"{process.name}, {dtype}, strict", rate, Sense.AT_LEAST, bound, "steps/s", also=None))
    mine, loop = named(found.get("peers"), "fpsde"), named(found.get("peers"), "CuPy loop")
    times = None if mine is None or loop is None else harness.ratio(mine, loop)
    out.append(
        Goal("times the CuPy loop", times and times.paired, Sense.AT_LEAST, LOOP_GOAL, also=times and times.of_medians)
    )
    bare, both = named(found.get("observers"), "none"), named(found.get("observers"), "both")
    cost = None if bare is None or both is None else harness.ratio(bare, both)
    out.append(
        Goal("cost of both observers", cost and cost.paired - 1, Sense.AT_MOST, OBSERVER_GOAL,
             also=cost and cost.of_medians - 1)
    )  # fmt: skip
    large = named(found.get("large"), "with a histogram at the end")
    claim = f"{size.large[0]:g} particles x {size.large[1]} steps with a histogram"
    out.append(Goal(claim, large and min(large.seconds), Sense.AT_MOST, LARGE_GOAL, "s", also=None))
    gigabytes = None if large_bytes is None else large_bytes / 2**30
    out.append(Goal("memory of the device for them", gigabytes, Sense.AT_MOST, MEMORY_GOAL, "GiB", also=None))
    return out


def rooflines(found: dict[str, Contest], roof: float) -> dict[str, float]:
    """Return the fraction of the roof that each strict run reaches, by name."""
    out = {}
    for process in (OU, WELL):
        for dtype in RATE_GOALS:
            timing = named(found.get("precision"), f"{process.name}, {dtype}")
            if timing is not None:
                work = gpu_work.of_step(process, euler_maruyama, dtype)
                out[timing.name] = best(timing) * work / roof
    return out


def device() -> dict[str, Any]:
    """Return the first GPU: its name, what it can issue, driver and runtime; BackendUnavailable where there is none."""
    name, runtime = gpus()[0].name, cupy.cuda.runtime
    said = runtime.getDeviceProperties(0)
    return {
        "name": name,
        "multiprocessors": int(said["multiProcessorCount"]),
        "hertz": 1000.0 * runtime.deviceGetAttribute(CLOCK_RATE, 0),
        "bytes": int(said["totalGlobalMem"]),
        "driver": int(runtime.driverGetVersion()),
        "runtime": int(runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def begun(file: str | None, fresh: dict[str, Any], console: Any) -> dict[str, Any]:
    """Return the record of a run that was ended before it was whole, or a fresh one."""
    if file in (None, "-") or not Path(file).exists():
        return fresh
    record = json.loads(Path(file).read_text())
    same = [name for name in ("benchmark", "device", "size") if record.get(name) == json.loads(json.dumps(fresh[name]))]
    if len(same) < 3 or record["environment"]["versions"] != fresh["environment"]["versions"]:
        console.print(f"{file} is of another device, size or version: everything is measured")
        return fresh
    return record


def report(size: Size, card: dict[str, Any], console: Any, file: str | None) -> dict[str, Any]:
    """Measure, print the tables, and return the record; it is written after each table."""
    console.print(f"{card['name']}: {card['multiprocessors']} multiprocessors, {card['hertz'] / 1e9:.2f} GHz")
    fresh = {
        "benchmark": "gpu", "device": card, "environment": harness.environment(), "size": asdict(size),
        "contests": [], "failed": {}, "large_bytes": None,
    }  # fmt: skip
    record = begun(file, fresh, console)
    for name, made in groups(size).items():
        kept = {contest["name"]: harness.contest_of(contest) for contest in record["contests"]}
        if name not in kept or name in record["failed"]:
            forget_arrays()
            large = name == "large"  # seconds for one run, of a kernel that "observers" has compiled
            contest, failed = measured(name, made, 1 if large else size.rounds, warm=not large)
            record["contests"] = [one for one in record["contests"] if one["name"] != name]
            record["contests"].append(harness.contest_record(contest))
            record["failed"] = {k: v for k, v in record["failed"].items() if k != name}
            record["failed"] |= {name: failed} if failed else {}
            record["large_bytes"] = device_bytes() if name == "large" and not failed else record["large_bytes"]
        else:
            contest = kept[name]
        if contest.timings:
            console.print(harness.rates_table(contest, unit=1e9, heading="10⁹ steps/s"))
        for who, why in record["failed"].get(name, {}).items():
            console.print(f"{name}, {who} failed: {why}")
        judge(record, size)
        if file not in (None, "-"):
            harness.write_json(record, file)
    for name, fraction in record["roofline"].items():
        console.print(f"{name}: {100 * fraction:.0f} % of the instructions that the device can issue")
    found = {contest["name"]: harness.contest_of(contest) for contest in record["contests"]}
    console.print(harness.goals_table(goals(found, size, record["large_bytes"])))
    return record


def judge(record: dict[str, Any], size: Size) -> None:
    """Put roofline and goals of what was measured so far into the record."""
    found = {contest["name"]: harness.contest_of(contest) for contest in record["contests"]}
    card = record["device"]
    record["roofline"] = rooflines(found, gpu_work.roof(card["multiprocessors"], card["hertz"]))
    record["goals"] = [harness.goal_record(goal) for goal in goals(found, size, record["large_bytes"])]


def measure(
    text: str, reported: Callable[..., dict[str, Any]], sizes: tuple[Any, Any], arguments: Sequence[str] | None
) -> int:
    """Run the ``reported`` benchmark of a script that says what it does in ``text``; return its exit status.

    ``sizes`` are the quick and the full one. 1 where something failed, 2 where there is no GPU.
    """
    parser = argparse.ArgumentParser(description=text.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="runs so short that they show only that everything works")
    parser.add_argument("--json", metavar="FILE", help="write the record there (- for standard output)")
    options = parser.parse_args(arguments)
    try:
        card = device()
    except BackendUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    quick, full = sizes
    record = reported(quick if options.quick else full, card, harness.console(options.json), options.json)
    if options.json == "-":
        harness.write_json(record, options.json)
    return 1 if record["failed"] else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write the record; the exit status of :func:`measure`."""
    return measure(__doc__ or "", report, (QUICK, FULL), arguments)


if __name__ == "__main__":
    sys.exit(main())
