"""`stpairs export`: a trained encoder as one ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from stpairs_core.cli.output import Output
from stpairs_core.registry import find_runtime
from stpairs_core.train import open_run


@dataclass(frozen=True)
class Export:
    """Write a trained encoder as one ONNX file.

    The graph takes uint8 RGB volumes (n, T, H, W, 3), any n, normalises them itself and gives fc7 features (n, width).
    Before the file gets its name, onnx checks it and ONNX Runtime must agree with the trained network.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder that `stpairs train --out` made."""
    out: Path
    """The ONNX file to write."""
    score: Path | None = None
    """Also write the pair network here: two volumes in, the score that they come from one video out."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Export and check."""
        learner, _ = open_run(self.run_folder, device="cpu")
        found = find_runtime("onnx").publish(learner, self.out, self.score)
        relative = found["features_error"] / found["largest_feature"]
        self.output.say(f"{self.out}: agrees with the trained network to {relative:.1e} of the largest feature")
        if self.score is not None:
            self.output.say(f"{self.score}: the pair network")
        return {"out": str(self.out), "score": str(self.score) if self.score else None, **found}
