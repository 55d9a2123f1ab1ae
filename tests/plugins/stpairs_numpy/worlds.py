"""Made-up videos on which the tiny backend has something to learn, and settings that suit it."""

import numpy as np

from stpairs_core.spec import LearningSpec, MiningSpec, NetworkSpec, TrainSpec, VolumeShape
from stpairs_core.videos.arrays import ArraySource

VOLUME = VolumeShape(4, 6, 6)

SPEC = TrainSpec(
    mining=MiningSpec(VOLUME, recolor_probability=0.0),
    network=NetworkSpec(head="compare", dropout=0.1),
    learning=LearningSpec(learning_rate=0.03),
    steps=30,
    seed=3,
    held_out=0.4,
    evaluate_every=20,
    save_every=8,
)
"""A short run, with checkpoints at 8, 16, 24 and 30."""


def colour_world(videos: int = 24, frames: int = 16) -> ArraySource:
    """Videos that green tells apart, while red and blue change every four frames."""
    generator = np.random.default_rng(5)
    return ArraySource([_video(generator, green, frames) for green in generator.permutation(videos) / videos])


def _video(generator: np.random.Generator, green: float, frames: int) -> np.ndarray:
    shades = np.repeat(generator.uniform(0, 255, (-(-frames // 4), 3)), 4, axis=0)[:frames]
    shades[:, 1] = 20 + 215 * green
    noise = generator.uniform(-5, 5, (frames, 12, 12, 3))
    return np.clip(shades[:, None, None, :] + noise, 0, 255).astype(np.uint8)
