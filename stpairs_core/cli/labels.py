"""What labels say of the negative pairs, as commands report it."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from stpairs_core.collisions import FalseNegatives, false_negatives
from stpairs_core.errors import InvalidSpec
from stpairs_core.videos import Videos


def expected_false_negatives(videos: Videos, usable: NDArray[np.int64]) -> FalseNegatives | None:
    """How often a negative pair of those of the videos that hold a volume shares a label.

    None where the labels do not say it: fewer than two of them, or never two in one pair.
    """
    labels = [videos.labels[video] for video in usable]
    if len(set(filter(None, labels))) < 2:
        return None
    groups = None if videos.groups is None else [videos.groups[video] for video in usable]
    try:
        return false_negatives(labels, groups)
    except InvalidSpec:
        return None


def said(found: FalseNegatives | None) -> str:
    """It in one line."""
    if found is None:
        return "expected false negatives: unknown without labels"
    known = "" if found.labelled > 1 - 1e-9 else f" (of those with two labels, which are {found.labelled:.1%})"
    return (
        f"expected false negatives: {found.rate:.1%} of the negative pairs{known} share a label; "
        f"the paper's bound is {found.bound:.1%}"
    )


def as_json(found: FalseNegatives | None) -> Mapping[str, float] | None:
    """It as fields."""
    return None if found is None else asdict(found)
