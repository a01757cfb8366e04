"""What a user waits for in a fresh process: the import, the first result of a new model, that of a known one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Contestant

IMPORT = "import time; start = time.perf_counter(); import fpsde; print(time.perf_counter() - start)"

#: A model that no other run has: its drift holds a constant of its own, as text, so its kernel is a file of its own.
FIRST_RESULT = """
import numpy as np
from fpsde.integrators import simulate
from fpsde.processes import Process
from fpsde.schemes import euler_maruyama

def drift(x, t, p):
    return -p.k * np.tanh(x) - {constant!r} * x

own = Process(drift=drift, sigma=lambda x, t, p: p.s, params={{"k": 1.0, "s": 0.7}})
run = simulate(own, euler_maruyama, x0=0.0, t_end=1.0, dt=0.01, n_particles=1000, seed=1)
print(run.x.mean())
"""


def import_seconds() -> float:
    """Return what ``import fpsde`` takes in a fresh process; the interpreter's own start is not in it."""
    return float(python(IMPORT))


@contextmanager
def first_results() -> Iterator[tuple[Contestant, Contestant]]:
    """Give (new model, known model): whole processes from start to exit, models cached in a directory of their own.

    Each repetition of the first compiles a model that has never been compiled; the second repeats the same model. The
    loop and the normals, which belong to the installation and not to a model, are compiled before.
    """
    constants = itertools.count(1.0, 0.001)
    with tempfile.TemporaryDirectory(prefix="fpsde-benchmark-") as cache:
        now = next(constants)

        def new() -> None:
            nonlocal now
            now = next(constants)
            python(FIRST_RESULT.format(constant=now), FPSDE_CACHE_DIR=cache)

        def known() -> None:
            python(FIRST_RESULT.format(constant=now), FPSDE_CACHE_DIR=cache)

        known()
        yield Contestant("first result of a new model", new), Contestant("the same model in a fresh process", known)


def of_children() -> float:
    """Return the processor time of all processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def python(code: str, **variables: str) -> str:
    """Run a program in a fresh process and return what it prints; RuntimeError where it fails."""
    command, environment = [sys.executable, "-c", code], {**os.environ, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode: this package gets it as well
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a fresh process failed:\n{done.stderr}")
    return done.stdout
