"""`stpairs check-augmentation`: every check of the testing kit on one augmentation, wherever it comes from."""

import difflib
import importlib
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from stpairs_core.cli.output import Output
from stpairs_core.errors import InvalidSpec, MissingPart

MARKS = {"passed": "pass ", "failed": "FAIL ", "skipped": "skip ", "expected": "known", "stale": "STALE"}


@dataclass(frozen=True)
class CheckAugmentation:
    """Check a video augmentation, and print a script that fails by itself for the first check that fails.

    The object is a callable aug(volume, key) -> volume, on uint8 (T, H, W, 3) and whole numbers; or a tuple that begins
    with one: (aug, Declares(...)) or (aug, Declares(...), {check: reason}). An attribute `declares` of the callable
    counts as well. Only what is declared is checked, and what anyone expects; docs/testing.md has the checks. Modules
    are looked for in the current folder too. The exit code is 1 where a check fails.
    """

    augmentation: tyro.conf.Positional[str]
    """Where it is: module:object."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Run the checks."""
        from stpairs_core.testing.augmentations import case_of, examine

        verdicts = []
        for found in examine(case_of(_load(self.augmentation), self.augmentation)):
            verdicts.append(found)
            self.output.say(f"{MARKS[found.outcome]} {found.check}" + (f": {found.detail}" if found.detail else ""))
        counts = Counter(found.outcome for found in verdicts)
        self.output.say(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
        first = next((found.reproducer for found in verdicts if found.outcome == "failed"), "")
        if first:
            self.output.say(f"\nA script that fails by itself:\n\n{first}")
        return {
            "ok": all(found.ok for found in verdicts),
            "augmentation": self.augmentation,
            "checks": [{"name": v.check, "outcome": v.outcome, "detail": v.detail} for v in verdicts],
            "reproducer": first,
        }


def _load(name: str) -> object:
    """The object of that name; a `MissingPart` says which half of it does not exist."""
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise InvalidSpec(f"an augmentation is named as module:object, such as mine.augment:jitter, not {name!r}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        thing: object = importlib.import_module(module_name)
    except Exception as error:  # whatever a stranger's module does while it loads
        raise MissingPart(f"{module_name} cannot be imported, from {folder} or as installed: {error!r}") from error
    for part in path.split("."):
        if not hasattr(thing, part):
            names = [one for one in vars(thing) if not one.startswith("_")] if hasattr(thing, "__dict__") else []
            near = ", ".join(difflib.get_close_matches(part, names, 3, 0.4) or sorted(names)[:5]) or "nothing"
            raise MissingPart(f"{module_name} has no {path!r}; it has {near}")
        thing = getattr(thing, part)
    return thing
