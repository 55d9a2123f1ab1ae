"""One run of an outside program that cannot hang, flood us or outlive us."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from io import BufferedReader
from types import TracebackType
from typing import IO, Self, cast, final

POLL = 0.05
"""Seconds between two looks of the watchdog."""

MESSAGES_CAP = 16_384
"""Bytes of error output that are kept; the rest is read and dropped."""


@final
class Child:
    """A child process in a group of its own, watched by a deadline, killed and reaped on the way out.

    `deadline` bounds the whole run and `patience` one stretch of `waiting(True)`, in seconds. Setting `stop` from any
    thread kills the child. Its error output is drained all along, so that it can never block on us.
    """

    def __init__(
        self, argv: list[bytes], deadline: float, patience: float, stop: threading.Event | None = None
    ) -> None:
        self._deadline, self._patience, self._stop = deadline, patience, stop
        self._waiting_since: float | None = None
        self._over = threading.Event()
        self._messages = bytearray()
        self._cut_short: str | None = None
        # process_group, not preexec_fn: Python code between fork and exec can deadlock under threads.
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0)
        self._started = time.monotonic()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._drain, self._watch)]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stdin(self) -> IO[bytes]:
        """Where the child reads from."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> BufferedReader:
        """What the child writes."""
        return cast(BufferedReader, self._process.stdout)

    def waiting(self, yes: bool) -> None:
        """Say that we wait for the child now, or no longer: only such time counts against `patience`."""
        self._waiting_since = time.monotonic() if yes else None

    def finish(self) -> str | None:
        """Wait for the end of the child; returns what went wrong, or None for a silent, successful run."""
        self.waiting(True)
        code = self._process.wait()
        self._threads[0].join()
        if self._cut_short:
            return self._cut_short
        if code < 0:
            return f"ffmpeg was killed by signal {-code}"
        if self._messages or code:
            return _first_line(bytes(self._messages)) or f"ffmpeg ended with exit code {code} and no message"
        return None

    @property
    def killed(self) -> bool:
        """Whether the child ended by a signal, or was to: its end says nothing about its input."""
        # A child that has just ended by itself when it is cut short has an exit code all the same.
        return bool(self._cut_short) or (self._process.returncode is not None and self._process.returncode < 0)

    def close(self) -> None:
        """Kill what still runs, reap it, and let go of every pipe and thread."""
        self._kill()
        self._over.set()
        self._process.wait()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):  # bytes never taken by a child that is gone
                cast(IO[bytes], pipe).close()

    def _kill(self) -> None:
        if self._process.returncode is None:  # not reaped, so that its number cannot be another's yet
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _drain(self) -> None:
        stream = cast(IO[bytes], self._process.stderr)
        while chunk := os.read(stream.fileno(), 65_536):
            self._messages += chunk[: MESSAGES_CAP - len(self._messages)]

    def _watch(self) -> None:
        while not self._over.wait(POLL):
            if reason := self._overdue():
                self._cut_short = reason
                self._kill()
                return

    def _overdue(self) -> str | None:
        now, since = time.monotonic(), self._waiting_since
        if self._stop is not None and self._stop.is_set():
            return "interrupted"
        if now - self._started > self._deadline:
            return f"ffmpeg was not done after {self._deadline:g} s"
        if since is not None and now - since > self._patience:
            return f"nothing came from ffmpeg for {self._patience:g} s"
        return None


def _first_line(messages: bytes) -> str:
    """The first line of error output, fit to print: no addresses in memory, no control characters."""
    text = re.sub(r" @ 0x[0-9a-f]+", "", messages.decode("utf-8", "replace"))
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return "".join(c if c.isprintable() else "?" for c in line)[:300]
