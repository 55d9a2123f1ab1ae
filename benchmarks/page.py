"""docs/benchmarks.md, made of benchmarks/results/core.json: python -m benchmarks.page RESULTS PAGE."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals import goals
from benchmarks.interleaved import Rounds
from benchmarks.table2 import PRINTED

HEAD = """# Benchmarks of the mining core

Made by `make bench` ([`benchmarks/`](../benchmarks), public names only) out of
[`benchmarks/results/core.json`](../benchmarks/results/core.json); not written by hand. Candidates and peers run in
turn, round by round, in one process, one thread each unless a line says otherwise. Times are medians over the rounds,
in brackets the best round. Ratios are medians of the ratios of each round, in brackets their quartiles: on a shared
machine the ratios are the facts.
"""
QUICK = "**A smoke run at tiny sizes: these figures mean nothing.**\n"
VOLUME = """One volume of {volume} cut out of frames of {picture}, at random places of {mib:,} MiB of decoded frames
(cold), into a buffer that is used again and again. memcpy copies as many bytes, in one piece, from random places; the
hot one always from the same place to the same. *cut*, *F1* and *F2* are `cut` and `materialize` on plans of eight
pairs; `flip` and `recolor` give a fresh array. Each peer cuts, recolours and flips. The error is against the float64
oracle, in levels of 255, with the share of the values that are not the oracle's. Frames are smooth pictures with sensor
noise, or noise alone.
"""
MIX = "Ten pairs a step as the paper draws them: of the second volumes half are recoloured and half flipped.\n"
TABLE2 = """Optical flow between the neighbouring frames of a pair's two volumes ({videos}): one field is measured, and
taken times their number; choosing volumes by it would come on top. Plans are of ten pairs. All frames are in memory,
warm.
"""
START = (
    "Seconds in a fresh interpreter, from before its first import; *process* has Python's own start and end as well.\n"
)


def page(results: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD, QUICK if results["quick"] else "", _machine(results), _goals(results)]
    parts += [_plans(results), _pixels(results), _table2(results["table2"]), _start(results["start"])]
    return "\n".join(part for part in parts if part)


def _machine(results: Mapping[str, Any]) -> str:
    where = results["machine"]
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in where["versions"].items())
    rows = [
        ("processor", f"{where['processor']} ({where['kind']}), {where['cores']} cores; {where['caches']}"),
        ("memory", f"{where['memory_gib']} GiB"),
        ("system", where["system"]),
        ("date, commit", f"{where['date']}, {where['commit']}"),
        ("load before and after", f"{_loads(where['load'])}; {_loads(results['load_after'])}"),
        ("minutes in all", f"{results['minutes']:.1f}"),
        ("versions", versions),
    ]
    return _table(("machine", ""), rows)


def _goals(results: Mapping[str, Any]) -> str:
    verdict = {True: "yes", False: "**no**", None: "?"}
    rows = [(("stretch: " if g.stretch else "") + g.text, g.found, verdict[g.met]) for g in goals(results)]
    return "## Goals\n\n" + _table(("goal", "found", "met"), rows)


def _plans(results: Mapping[str, Any]) -> str:
    plans, sizes = results["plans"], results["scale"]["videos"]
    text = f"## Plans\n\n`PairMiner.plan` for {sizes[1]:,} videos as long as UCF101's; the paper: 18,000 ns a pair.\n"
    for pairs, table in plans["lengths"].items():
        text += f"\n**{int(pairs):,} pairs a step**\n\n" + _rounds(Rounds(**table), 1e9, "ns")
    text += "\n**By the number of videos**\n\n" + _rounds(Rounds(**plans["videos"]), 1e9, "ns")
    rows = [
        (f"{b['videos']:,}", _short(b["held_mib"]), _short(b["resident_mib"]), _short(b["most_mib"]),
         _short(b["seconds"] * 1e3), _short(b["seconds_mixed"] * 1e3))
        for b in plans["built"]
    ]  # fmt: skip
    head = (
        "videos",
        "MiB held (tracemalloc)",
        "MiB held (resident)",
        "MiB while building",
        "ms to build",
        "ms, mixed sizes",
    )
    return text + "\n" + _table(head, rows)


def _pixels(results: Mapping[str, Any]) -> str:
    pixels, scale = results["pixels"], results["scale"]
    text = "## Pixels\n\n" + VOLUME.format(
        volume="x".join(map(str, scale["volume"].values())),
        picture="x".join(map(str, scale["picture"])),
        mib=scale["memory"] >> 20,
    )
    errors = {**pixels["errors"], "F1 and F2": pixels["errors"]["stpairs"]}
    rounds = Rounds(**pixels["volume"])
    rows = [
        (*row, _ratio(rounds, row[0], "F1 and F2"), _levels(errors.get(row[0])))
        for row in _rows(rounds, 1e6)
    ]  # fmt: skip
    text += "\n" + _table(("a volume", "us", "x memcpy", "x F1 and F2", "error"), rows) + _missing(pixels["missing"])
    mix = Rounds(**pixels["mix"])
    rates = [(*row, f"{1 / mix.median(row[0]):,.0f}") for row in _rows(mix, 1e6)]
    text += "\n**The paper's mix**\n\n" + MIX + "\n" + _table(("a pair", "us", "x memcpy", "pairs/s"), rates)
    return text + ("" if len(rates) > 3 else "\nThis version of `materialize` has no threads.\n")


def _table2(table2: Mapping[str, Any]) -> str:
    text = "## Table 2 of the paper\n\n" + TABLE2.format(videos=table2["videos"])
    printed = (
        ("the paper, optical flow", f"{PRINTED['optical flow']:.1e}", ""),
        ("the paper, its plan", f"{PRINTED['plan']:.1e}", ""),
    )
    for size, table in table2["sizes"].items():
        rounds = Rounds(**table)
        rows = [(name, f"{rounds.median(name):.1e}", _ratio(rounds, name, "plan")) for name in rounds.seconds]
        text += "\n" + _table((f"frames of {size}", "seconds a pair", "x plan"), [*rows, *printed])
    return text + _missing(table2["missing"])


def _start(start: Mapping[str, Any]) -> str:
    names = ("import", "plan", "pixels", "process", "cpu")
    rows = [
        (f"process {n}", *(_short(run[name]) for name in names), run["compiled"])
        for n, run in enumerate(start["fresh"], 1)
    ]
    head = ("", "import", "... and first plan", "... and first pixels", "process", "CPU time", "kernels compiled")
    text = "## The first call\n\n" + START + "\n" + _table(head, rows)
    ways = [(way, "equal" if found["equal"] else "**different**") for way, found in start["ways"].items()]
    return text + "\n" + _table(("beside a process that has compiled", "bytes of plans and pixels"), ways)


def _rounds(rounds: Rounds, scale: float, unit: str) -> str:
    first = next(iter(rounds.seconds))
    return _table((f"a {rounds.unit}", unit, f"x {first}"), _rows(rounds, scale))


def _rows(rounds: Rounds, scale: float) -> list[tuple[str, str, str]]:
    first = next(iter(rounds.seconds))
    return [
        (n, f"{_short(rounds.median(n) * scale)} ({_short(rounds.least(n) * scale)})", _ratio(rounds, n, first))
        for n in rounds.seconds
    ]


def _ratio(rounds: Rounds, name: str, to: str) -> str:
    low, high = rounds.spread(name, to)
    return "1" if name == to else f"{_short(rounds.ratio(name, to))} ({_short(low)}-{_short(high)})"


def _levels(error: Mapping[str, float] | None) -> str:
    return "" if error is None else f"{error['levels']}, {100 * error['share']:.2g} %"


def _short(number: float | None) -> str:
    """Three digits."""
    if number is None:
        return "?"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:#.3g}".rstrip(".")


def _loads(loads: Sequence[float]) -> str:
    return " ".join(f"{load:.2f}" for load in loads)


def _missing(names: Sequence[str]) -> str:
    return f"\nNot installed, so not measured: {', '.join(names)}.\n" if names else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(json.loads(Path(sys.argv[1]).read_text())))
