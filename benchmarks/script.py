"""What each script does when it is run by itself: measure, and print the tables."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.interleaved import Rounds, as_text
from benchmarks.machine import machine
from benchmarks.scale import FULL, QUICK, Scale


def show(about: str | None, measure: Callable[[Scale], dict[str, Any]]) -> None:
    """Measure one section and print it."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it work?")
    scale = QUICK if parser.parse_args().quick else FULL
    print(json.dumps(machine()))
    _print("", measure(scale))


def _print(name: str, result: Any) -> None:
    if isinstance(result, Mapping) and result.keys() == {"unit", "seconds"}:
        print(f"\n{name}\n{as_text(Rounds(**result))}", flush=True)
    elif isinstance(result, Mapping):
        for key, value in result.items():
            _print(f"{name} {key}".strip(), value)
    else:
        print(f"{name}: {json.dumps(result)}")
