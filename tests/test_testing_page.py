"""docs/testing.md names the checks that there are."""

import re
from pathlib import Path

from stpairs_core.testing.augmentations import CHECKS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "testing.md"


def test_the_table_of_checks_is_that_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = [
        f"| `{check.name}` | {f'`{check.needs}`' if check.needs else 'always'} | {check.asks} |" for check in CHECKS
    ]
    assert re.findall(r"^\| `\w+` \|.*$", text, re.MULTILINE) == table, "\n".join(table)
    assert f"{len(CHECKS)} named checks" in text
