"""Where the settings of a run start."""

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, MiningSpec, NetworkSpec, TrainSpec, VolumeShape

PRESETS: dict[str, TrainSpec] = {
    # Reaches the goals of docs/training.md with the paper's positives, changes and hinge, in minutes on two CPU cores.
    "default": TrainSpec(
        mining=MiningSpec(volume=VolumeShape(16, 48, 48), positive_ratio=0.9),
        network=NetworkSpec(width=1 / 8, input="residual", norm="batch", head="compare", dropout=0.0),
        learning=LearningSpec(hinge="dense", learning_rate=1e-3),
        steps=2400,
    ),
    # Section 3: Adam, batches of 10, 30-70; everything else as printed, too. The learning rate is ours.
    "paper": TrainSpec(),
}
"""Each preset by its name."""


def preset(name: str) -> TrainSpec:
    """The settings of that name; an `InvalidSpec` that lists them when there is none."""
    if name not in PRESETS:
        raise InvalidSpec(f"no preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
