"""Every check on one augmentation: what passed, what failed, and the smallest input that shows it."""

import inspect
import unittest
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from stpairs_core.errors import InvalidSpec
from stpairs_core.testing.augmentations.catalogue import CHECKS, Check
from stpairs_core.testing.augmentations.declares import Augmentation, Declares, Volume
from stpairs_core.testing.augmentations.reproducer import locate, reproducer
from stpairs_core.testing.augmentations.samples import KEYS, samples

TRIES = 200
"""Calls of a check that are spent on making a failing input smaller."""
Outcome = Literal["passed", "failed", "skipped", "expected", "stale"]


@dataclass(frozen=True, slots=True)
class Case:
    """An augmentation, what is claimed of it and which checks are known to fail."""

    aug: Augmentation
    declares: Declares = field(default_factory=Declares)
    expected_failed: Mapping[str, str] = field(default_factory=dict)
    """A reason for each check that is known to fail."""
    given: object = None
    """What the caller handed over, for the reproducer to import."""
    source: str | None = None
    """Where that is, "module:object", if the caller knows."""

    def __post_init__(self) -> None:
        unknown = self.expected_failed.keys() - {check.name for check in CHECKS}
        if unknown:
            known = ", ".join(check.name for check in CHECKS)
            raise InvalidSpec(f"expected_failed names no check: {', '.join(sorted(unknown))}; there are {known}")
        missing = set(self.declares.uniform) - self.declares.ranges.keys()
        if missing or (self.declares.ranges and self.declares.parameters is None):
            raise InvalidSpec("a law or a range needs a range and `parameters` that say what was drawn for a key")
        if self.declares.replay is not None and self.declares.parameters is None:
            raise InvalidSpec("`replay` needs `parameters` that say what was drawn for a key")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found."""

    check: str
    outcome: Outcome
    detail: str = ""
    """One sentence: what is wrong, or why it was not run."""
    reproducer: str = ""
    """A script that fails by itself."""

    @property
    def ok(self) -> bool:
        """No reason to fail a build."""
        return self.outcome not in ("failed", "stale")


def case_of(given: object, source: str | None = None) -> Case:
    """The case in an augmentation (with or without an attribute `declares`) or in a tuple that begins with one.

    The tuple is (augmentation, Declares) or (augmentation, Declares, {check: reason}).
    """
    parts = given if isinstance(given, tuple) else (given,)
    if not (1 <= len(parts) <= 3 and callable(parts[0])):
        raise InvalidSpec(f"an augmentation is a callable, or a tuple (callable, Declares, reasons), not {given!r:.80}")
    declares = parts[1] if len(parts) > 1 else getattr(given, "declares", Declares())
    if not isinstance(declares, Declares):
        raise InvalidSpec(f"what an augmentation declares must be a Declares, not {declares!r:.80}")
    return Case(cast(Augmentation, parts[0]), declares, parts[2] if len(parts) > 2 else {}, given, source)


def examine(case: Case, checks: Sequence[Check] = CHECKS) -> Iterator[Verdict]:
    """A verdict for each check, one after the other as they are found."""
    if not __debug__:
        raise InvalidSpec("python -O leaves assertions out, so that no check could fail: run without it")
    volumes = samples(case.declares.smallest)
    for check in checks:
        yield _with_reason(case, verdict(check, case, volumes))


def verdict(check: Check, case: Case, volumes: Mapping[str, Volume]) -> Verdict:
    """What one check finds, whatever is expected of it."""
    if check.needs and not case.declares.claims(check.needs):
        return Verdict(check.name, "skipped", f"not declared: {check.needs}")
    names = set(inspect.signature(check.run).parameters)
    claims = {name: getattr(case.declares, name) for name in sorted(names - {"aug", "volume", "key"})}
    fixed = ({"aug": case.aug} if "aug" in names else {}) | claims
    for inputs in _inputs(check, names, volumes):
        try:
            failure = _failure(check, fixed | inputs)
        except unittest.SkipTest as reason:
            return Verdict(check.name, "skipped", str(reason))
        if failure is not None:
            return _failed(check, case, fixed, inputs, failure)
    return Verdict(check.name, "passed")


def _with_reason(case: Case, found: Verdict) -> Verdict:
    reason = case.expected_failed.get(found.check)
    if reason is None:
        return found
    if found.outcome == "failed":
        return Verdict(found.check, "expected", f"{reason} ({found.detail})", found.reproducer)
    return Verdict(found.check, "stale", f"it {found.outcome}, but was expected to fail: {reason}")


def _inputs(check: Check, names: set[str], volumes: Mapping[str, Volume]) -> Iterator[dict[str, Any]]:
    chosen = [volumes[name] for name in check.on] if "volume" in names else [None]
    for volume in chosen:
        for key in KEYS if "key" in names else [None]:
            yield ({} if volume is None else {"volume": volume}) | ({} if key is None else {"key": key})


def _failure(check: Check, arguments: Mapping[str, Any]) -> Exception | None:
    try:
        check.run(**arguments)
    except unittest.SkipTest:
        raise
    except Exception as error:
        return error
    return None


def _failed(check: Check, case: Case, fixed: dict[str, Any], inputs: dict[str, Any], failure: Exception) -> Verdict:
    if check.shrinks and {"volume", "key"} <= inputs.keys():
        inputs, failure = _smaller(check, case, fixed, inputs, failure)
    text = str(failure).splitlines()[0] if str(failure) else "no message"
    detail = text if isinstance(failure, AssertionError) else f"raised {type(failure).__name__}: {text}"
    arguments = {name: (fixed | inputs)[name] for name in inspect.signature(check.run).parameters}
    # A tuple written in a list has no name of its own, but its augmentation may have one.
    named = case.given is not None and (case.source or locate(case.given))
    given = case.given if named else case.aug
    return Verdict(check.name, "failed", detail, reproducer(check.run, given, case.source, arguments))


def _smaller(
    check: Check, case: Case, fixed: dict[str, Any], inputs: dict[str, Any], failure: Exception
) -> tuple[dict[str, Any], Exception]:
    """The input made smaller, step by step, as long as it fails with an error of the same kind."""
    tries = 0
    shrinking = True
    while shrinking and tries < TRIES:
        shrinking = False
        for candidate in _candidates(inputs["volume"], inputs["key"], case.declares.smallest):
            tries += 1
            found = _failure(check, fixed | candidate)
            if type(found) is type(failure) and found is not None:
                inputs, failure, shrinking = candidate, found, True
                break
    return inputs, failure


def _candidates(volume: Volume, key: int, smallest: tuple[int, int, int]) -> Iterator[dict[str, Any]]:
    for axis in (0, 1, 2):
        length = volume.shape[axis]
        for kept in dict.fromkeys((max(length // 2, smallest[axis]), length - 1)):
            if smallest[axis] <= kept < length:
                yield {"volume": volume.take(range(kept), axis=axis), "key": key}
    for smaller in range(key):
        yield {"volume": volume, "key": smaller}
    for value in (0, 255):
        if (volume != value).any() and len(set(volume.flat)) > 1:
            yield {"volume": volume * 0 + value, "key": key}
