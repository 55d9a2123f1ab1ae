"""For tests, yours included: naive oracles, Hypothesis strategies, the check of a learner.

`naive` and `naive_plan` say in plain loops what the kernels must compute, and import nothing from the package.
`strategies` needs hypothesis. `check_learner` tries a backend's learner against all that `protocols.Learner` promises.
"""

from stpairs_core.testing.learners import check_learner, example_batch

__all__ = ["check_learner", "example_batch"]
