"""Checks of calls: what the key decides, and that nothing else does: no earlier call, generator, thread or process."""

import hashlib
import itertools
import os
import pickle
import random  # noqa: TID251  # watched, not drawn from
import signal
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from stpairs_core.testing.augmentations.declares import Augmentation, Volume

PATIENCE = 60
"""Seconds that another process may take."""

# Reads the path and the augmentation, prints what it gives: here, and in a child forked after it was used.
ELSEWHERE = """
import hashlib, os, pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
aug, volume = pickle.load(sys.stdin.buffer)
def say(where):
    results = [aug(volume.copy(), key).tobytes() for key in (3, 2, 1, 0)]
    os.write(1, f"{where} {hashlib.sha256(b''.join(results[::-1])).hexdigest()}\\n".encode())
say("spawned")
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        try:
            say("forked")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""


def same_key_same_bytes(aug: Augmentation, volume: Volume, key: int) -> None:
    """The same volume and key give the same bytes again."""
    same = np.array_equal(aug(volume.copy(), key), aug(volume.copy(), key))
    assert same, f"key {key} gives another result the second time"


def different_keys_differ(aug: Augmentation, volume: Volume) -> None:
    """Among 64 keys two results differ at least: the key decides something.

    A change of probability p that is all or nothing is missed with the chance p**64 + (1 - p)**64.
    """
    results = {np.asarray(aug(volume.copy(), key)).tobytes() for key in range(64)}
    assert len(results) > 1, "64 keys give one and the same result"


def large_keys_work(aug: Augmentation, volume: Volume) -> None:
    """Keys up to 2**63 - 1 work, as those of a long training come near 2**32 and hashed ones go beyond."""
    for key in (2**31, 2**32 + 1, 2**63 - 1):
        aug(volume.copy(), key)


def earlier_calls_do_not_matter(aug: Augmentation, volume: Volume) -> None:
    """Results do not depend on the calls made before: other keys, other volumes, another order."""
    keys = range(6)
    forwards = {key: np.array(aug(volume.copy(), key)) for key in keys}
    for key in reversed(keys):
        aug(255 - volume, key + 17)
        same = np.array_equal(aug(volume.copy(), key), forwards[key])
        assert same, f"key {key} gives another result after calls with other keys and volumes"


def global_generators() -> dict[str, tuple[Callable[[], Any], Callable[[Any], object], Callable[[int], object]]]:
    """State, restore and seed of each global generator there is; torch's only where torch is loaded already."""
    found: dict[str, Any] = {
        "random": (random.getstate, random.setstate, random.seed),
        "numpy.random": (np.random.get_state, np.random.set_state, np.random.seed),  # noqa: TID251
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = (torch.get_rng_state, torch.set_rng_state, torch.manual_seed)
    return found


def same_state(one: Any, other: Any) -> bool:
    """Whether two states of a generator, nested tuples of arrays and numbers, are equal."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(same_state(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


def global_generators_untouched(aug: Augmentation, volume: Volume, key: int) -> None:
    """The global generators of Python, NumPy and torch are where they were: others' draws do not change."""
    generators = global_generators()
    before = {name: state() for name, (state, _, _) in generators.items()}
    aug(volume.copy(), key)
    moved = [name for name, (state, _, _) in generators.items() if not same_state(state(), before[name])]
    for name, (_, restore, _) in generators.items():
        restore(before[name])
    assert not moved, f"the global generator of {' and '.join(moved)} has moved"


def global_generators_unused(aug: Augmentation, volume: Volume, key: int) -> None:
    """The result does not depend on where the global generators of Python, NumPy and torch stand."""
    for name, (state, restore, seed) in global_generators().items():
        before, results = state(), []
        for number in (1, 2, 3):
            seed(number)
            results.append(np.array(aug(volume.copy(), key)))
        restore(before)
        same = all(np.array_equal(result, results[0]) for result in results)
        assert same, f"the result for key {key} changes with the seed of {name}"


def batch_equals_loop(
    aug: Augmentation,
    volume: Volume,
    tolerance: int,
    batch: Callable[[np.ndarray, Sequence[int]], np.ndarray],
) -> None:
    """A batch gives what a loop over its volumes and keys gives."""
    volumes, keys = [volume, 255 - volume, volume[::-1]], [5, 1, 3]
    together = batch(np.stack(volumes), keys)
    assert len(together) == len(keys), f"a batch of {len(keys)} comes out as {np.shape(together)}"
    for row, (one, key) in enumerate(zip(volumes, keys, strict=True)):
        alone = np.asarray(aug(one.copy(), key))
        same = np.shape(together[row]) == alone.shape
        assert same, f"row {row} of a batch has the shape {np.shape(together[row])}, alone {alone.shape}"
        gap = np.abs(np.asarray(together[row]).astype(int) - alone.astype(int)).max()
        assert gap <= tolerance, f"row {row} of a batch is {gap} levels from the same volume alone"


def interrupted(
    aug: Augmentation, volume: Volume, key: int, at: int, pool: Executor, patience: float
) -> tuple[Volume, int]:
    """The result when another thread's whole call comes in between, and how many Python functions were called.

    The other one comes as the function of number `at` is called. It is waited for some seconds only, for the two may
    share a lock.
    """
    calls = itertools.count()

    def come_between(frame: object, event: str, argument: object) -> None:
        if next(calls) == at:
            wait([pool.submit(aug, 255 - volume, key + 1)], patience)

    before = sys.gettrace()
    sys.settrace(come_between)
    try:
        result = np.array(aug(volume.copy(), key))
    finally:
        sys.settrace(before)
    return result, next(calls)


def threads_equal_serial(aug: Augmentation, volume: Volume) -> None:
    """Four threads at once give what one after the other gives, also where another runs as one calls a function.

    Left to themselves threads collide rarely. So one is stopped at up to 400 of the Python functions it calls, one
    after the other, and another runs meanwhile: that finds what lies between setting a seed and drawing from it.
    """
    keys = list(range(16))
    started = time.perf_counter()
    serial = [np.array(aug(volume.copy(), key)) for key in keys]
    patience = 0.01 + 4 * (time.perf_counter() - started) / len(keys)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda key: np.array(aug(volume.copy(), key)), keys))
        wrong = [k for k, one, other in zip(keys, serial, together, strict=True) if not np.array_equal(one, other)]
        assert not wrong, f"in four threads, keys {wrong} give other results than one after the other"
        total = interrupted(aug, volume, keys[0], -1, pool, patience)[1]
        for at in range(0, total, -(-total // 400)):
            for key in keys[:4] if total < 100 else [at % 4]:
                result, _ = interrupted(aug, volume, key, at, pool, patience)
                same = np.array_equal(result, serial[key])
                assert same, f"key {key} gives another result when a thread with key {key + 1} comes in between"


def pickles(aug: Augmentation, volume: Volume, key: int) -> None:
    """It goes through pickle, as to the workers of a data loader, and gives the same bytes after."""
    try:
        copy = pickle.loads(pickle.dumps(aug))
    except Exception as error:
        raise AssertionError(f"it does not pickle: {error}") from error
    same = np.array_equal(copy(volume.copy(), key), aug(volume.copy(), key))
    assert same, "after pickling it gives another result"


def elsewhere(given: bytes) -> tuple[dict[str, str], str]:
    """What processes that are given the path, the augmentation and a volume say, by name; and why one says nothing."""
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE]
    environment = os.environ | {"PYTHONHASHSEED": "12345"}  # no order may hang on the hashes of strings
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)
    try:
        said, wrong = child.communicate(given, PATIENCE)
        why = " ".join(wrong.decode(errors="replace").strip().splitlines()[-1:])
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # a forked child too, which holds the pipes open
        said, why = child.communicate()[0], f"no answer in {PATIENCE} s"
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    return dict(line.split() for line in said.decode().splitlines()), why


def processes_equal_this(aug: Augmentation, volume: Volume) -> None:
    """A spawned process, and one forked after use, give the bytes that this one gives."""
    try:
        given = pickle.dumps(sys.path) + pickle.dumps((aug, volume))
    except Exception as error:
        raise unittest.SkipTest("it does not pickle") from error
    if b"__main__" in given:
        raise unittest.SkipTest("it is defined in __main__, which no other process can import")
    said, why = elsewhere(given)
    here = [np.asarray(aug(volume.copy(), key)).tobytes() for key in range(4)]
    wanted = hashlib.sha256(b"".join(here)).hexdigest()
    for where in ("spawned", "forked") if hasattr(os, "fork") else ("spawned",):
        assert where in said, f"a {where} process gives nothing: {why}"
        assert said[where] == wanted, f"a {where} process gives other bytes than this one"
