"""All benchmarks of the mining core: `make bench`.

    python -m benchmarks.core [--quick] [--results core.json] [--page benchmarks.md]

Measures every section, writes the numbers as JSON and makes one page of them. Peers that are not installed are named.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import pixels, plans, start, table2
from benchmarks.goals import goals
from benchmarks.machine import machine
from benchmarks.page import page
from benchmarks.scale import FULL, QUICK, Scale

ROOT = Path(__file__).resolve().parents[1]
SECTIONS: dict[str, Callable[[Scale], dict[str, Any]]] = {
    "start": start.measure,
    "plans": plans.measure,
    "pixels": pixels.measure,
    "table2": table2.measure,
}


def measure(scale: Scale) -> dict[str, Any]:
    """The results of every section, and where and when they were found."""
    began = time.perf_counter()
    results: dict[str, Any] = {"quick": scale is QUICK, "scale": asdict(scale), "machine": machine()}
    for name, section in SECTIONS.items():
        print(f"{name} ...", flush=True)
        results[name] = section(scale)
    results["minutes"] = (time.perf_counter() - began) / 60
    results["load_after"] = list(os.getloadavg())
    return results


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: do the scripts still work?")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "core.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    asked = parser.parse_args()
    results = json.loads(json.dumps(measure(QUICK if asked.quick else FULL)))
    asked.results.write_text(json.dumps(results, indent=1) + "\n")
    asked.page.write_text(page(results))
    for goal in goals(results):
        verdict = {True: "yes", False: "NO", None: "?"}[goal.met]
        print(f"{verdict:4}{'(stretch) ' if goal.stretch else ''}{goal.text}: {goal.found}")


if __name__ == "__main__":
    main()
