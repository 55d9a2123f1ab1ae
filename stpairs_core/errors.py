"""What can go wrong, as a few named kinds.

Every message is one clear sentence or two: what was asked, what exists, what to do next.
"""


class StpairsError(Exception):
    """Any failure that stpairs foresees; the command prints its text and exits with 1."""


class InvalidSpec(StpairsError):
    """A setting, or two settings together, that cannot be obeyed."""


class NoPairs(StpairsError):
    """The videos cannot yield the pairs asked for: too short, too small or too few."""


class BadVideos(StpairsError):
    """A path holds no usable video: it is missing, empty, unreadable or damaged."""


class BadFile(StpairsError):
    """A file of ours (checkpoint, features, manifest, encoder) is missing, broken or of another kind."""


class NoRoom(StpairsError):
    """The disk cannot take what is about to be written."""


class MissingPart(StpairsError):
    """A backend, runtime, device or optional package that was asked for is not here."""


class TrainingStopped(StpairsError):
    """Training could not go on; what was saved before is intact."""
