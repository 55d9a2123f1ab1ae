"""For tests, yours included: naive oracles, Hypothesis strategies, suites for plug-ins, checks of augmentations.

`naive` and `naive_plan` say in plain loops what the kernels must compute, and import nothing from the package.
`strategies` needs hypothesis. `check_augmentation` tries anyone's video augmentation against what its author declares.
`SourceTests`, `BackendTests` and `EncoderTests` are subclassed in tests for pytest and try a plug-in against all that
`protocols` promises; `check_learner` does so for a learner without pytest.
"""

import sys

# Before the modules that assert are loaded; without pytest nobody reads what it would show.
if "pytest" in sys.modules:
    asserting = ("augmentations", "backends", "encoders", "learners", "sharing", "sources")
    sys.modules["pytest"].register_assert_rewrite(*(f"stpairs_core.testing.{room}" for room in asserting))

from stpairs_core.testing.augmentations import Declares, check_augmentation, parametrize_with_checks
from stpairs_core.testing.encoders import example_volumes
from stpairs_core.testing.learners import check_learner, example_batch
from stpairs_core.testing.suites import BackendTests, EncoderTests, SourceTests

__all__ = [
    "BackendTests",
    "Declares",
    "EncoderTests",
    "SourceTests",
    "check_augmentation",
    "check_learner",
    "example_batch",
    "example_volumes",
    "parametrize_with_checks",
]
