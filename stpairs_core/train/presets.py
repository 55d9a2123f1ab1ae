"""Where the settings of a run start."""

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, NetworkSpec, TrainSpec

PRESETS: dict[str, TrainSpec] = {
    "default": TrainSpec(
        network=NetworkSpec(input="residual", norm="batch", head="compare"),
        learning=LearningSpec(learning_rate=5e-4, hinge="pairs"),
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
