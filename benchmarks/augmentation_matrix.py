"""Write docs/augmentation-matrix.md: the checks of the testing kit on video augmentations of others, as called here.

    python -m benchmarks.augmentation_matrix docs/augmentation-matrix.md

in an environment with stpairs and those of kornia, albumentations, torchvision, vidaug, imgaug that are to be seen.
"""

import platform
import string
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import augmentations_of_others as others
from stpairs_core.testing.augmentations import CHECKS, Case, Verdict, examine

BY_ADAPTER = {
    "input_untouched",
    "result_is_no_view",
    "read_only_works",
    "layouts_do_not_matter",
    "refuses_float",
    "refuses_wrong_channels",
    "contiguous_as_declared",
}
"""What our own adapter answers for a library that takes tensors."""
MARKS = {"passed": "ok", "failed": "**no**", "skipped": "·"}
HEAD = """# Video augmentations of others, checked

Each column is one augmentation, each row a check of the testing kit ([testing.md](testing.md)). It shows what holds *as
called here*: each library is called as its documentation shows it for video, and beside it in the ways that are easily
written instead. A **no** is no verdict on a library: several promise none of this, and a generator that is global by
design cannot pass the checks on global generators and threads. What is claimed of each is in
`benchmarks/augmentations_of_others.py`.

`ok` holds · **no** does not · `a` holds because our adapter (uint8 to float clips and back) does it, not the library ·
`·` not claimed, so not checked

`result_is_no_view` fails where a flip is a view, or where it is not applied and the volume itself is handed back;
whoever writes into the result then writes into the video.

`processes_equal_this` forks a process in which the augmentation has run already. Where torch has used several threads
before the fork, the child waits for threads that it does not have: with OMP_NUM_THREADS=1 column J passes.

Reading the colour columns: one draw for the whole volume is what `same_on_frame=True`, the target `images`,
`ReplayCompose` and `tv_tensors.Video` are for.
"""


def main(path: Path) -> None:
    """Run all checks on all columns and write the page."""
    warnings.simplefilter("ignore")  # libraries warn of each other's versions
    commit = _commit()  # of the code that runs, whatever is committed meanwhile
    letters = dict(zip(string.ascii_uppercase, others.COLUMNS, strict=False))
    found: dict[str, dict[str, Verdict]] = {}
    for letter, column in letters.items():
        started = time.perf_counter()
        found[letter] = {one.check: one for one in examine(Case(column.aug, column.declares))}
        failed = sum(not one.ok for one in found[letter].values())
        print(f"{letter} {column.title}: {failed} fail, {time.perf_counter() - started:.1f} s", flush=True)
    parts = [HEAD, _columns(letters), _table(letters, found), _failures(letters, found), _provenance(commit)]
    path.write_text("\n".join(parts), encoding="utf-8")


def _columns(letters: dict[str, others.Column]) -> str:
    rows = [f"| {letter} | {column.title} | {column.how} |" for letter, column in letters.items()]
    return "\n".join(["## Columns", "", "| | what | called |", "|---|---|---|", *rows, ""])


def _table(letters: dict[str, others.Column], found: dict[str, dict[str, Verdict]]) -> str:
    rows = [f"| check | {' | '.join(letters)} |", "|---|" + "---|" * len(letters)]
    for check in CHECKS:
        cells = [_cell(column, found[letter][check.name]) for letter, column in letters.items()]
        rows.append(f"| `{check.name}` | {' | '.join(cells)} |")
    counts = [str(sum(not one.ok for one in found[letter].values())) for letter in letters]
    return "\n".join(["## Matrix", "", *rows, f"| **fail** | {' | '.join(counts)} |", ""])


def _cell(column: others.Column, verdict: Verdict) -> str:
    if verdict.outcome == "passed" and column.adapted and verdict.check in BY_ADAPTER:
        return "a"
    return MARKS[verdict.outcome]


def _failures(letters: dict[str, others.Column], found: dict[str, dict[str, Verdict]]) -> str:
    lines = ["## What fails, and how", ""]
    for letter, column in letters.items():
        failed = [one for one in found[letter].values() if not one.ok]
        if failed:
            lines += [f"**{letter}, {column.title}**", ""]
            lines += [f"- `{one.check}`: {one.detail[:200]}" for one in failed]
            lines.append("")
    return "\n".join(lines)


def _commit() -> str:
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=here, check=True
    )
    return found.stdout.strip()


def _provenance(commit: str) -> str:
    versions = {"Python": platform.python_version(), "numpy": np.__version__} | others.VERSIONS
    lines = [
        "## Where this is from",
        "",
        f"Made on {datetime.now(UTC):%Y-%m-%d} at commit {commit} by `benchmarks/augmentation_matrix.py`, on "
        f"{platform.system()} {platform.machine()}, with {', '.join(f'{k} {v}' for k, v in versions.items())}. To run "
        "it again, install stpairs and the libraries beside it and run "
        "`python -m benchmarks.augmentation_matrix docs/augmentation-matrix.md`.",
        "",
    ]
    if others.STUBBED:
        lines += [f"torchvision: {others.STUBBED}. The transforms here are Python code on torch and use neither.", ""]
    lines += [f"{package} is not here: {reason}" for package, reason in others.ABSENT.items()]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
