"""What carried masses in time is gone, arrays and factors too, once nobody holds it: no ring of references keeps it."""

from __future__ import annotations

import gc
import weakref
from functools import lru_cache

import pytest

import fpsde
from fpsde.cached import Kept
from fpsde.fokker_planck.backward import BackwardPropagator
from fpsde.fokker_planck.plane.propagator import LinesInPlane
from fpsde.fokker_planck.stepper import Stepper

PULLED = fpsde.ornstein_uhlenbeck()
PUSHED = fpsde.Process(lambda x, t: t - x, sigma=lambda x: 1.0 + 0 * x)
PLANE = fpsde.Process(lambda x: (-x[0], -x[1]), sigma=lambda x: ((1.0, 0.0), (0.0, 1.0)), dim=2)


def on_line(process):
    return fpsde.FokkerPlanck(process, fpsde.Grid.uniform((-6, 6), cells=16))


def on_plane(process):
    return fpsde.FokkerPlanck(process, fpsde.Grid.uniform((-6, 6), (-6, 6), cells=(16, 16)))


def evolved(stepping):
    return lambda: on_plane(PLANE).evolve((0.5, 0.5), t_end=0.2, dt=0.1, stepping=stepping)


RUNS = {
    "line": lambda: on_line(PULLED).evolve(0.5, t_end=0.2, dt=0.1),
    "line in time": lambda: on_line(PUSHED).evolve(0.5, t_end=0.2, dt=0.1),
    **{f"plane, {stepping.name}": evolved(stepping) for stepping in fpsde.Stepping},
    "line, backward": lambda: on_line(PULLED).expectation(lambda x: x, t_end=0.2, dt=0.1),
    "plane, backward": lambda: on_plane(PLANE).expectation(lambda x, y: x, t_end=0.2, dt=0.1),
}


@pytest.fixture
def made(monkeypatch):
    """Weak references to what carried masses; nothing looks for rings meanwhile."""
    found = []
    for kind in (Stepper, BackwardPropagator, LinesInPlane):

        def init(self, *given, _init=kind.__init__, **named):
            _init(self, *given, **named)
            found.append(weakref.ref(self))

        monkeypatch.setattr(kind, "__init__", init)
    gc.disable()
    yield found
    gc.enable()


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_nothing_is_left_of_a_run_but_its_result(run, made):
    run()  # compiles, and that leaves rings of its own
    made.clear()
    result = run()
    assert made and [one() for one in made if one() is not None] == []
    result = weakref.ref(result)
    assert result() is None


def test_an_lru_cache_around_a_method_would_keep_its_object_and_this_is_seen():
    class Ring:
        def __init__(self):
            self.twice = lru_cache(self.double)

        def double(self, x):
            return 2 * x

    class Free(Ring):
        def __init__(self):
            self.kept = Kept(2)

        def twice(self, x):
            return self.kept.get(self.double, x)

    gc.disable()
    try:
        left = []
        for kind in (Ring, Free):
            one = kind()
            assert one.twice(2) == one.twice(2) == 4
            left.append(weakref.ref(one))
        del one
        assert [one() is None for one in left] == [False, True]
    finally:
        gc.enable()
