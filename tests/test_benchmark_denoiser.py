"""The benchmark of training steps: it runs, its step learns, and a step that is too slow misses the goal."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Return the module of the benchmark, which is a script and in no package; it leaves this process as it is."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "denoiser", raising=False)
    import denoiser

    monkeypatch.setattr(denoiser.harness, "on_one_thread", lambda: None)
    monkeypatch.setattr(denoiser.harness, "restrict_to_cores", lambda count: count)
    monkeypatch.setattr(denoiser, "BATCH", 16)
    return denoiser


def test_without_a_peer_there_is_no_goal(benchmark, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(benchmark, "torch", None)
    assert benchmark.main(["--quick", "--json", str(tmp_path / "record.json")]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["goals"] == [] and [one["name"] for one in record["contests"][0]["timings"]] == ["fpsde"]


@pytest.mark.parametrize(("sleep", "code"), [(0.05, 0), (0.0, 1)])
def test_the_goal_is_about_the_fastest_peer(benchmark, monkeypatch, tmp_path, sleep, code) -> None:
    wait = benchmark.harness.time.sleep
    monkeypatch.setattr(benchmark, "torch", SimpleNamespace())
    monkeypatch.setattr(benchmark, "their_step", lambda batch, **adam: lambda: wait(sleep) if sleep else None)
    monkeypatch.setattr(
        benchmark, "Contestant", lambda *given, **more: benchmark.harness.Contestant(*given, **more | {"repeats": 1})
    )
    assert benchmark.main(["--quick", "--json", str(tmp_path / "record.json")]) == code
    assert [goal["met"] for goal in json.loads((tmp_path / "record.json").read_text())["goals"]] == [not code]


def test_the_step_that_is_timed_lowers_the_loss(benchmark, monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "RATE", 0.1)
    rng, losses = np.random.default_rng(0), []
    parts = benchmark.SHAPE.features(rng.normal(size=(2, 8)), rng.normal(size=8)), rng.normal(size=(2, 8)), np.ones(8)
    batch = benchmark.Batch(*(part.astype(np.float32) for part in parts))
    inner = benchmark.Batch.loss_and_slopes
    monkeypatch.setattr(benchmark.Batch, "loss_and_slopes", lambda *a: losses.append(inner(*a)[0]) or inner(*a))
    step = benchmark.our_step(batch)
    for _ in range(40):
        step()
    assert losses[-1] < 0.2 * losses[0]
