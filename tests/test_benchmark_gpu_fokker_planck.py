"""The benchmark of Fokker-Planck equations on a GPU where there is none: arguments, and tables on an emulated one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, EmulatedGpu, compiler_is_missing

from fpsde.fokker_planck import sweeps

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Return the module of the benchmark, which is a script and in no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("gpu", "gpu_work", "gpu_fokker_planck"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import gpu_fokker_planck

    return gpu_fokker_planck


def test_without_a_gpu_it_says_what_is_missing(script, capsys, monkeypatch):
    monkeypatch.setattr(script.gpu, "cupy", None)
    assert script.main(["--quick"]) == 2
    assert "CuPy, which is not installed" in capsys.readouterr().err


def test_the_goal_is_judged_on_the_plane_that_it_names(script):
    timings = [
        script.harness.Timing(name, 1.0, (seconds,), (seconds,))
        for name, seconds in (("steps", 0.1), ("steps on the CPU", 5.0))
    ]
    contest = script.Contest("a plane", tuple(timings))
    (goal,) = script.goals({"plane of 1024 x 1024 cells": contest})
    assert goal.measured == pytest.approx(50.0) and goal.met
    assert script.goals({"plane of 512 x 512 cells": contest})[0].measured is None


@pytest.mark.slow
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_a_quick_benchmark_on_an_emulated_gpu_writes_every_table(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "gpus", lambda: (EmulatedGpu(tmp_path),))
    monkeypatch.setattr(script.gpu, "device", lambda: {"name": "emulated"})
    assert script.main(["--quick", "--json", str(tmp_path / "record.json")]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["failed"] == {} and len(record["contests"]) == 6
    for contest in record["contests"]:
        assert [t["name"] for t in contest["timings"] if "CPU" in t["name"]]
        assert all(np.isfinite(t["rate"]["median"]) and t["rate"]["median"] > 0 for t in contest["timings"])
    assert "10⁶ cell-steps/s" in capsys.readouterr().out
