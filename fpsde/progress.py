"""A bar that shows how far a long run has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fpsde.optional import optional

rich_console, rich_progress = optional("rich.console"), optional("rich.progress")


@contextmanager
def progress_bar(what: str, *, total: float, finished: float = 0.0, shown: bool) -> Iterator[Callable[..., None]]:
    """Give the function that shows how much is finished, on standard error: standard output is for results.

    It takes that number, and another text in place of ``what`` where there is something new to say.
    """
    if not shown:
        yield lambda done, what=what: None
        return
    times = rich_progress.TimeElapsedColumn(), rich_progress.TimeRemainingColumn()
    columns = (*rich_progress.Progress.get_default_columns()[:-1], *times)
    with rich_progress.Progress(*columns, console=rich_console.Console(stderr=True)) as bar:
        task = bar.add_task(what, completed=finished, total=total)
        yield lambda done, what=what: bar.update(task, completed=done, description=what)
