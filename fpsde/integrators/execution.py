"""All shards of a run: on threads of this process, or on any executor; finished ones are kept whatever happens."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from fpsde.errors import BackendUnavailable, FpsdeError, InvalidInput
from fpsde.integrators.checkpoint import Checkpoint
from fpsde.integrators.machine import Stopped
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import StartState, given_start
from fpsde.progress import progress_bar

#: Shards handed out at a time for each thread, and to an executor, which does not say how many workers it has.
AHEAD, AHEAD_ELSEWHERE = 4, 64


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be done: which particles, in parts of what size, and the function that makes one of them."""

    part: Callable[..., Any]  #: (plan, start, first=, count=, stop=), a function of a module
    plan: Plan
    start: StartState
    first: int
    count: int
    size: int
    checkpoint: Checkpoint | None

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(first, count) of each part."""
        end = self.first + self.count
        return [(first, min(self.size, end - first)) for first in range(self.first, end, self.size)]


class Whole(Protocol):
    """What parts are put together in, as they come, from any thread."""

    @property
    def done(self) -> int: ...

    def add(self, part: Any) -> None: ...


@contextmanager
def carrying(gathered: Whole, finished: Callable[[], Any], words: Callable[[Any], str]) -> Iterator[None]:
    """Have an error of fpsde carry, as ``finished``, what was done before it, and say in ``words`` what that is.

    ``finished()`` is None where what was done lay on a device that is lost.
    """
    try:
        yield
    except FpsdeError as error:
        if gathered.done:
            error.finished = finished()
            kept = "the copies that observers took lay on the device, so that nothing is left of what was finished"
            error.args = (f"{error}; {kept if error.finished is None else words(error.finished)}",)
        raise


def finish(work: Work, gathered: Whole, *, threads: int, executor: Executor | None, progress: bool) -> None:
    """Put all parts of the work together, or up to Ctrl-C those that are finished."""
    todo = []
    for first, count in work.ranges:
        if work.checkpoint is not None and work.checkpoint.finished(first):
            gathered.add(work.checkpoint.load(first, count))
        else:
            todo.append((first, count))

    def keep(part: Any) -> None:
        if work.checkpoint is not None:
            work.checkpoint.save(part)
        gathered.add(part)

    with progress_bar("particles", finished=gathered.done, total=work.count, shown=progress) as show:
        if executor is None:
            _in_threads(work, todo, keep, threads, lambda: show(gathered.done))
        else:
            _elsewhere(work, todo, keep, executor, lambda: show(gathered.done))


def _in_threads(
    work: Work, todo: list[tuple[int, int]], keep: Callable[[Any], None], threads: int, show: Callable[[], None]
) -> None:
    """Run the parts on threads. They also keep what is finished: Ctrl-C does not reach them, so it is kept whole."""
    stop = threading.Event()

    def one(first: int, count: int) -> None:
        try:
            keep(work.part(work.plan, work.start, first=first, count=count, stop=stop.is_set))
        except Stopped:
            pass

    with ThreadPoolExecutor(threads) as pool:
        try:
            _all_of(todo, lambda pair: pool.submit(one, *pair), show, ahead=AHEAD * threads)
        except KeyboardInterrupt:
            stop.set()
        except BaseException:
            stop.set()
            raise


def _elsewhere(
    work: Work, todo: list[tuple[int, int]], keep: Callable[[Any], None], executor: Executor, show: Callable[[], None]
) -> None:
    """Run the parts on an executor; one thread here keeps what comes back."""
    sent: set[Future] = set()

    with ThreadPoolExecutor(1) as keeper:

        def submitted(pair: tuple[int, int]) -> Future:
            first, count = pair
            start = given_start(work.start, first, count)
            with _explained(first, count, closed=RuntimeError):
                there = executor.submit(work.part, work.plan, start, first=first, count=count)
            sent.add(there)

            def collected() -> None:
                with _explained(first, count):
                    part = there.result()
                keep(part)
                sent.discard(there)

            return keeper.submit(collected)

        try:
            _all_of(todo, submitted, show, ahead=AHEAD_ELSEWHERE)
        except BaseException as error:
            for there in list(sent):
                there.cancel()
            if not isinstance(error, KeyboardInterrupt):
                raise


@contextmanager
def _explained(first: int, count: int, *, closed: Any = ()) -> Iterator[None]:
    """Say in words what it means where an executor does not take a shard, or does not give it back."""
    shard_of = f"the shard of particles {first} .. {first + count - 1}"
    try:
        yield
    except (BrokenExecutor, CancelledError) as error:
        raise BackendUnavailable(
            f"the executor lost {shard_of} ({error!r}); a checkpoint keeps those that are finished: run it again, with "
            "workers that have more memory, or without an executor"
        ) from error
    except closed as error:
        raise BackendUnavailable(
            f"the executor does not take {shard_of} ({error!r}); give one that has not been shut down"
        ) from error
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        if "pickle" not in str(error):  # an error of the shard itself
            raise
        raise InvalidInput(
            f"{shard_of} cannot be sent to another process ({error}); take threads, or functions that are "
            "stated at the top of a module, or an executor that sends functions by value, as that of Dask does"
        ) from error


def _all_of(
    todo: list[tuple[int, int]], submit: Callable[[tuple[int, int]], Future], show: Callable[[], None], *, ahead: int
) -> None:
    waiting: set[Future] = set()
    for pair in todo:
        waiting.add(submit(pair))
        if len(waiting) >= ahead:
            waiting = collected(waiting, show)
    while waiting:
        waiting = collected(waiting, show)


def collected(waiting: set[Future], show: Callable[[], None]) -> set[Future]:
    """Wait until one more is finished; return the others."""
    finished, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in finished:
        future.result()
    show()
    return rest
