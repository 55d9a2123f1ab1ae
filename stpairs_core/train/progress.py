"""What a person sees of long work: lines, or a live display on a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TextIO

Count = Callable[[int, int], None]
"""Told how many are done, and of how many."""


class Progress(Protocol):
    """Who is told how long work goes on."""

    def note(self, text: str) -> None:
        """A remark that stays to be read."""

    def started(self, total: int, step: int) -> None:
        """Training begins at `step` of `total`."""

    def advanced(self, step: int, loss: float, pairs_per_second: float) -> None:
        """That many steps are made; the loss is the mean since the last line of metrics."""

    def measured(self, step: int, auc: float, accuracy: float) -> None:
        """What the held-out pairs said after `step` steps."""

    def ended(self) -> None:
        """Training is over, for whatever reason."""

    def counting(self, what: str) -> AbstractContextManager[Count]:
        """Other long work: the count to tell in a `with`."""


def progress_for(stream: TextIO) -> Progress:
    """A live display when `stream` is a terminal and rich is installed; plain lines otherwise."""
    if stream.isatty():
        try:
            return RichProgress(stream)
        except ModuleNotFoundError:
            pass
    return PlainProgress(stream)


class Silent:
    """Tells nobody."""

    def note(self, text: str) -> None:
        """Nothing."""

    def started(self, total: int, step: int) -> None:
        """Nothing."""

    def advanced(self, step: int, loss: float, pairs_per_second: float) -> None:
        """Nothing."""

    def measured(self, step: int, auc: float, accuracy: float) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""

    @contextmanager
    def counting(self, what: str) -> Iterator[Count]:
        """Nothing."""
        yield lambda done, total: None


class PlainProgress:
    """Lines of text, one every few seconds at most."""

    def __init__(self, stream: TextIO, every: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._every = every
        """Seconds between two lines on the same work."""
        self._clock = clock
        self._total = 0
        self._first = 0
        self._began: float | None = None
        self._spoke = clock()

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=self._stream, flush=True)

    def started(self, total: int, step: int) -> None:
        """One line."""
        self._total, self._first, self._began = total, step, None
        self._spoke = self._clock()
        self.note(f"training from step {step} to {total}")

    def advanced(self, step: int, loss: float, pairs_per_second: float) -> None:
        """A line, if the last one was long ago."""
        if self._began is None:  # the first steps wait for kernels to compile, and say nothing about the others
            self._first, self._began = step, self._clock()
        if not self._due():
            return
        left = (self._clock() - self._began) / max(step - self._first, 1) * (self._total - step)
        rate = f"{pairs_per_second:.1f} pairs/s"
        self.note(f"step {step}/{self._total}  loss {loss:.4f}  {rate}  {_duration(left)} left")

    def measured(self, step: int, auc: float, accuracy: float) -> None:
        """One line."""
        self.note(f"step {step}/{self._total}  held-out pairs: AUC {auc:.3f}, accuracy {accuracy:.3f}")

    def ended(self) -> None:
        """Nothing: the last lines stand."""

    @contextmanager
    def counting(self, what: str) -> Iterator[Count]:
        """A line now and then."""
        self._spoke = self._clock()

        def count(done: int, total: int) -> None:
            if self._due():
                self.note(f"{what}: {done} of {total}")

        yield count

    def _due(self) -> bool:
        now = self._clock()
        if now - self._spoke < self._every:
            return False
        self._spoke = now
        return True


class RichProgress:
    """A live display: bar, loss, pairs a second, time left; held-out AUC and accuracy below, once measured."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._bar: Any = None
        self._task: Any = None

    def note(self, text: str) -> None:
        """One line, above the display."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, total: int, step: int) -> None:
        """Show the display."""
        # Together in one cell of two lines: side by side they would not fit a terminal of 80 columns.
        self._bar = _rich_bar(self._console, "{task.fields[said]}{task.fields[held_out]}")
        self._task = self._bar.add_task("training", total=total, completed=step, said="", held_out="")
        self._bar.start()

    def advanced(self, step: int, loss: float, pairs_per_second: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, said=f"loss {loss:.4f}  {pairs_per_second:.1f} pairs/s")

    def measured(self, step: int, auc: float, accuracy: float) -> None:
        """Show the newest measurement."""
        self._bar.update(self._task, completed=step, held_out=f"\nAUC {auc:.3f}  accuracy {accuracy:.3f}")

    def ended(self) -> None:
        """Leave the display as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @contextmanager
    def counting(self, what: str) -> Iterator[Count]:
        """A bar of its own."""
        with _rich_bar(self._console) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _rich_bar(console: Any, *texts: str) -> Any:
    """A bar with its count, some texts and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count, left = (BarColumn(bar_width=10), MofNCompleteColumn()), TimeRemainingColumn(elapsed_when_finished=True)
    return Progress(TextColumn("{task.description}"), *count, *map(TextColumn, texts), left, console=console)


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
