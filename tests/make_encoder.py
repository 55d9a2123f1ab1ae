"""An untrained encoder.onnx and some videos, for trying the wheel where there is no torch: make_encoder.py FOLDER."""

import sys
from pathlib import Path

from stpairs_core.registry import find_backend, find_runtime
from stpairs_core.spec import LearnerSpec, NetworkSpec, VolumeShape
from stpairs_core.videos.synthetic import SyntheticSpec, write_videos


def main(folder: Path) -> None:
    spec = LearnerSpec(VolumeShape(16, 32, 32), NetworkSpec(width=1 / 16))
    find_runtime("onnx").publish(find_backend("torch").learner(spec, "cpu"), folder / "encoder.onnx")
    write_videos(folder / "videos", SyntheticSpec(videos=7, frames=40, height=48, width=64), seed=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
