"""Where a command speaks: results on stdout, everything said on the way on stderr."""

import json as json_format
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from stpairs_core.train.progress import Progress, progress_for


@dataclass(frozen=True)
class Output:
    """How the command reports."""

    json: bool = False
    """Print one JSON object at the end on stdout, and nothing else there."""
    debug: bool = False
    """Show the traceback of an error."""

    def say(self, text: str) -> None:
        """A result for a person."""
        if not self.json:
            print(text, flush=True)

    def note(self, text: str) -> None:
        """A remark on the way."""
        print(text, file=sys.stderr, flush=True)

    def progress(self) -> Progress:
        """A live display on a terminal, plain lines elsewhere."""
        return progress_for(sys.stderr)

    def finish(self, result: Mapping[str, object]) -> None:
        """The one JSON object, where it was asked for."""
        if self.json:
            print(json_format.dumps(result), flush=True)
