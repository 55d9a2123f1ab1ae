"""The training loop, and the folder that a run leaves."""

from stpairs_core.train.folder import RunConfig, load_config, open_run
from stpairs_core.train.loop import TrainResult, train
from stpairs_core.train.metrics import accuracy, auc, read_metrics
from stpairs_core.train.presets import PRESETS, preset
from stpairs_core.train.progress import PlainProgress, Progress, RichProgress, progress_for
from stpairs_core.train.settings import spec_from_mapping, spec_to_mapping
from stpairs_core.train.stopping import stop_on_signals

__all__ = [
    "PRESETS",
    "PlainProgress",
    "Progress",
    "RichProgress",
    "RunConfig",
    "TrainResult",
    "accuracy",
    "auc",
    "load_config",
    "open_run",
    "preset",
    "progress_for",
    "read_metrics",
    "spec_from_mapping",
    "spec_to_mapping",
    "stop_on_signals",
    "train",
]
