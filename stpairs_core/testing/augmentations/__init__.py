"""Checks for anyone's video augmentation: `aug(volume, key) -> volume`, uint8 (T, H, W, 3) in and out.

`check_augmentation` runs them all, `parametrize_with_checks` makes a pytest test of each, `CHECKS` lists them.
"""

from stpairs_core.testing.augmentations.adapters import FloatClips, Keyless, OfBatch, PerFrame, Seeded
from stpairs_core.testing.augmentations.catalogue import CHECKS, Check
from stpairs_core.testing.augmentations.check import AugmentationFailed, check_augmentation, parametrize_with_checks
from stpairs_core.testing.augmentations.declares import Augmentation, Declares, same_shape
from stpairs_core.testing.augmentations.examine import Case, Verdict, case_of, examine
from stpairs_core.testing.augmentations.paper import paper_augmentations

__all__ = [
    "CHECKS",
    "Augmentation",
    "AugmentationFailed",
    "Case",
    "Check",
    "Declares",
    "FloatClips",
    "Keyless",
    "OfBatch",
    "PerFrame",
    "Seeded",
    "Verdict",
    "case_of",
    "check_augmentation",
    "examine",
    "paper_augmentations",
    "parametrize_with_checks",
    "same_shape",
]
