"""For tests, yours included: naive oracles, Hypothesis strategies, the checks of learners and augmentations.

`naive` and `naive_plan` say in plain loops what the kernels must compute, and import nothing from the package.
`strategies` needs hypothesis. `check_learner` tries a backend's learner against all that `protocols.Learner` promises,
`check_augmentation` anyone's video augmentation against what its author declares.
"""

import sys

# Before the modules that assert are loaded; without pytest nobody reads what it would show.
if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite("stpairs_core.testing.augmentations", "stpairs_core.testing.learners")

from stpairs_core.testing.augmentations import Declares, check_augmentation, parametrize_with_checks
from stpairs_core.testing.learners import check_learner, example_batch

__all__ = ["Declares", "check_augmentation", "check_learner", "example_batch", "parametrize_with_checks"]
