"""TestU01 on the words of our plans: one JSON line a battery on stdout.

    python benchmarks/generator/run.py SmallCrush pairs seeds steps pairs-reversed
    python benchmarks/generator/run.py Crush pairs                          # half an hour
    python benchmarks/generator/run.py --rounds 4 SmallCrush pairs          # fails, as it should

Needs a C compiler and TestU01: Debian has it as libtestu01-0-dev, in non-free (its licence forbids selling it); for
one that lies elsewhere, set CPATH, LIBRARY_PATH and LD_LIBRARY_PATH. Before a battery starts, the first words of its
stream are compared with `stpairs_core.rng.words`. A name with -reversed after it is that stream with each word's bits
reversed: the batteries look at the high bits more than at the low ones.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from stpairs_core import rng

SEED, ITEM = 20170, 0
BLOCKS = 3  # of four words, for each pair: what plan.py reads
STRIDE = 10  # pairs a step
ROUNDS = 10  # of Philox
COMPARED = 1000  # pairs
STREAMS = ("pairs", "seeds", "steps")


def build(folder: Path, rounds: int) -> Path:
    """The compiled harness."""
    source, program = Path(__file__).with_name("battery.c"), folder / "battery"
    named = {"SEED": SEED, "ITEM": ITEM, "PURPOSE": rng.PAIR, "BLOCKS": BLOCKS, "STRIDE": STRIDE, "ROUNDS": rounds}
    constants = [f"-D{name}={value}" for name, value in named.items()]
    libraries = ["-ltestu01", "-ltestu01probdist", "-ltestu01mylib", "-lm"]
    subprocess.run(["cc", "-O3", "-march=native", *constants, str(source), "-o", str(program), *libraries], check=True)
    return program


def address(stream: str, n: int) -> tuple[int, int]:
    """Seed and pair of the n-th words of a stream."""
    if stream == "seeds":
        return SEED + n, ITEM
    return SEED, ITEM + n * (STRIDE if stream == "steps" else 1)


def check(program: Path, stream: str) -> None:
    """An error unless the harness makes the words of `rng.words` for the pairs of the stream."""
    name = stream.removesuffix("-reversed")
    ours = [int(word) for n in range(COMPARED) for word in rng.words(*address(name, n), rng.PAIR, 4 * BLOCKS)]
    if stream != name:
        ours = [int(f"{word:032b}"[::-1], 2) for word in ours]
    shown = subprocess.run([program, stream, "dump", str(len(ours))], capture_output=True, text=True, check=True)
    if [int(line) for line in shown.stdout.split()] != ours:
        raise SystemExit(f"the harness does not make the words of stpairs_core.rng for {stream}")


def run(program: Path, stream: str, battery: str) -> dict[str, object]:
    """What the battery found: how many statistics, and those outside [0.001, 0.999]."""
    start = time.monotonic()
    shown = subprocess.run([program, stream, battery], capture_output=True, text=True, check=True)
    found = [line.split(maxsplit=2)[1:] for line in shown.stdout.splitlines() if line.startswith("p-value ")]
    values = [(name, float(p)) for p, name in found]
    return {
        "battery": battery,
        "stream": stream,
        "date": time.strftime("%Y-%m-%d"),
        "statistics": len(values),
        "outside": {name: p for name, p in values if not 0.001 <= p <= 0.999},
        "smallest": min(p for _, p in values),
        "largest": max(p for _, p in values),
        "seconds": round(time.monotonic() - start),
        "values": values,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("battery", choices=("SmallCrush", "Crush"))
    parser.add_argument("streams", nargs="+", choices=[name + bits for name in STREAMS for bits in ("", "-reversed")])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="fewer, to see that a battery can fail")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), chosen.rounds)
        for stream in chosen.streams:
            if chosen.rounds == ROUNDS:
                check(program, stream)
            found = run(program, stream, chosen.battery)
            print(json.dumps({"rounds": chosen.rounds, **found}), flush=True)


if __name__ == "__main__":
    main()
