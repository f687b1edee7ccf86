"""A progress bar on stderr, for whoever waits at a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from oms.cli.output import Output


class Bar:
    """One bar; shows nothing where nobody looks."""

    def __init__(self, progress: Progress | None, total: int, name: str) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task(name, total=total)

    def advance(self, events: int) -> None:
        """Say that so many more events are done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, events)


@contextmanager
def bar(output: Output, total: int, name: str) -> Iterator[Bar]:
    """Show how far `total` events are, on a terminal."""
    if not output.err.is_terminal:
        yield Bar(None, total, name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err, transient=True) as progress:
        yield Bar(progress, total, name)
