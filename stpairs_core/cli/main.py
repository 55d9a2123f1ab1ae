"""Which command was asked for, and what its end means to the shell."""

import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stpairs_core.errors import MissingPart, StpairsError

INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM; what was done until then is saved."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of `stpairs ARGV`: 0 done, 1 an error said in one sentence, 2 wrong usage, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminated_as_interrupted():
            return _run(argv)
    except SystemExit as end:  # tyro's own: help is 0, wrong usage is 2
        return int(end.code or 0)
    except KeyboardInterrupt:
        print("stpairs: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stderr.close()
        return 1
    except StpairsError as error:
        return _fail(str(error), argv)
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}", argv)
    except Exception as error:  # a person should still get one sentence, and a way to see the rest
        return _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", argv)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, so that children and half-written files go with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(argv: list[str]) -> int:
    try:
        from stpairs_core.cli.commands import parse
    except ModuleNotFoundError as error:
        hint = 'pip install "stpairs[cli]"'
        raise MissingPart(f"the command needs the package {error.name!r}, which is not installed: {hint}") from error
    command = parse(argv)
    result = command.run()
    command.output.finish(result)
    return INTERRUPTED if result.get("interrupted") else 0 if result.get("ok", True) else 1


def _fail(message: str, argv: Sequence[str]) -> int:
    if "--debug" in argv:
        traceback.print_exc()
    print(f"stpairs: {message}", file=sys.stderr)
    return 1
