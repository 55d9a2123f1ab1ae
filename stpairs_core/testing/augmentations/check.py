"""The two ways to ask for all checks: one assertion, or one pytest test for each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stpairs_core.testing.augmentations.catalogue import CHECKS, Check
from stpairs_core.testing.augmentations.declares import Augmentation, Declares
from stpairs_core.testing.augmentations.examine import Case, Verdict, case_of, examine, verdict
from stpairs_core.testing.augmentations.reproducer import locate
from stpairs_core.testing.augmentations.samples import samples

if TYPE_CHECKING:
    import pytest


class AugmentationFailed(AssertionError):
    """One or more checks fail; `verdicts` has each of them."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self.verdicts = tuple(verdicts)
        lines = [f"{found.check}: {found.detail}" for found in self.verdicts]
        script = next((found.reproducer for found in self.verdicts if found.reproducer), "")
        first = f"\n\nA script that fails by itself:\n\n{script}" if script else ""
        super().__init__(f"{len(lines)} checks fail\n  " + "\n  ".join(lines) + first)


def check_augmentation(
    aug: Augmentation | tuple[Any, ...],
    declares: Declares | None = None,
    expected_failed: Mapping[str, str] | None = None,
    checks: Iterable[Check] = CHECKS,
) -> None:
    """Nothing, or one `AugmentationFailed` that names every check that fails, with a script for the first.

    `aug(volume, key) -> volume`, on uint8 (T, H, W, 3) and whole numbers; adapters make it of other callables. Claims
    come from `declares`, or else from the attribute `declares` of the augmentation. `expected_failed` gives the reason
    for each check that is known to fail: one of them that passes fails here, for its reason is no longer true.
    """
    case = case_of(aug)
    if declares is not None:
        case = replace(case, declares=declares, given=case.aug)
    if expected_failed is not None:
        case = replace(case, expected_failed=expected_failed)
    wrong = [found for found in examine(case, tuple(checks)) if not found.ok]
    if wrong:
        raise AugmentationFailed(wrong)


def parametrize_with_checks(
    augmentations: Iterable[Augmentation | tuple[Any, ...]], checks: Iterable[Check] = CHECKS
) -> "pytest.MarkDecorator":
    """A pytest mark that makes one test of each augmentation and each check that it has claims for.

    Decorate a test that takes `check` and calls it. An augmentation is given alone or as a tuple, (augmentation,
    Declares) or (augmentation, Declares, {check: reason}); the checks named there are strict expected failures.
    """
    import pytest

    parameters = []
    for number, given in enumerate(augmentations):
        case = case_of(given)
        name = (locate(given) or locate(case.aug) or f"augmentation {number}").partition(":")[2] or f"{number}"
        for check in checks:
            if check.needs and not case.declares.claims(check.needs):
                continue
            reason = case.expected_failed.get(check.name)
            marks = [pytest.mark.xfail(strict=True, raises=AugmentationFailed, reason=reason)] if reason else []
            parameters.append(pytest.param(_bound(check, case), id=f"{name}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _bound(check: Check, case: Case) -> Callable[[], None]:
    def run() -> None:
        import pytest

        found = verdict(check, case, samples(case.declares.smallest))
        if found.outcome == "skipped":
            pytest.skip(found.detail)
        if found.outcome == "failed":
            raise AugmentationFailed([found])

    return run
