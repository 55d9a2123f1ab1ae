"""What a person sees, and stopping on signals."""

import io
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from stpairs_core.train import PlainProgress, Progress, RichProgress, progress_for, stop_on_signals
from stpairs_core.train.progress import Silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(stream: Terminal) -> str:
    """What was shown, each picture of it on lines of its own, without the codes that move the cursor and colour."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue().replace("\r", "\n"))


def seconds() -> Iterator[float]:
    """A clock that goes on by four seconds each time it is looked at."""
    return iter(range(0, 10**6, 4))


def tell(progress: Progress) -> None:
    progress.note("a remark [1/2]")
    with progress.counting("decoding") as count:
        for done in range(1, 10):
            count(done, 9)
    progress.started(100, 40)
    for step in range(41, 60):
        progress.advanced(step, 0.75, 12.5)
    progress.measured(60, 0.875, 0.5)
    progress.ended()


def test_plain_progress_writes_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), seconds()
    tell(PlainProgress(stream, every=10.0, clock=lambda: next(clock)))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "a remark [1/2]"
    assert lines[1:4] == ["decoding: 3 of 9", "decoding: 6 of 9", "decoding: 9 of 9"]
    assert lines[4] == "training from step 40 to 100"
    assert lines[5].startswith("step 42/100  loss 0.7500  12.5 pairs/s  ")
    assert lines[-1] == "step 60/100  held-out pairs: AUC 0.875, accuracy 0.500"
    assert 3 < len([line for line in lines if "pairs/s" in line]) < 10


def test_plain_progress_knows_the_time_left() -> None:
    stream, now = io.StringIO(), [0.0]
    progress = PlainProgress(stream, every=10.0, clock=lambda: now[0])
    progress.started(1000, 100)
    now[0] = 50.0  # kernels are compiled
    progress.advanced(101, 1.0, 1.0)
    now[0] = 250.0
    progress.advanced(201, 1.0, 1.0)  # two seconds a step, 799 to go
    assert stream.getvalue().splitlines()[-1].endswith("26:38 left")
    now[0] = 1050.0
    progress.advanced(202, 1.0, 1.0)
    assert stream.getvalue().splitlines()[-1].endswith("2:11:41 left")


def test_rich_progress_shows_all_numbers_remarks_and_the_time_left() -> None:
    stream = Terminal()
    tell(RichProgress(stream))
    text = plain(stream)
    for words in ("a remark [1/2]", "decoding", "9/9"):
        assert words in text
    assert "…" not in text  # all has room
    *_, first, second = text.strip().splitlines()
    assert re.fullmatch(r"training \S+ +60/100 +loss 0\.7500  12\.5 pairs/s +\d:\d\d:\d\d *", first)
    assert second.strip() == "AUC 0.875  accuracy 0.500"


def test_rich_progress_of_a_long_run_has_room_on_80_columns() -> None:
    stream = Terminal()
    progress = RichProgress(stream)
    progress.started(1_000_000, 0)
    progress.advanced(999_999, 10.75, 12345.6)
    progress.measured(999_999, 0.875, 0.5)
    progress.ended()
    for words in ("999999/1000000", "loss 10.7500", "12345.6 pairs/s", "AUC 0.875", "accuracy 0.500"):
        assert words in stream.getvalue()
    assert "…" not in stream.getvalue()


def test_rich_progress_is_one_line_until_something_is_measured() -> None:
    stream = Terminal()
    progress = RichProgress(stream)
    progress.started(10, 0)
    progress.advanced(1, 0.75, 12.5)
    progress.ended()
    assert not any(line.isspace() for line in plain(stream).split("\n"))
    assert "loss 0.7500  12.5 pairs/s" in plain(stream)


def test_rich_progress_ends_twice_without_harm() -> None:
    progress = RichProgress(Terminal())
    progress.ended()
    progress.started(3, 0)
    progress.ended()
    progress.ended()


def test_silent_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Silent())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_terminal_gets_the_live_display_and_a_file_gets_lines() -> None:
    assert isinstance(progress_for(Terminal()), RichProgress)
    assert isinstance(progress_for(io.StringIO()), PlainProgress)


def test_a_terminal_without_rich_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    assert isinstance(progress_for(Terminal()), PlainProgress)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_one_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_other_threads_cannot_be_signalled_and_never_stop() -> None:
    answers: list[bool] = []

    def ask() -> None:
        with stop_on_signals() as stop:
            answers.append(stop())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False]
