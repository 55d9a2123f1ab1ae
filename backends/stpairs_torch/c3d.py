"""The networks: the smaller C3D that encodes a volume (T in Eqn. 1), and the head that judges a pair (G)."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import NetworkSpec, VolumeShape

SMALLEST = VolumeShape(16, 16, 16)
"""Below this the last pooling has nothing left: time is halved four times, so is space before its padded fifth."""

RGB_MEAN = 127.5
"""The middle of the uint8 range."""
RGB_SCALE = 1 / 64
"""One over the usual spread of pixels about the middle; a power of two, so that scaling rounds nothing."""
RESIDUAL_SCALE = 1 / 16
"""One over the usual spread of differences between neighbouring frames."""


class C3D(nn.Module):
    """The encoder T: uint8 volumes (n, T, H, W, 3) -> fc7 features (n, 2048 · width) after their ReLU.

    The comments show shapes for the paper's volumes and width 1: 17,238,016 parameters, and 17,444,965 with a
    101-way softmax on top, the "17.5 million" of the C3D paper. Any volume from 16x16x16 upwards fits. ReLU comes
    after each pooling: the numbers are those of ReLU before it, since both keep the order, for an eighth of the work.
    """

    def __init__(self, volume: VolumeShape, spec: NetworkSpec) -> None:
        super().__init__()
        check_fits(volume)
        c1, c2, c3, c4, c5, fc = (scaled(count, spec.width) for count in (64, 128, 256, 256, 256, 2048))
        self.volume = volume
        self.width = fc
        self.input = Residual() if spec.input == "residual" else Rgb()
        self.conv1, self.pool1 = _conv(3, c1, spec), nn.MaxPool3d((1, 2, 2))
        self.conv2, self.pool2 = _conv(c1, c2, spec), nn.MaxPool3d(2)
        self.conv3, self.pool3 = _conv(c2, c3, spec), nn.MaxPool3d(2)
        self.conv4, self.pool4 = _conv(c3, c4, spec), nn.MaxPool3d(2)
        self.conv5, self.pool5 = _conv(c4, c5, spec), nn.MaxPool3d(2, padding=(0, 1, 1))
        self.fc6 = _full(c5 * pooled_cells(volume), fc, spec)
        self.fc7 = _full(fc, fc, spec)

    def forward(self, volumes: Tensor) -> Tensor:  # (n, 16, 112, 112, 3) uint8
        """fc7 features, (n, 2048 · width)."""
        x: Tensor = self.input(volumes)  # (n, 3, 16, 112, 112) float32, channels last in memory
        x = self.pool1(self.conv1(x)).relu()  # (n, 64, 16, 56, 56)
        x = self.pool2(self.conv2(x)).relu()  # (n, 128, 8, 28, 28)
        x = self.pool3(self.conv3(x)).relu()  # (n, 256, 4, 14, 14)
        x = self.pool4(self.conv4(x)).relu()  # (n, 256, 2, 7, 7)
        x = self.pool5(self.conv5(x)).relu()  # (n, 256, 1, 4, 4)
        x = self.fc6(x.flatten(1))  # (n, 2048)
        x = self.fc7(x)  # (n, 2048)
        return x


class Rgb(nn.Module):
    """The frames, centred: (x - 127.5) / 64, in [-2, 2]."""

    def forward(self, volumes: Tensor) -> Tensor:  # (n, T, H, W, 3) uint8
        """(n, 3, T, H, W) float32."""
        x = volumes.permute(0, 4, 1, 2, 3)  # (n, 3, T, H, W): a view, channels last in memory
        return (x.to(torch.float32) - RGB_MEAN) * RGB_SCALE


class Residual(nn.Module):
    """The differences of neighbouring frames, (x[t+1] - x[t]) / 16, and one frame of zeros to keep T frames.

    Zero is "nothing moved" and what conv1's own padding holds, so the last frame adds no signal; T-1 = 15 frames
    could not be halved four times.
    """

    def forward(self, volumes: Tensor) -> Tensor:  # (n, T, H, W, 3) uint8
        """(n, 3, T, H, W) float32."""
        x = volumes.permute(0, 4, 1, 2, 3).to(torch.float32)  # (n, 3, T, H, W)
        x = (x[:, :, 1:] - x[:, :, :-1]) * RESIDUAL_SCALE  # (n, 3, T-1, H, W)
        return nn.functional.pad(x, (0, 0, 0, 0, 0, 1))  # (n, 3, T, H, W)


class PairHead(nn.Module):
    """The head G: two features (..., F) -> score (...), through 64 hidden units at any width of the encoder.

    "concat" sees both features end to end, as printed. "compare" sees |f1 - f2| and f1·f2, which makes the score
    the same for both orders.
    """

    def __init__(self, width: int, spec: NetworkSpec) -> None:
        super().__init__()
        self.compares = spec.head == "compare"
        self.hidden = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(), nn.Dropout(spec.dropout))
        self.score = nn.Linear(64, 1)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:  # (n, 2048), (n, 2048)
        """Scores, of the features' shape without its last axis."""
        pair = ((f1 - f2).abs(), f1 * f2) if self.compares else (f1, f2)
        x = torch.cat(pair, dim=-1)  # (n, 4096)
        x = self.hidden(x)  # (n, 64)
        scores: Tensor = self.score(x).squeeze(-1)  # (n,)
        return scores


class PairNetwork(nn.Module):
    """The siamese network: uint8 `first` and `second`, each (n, T, H, W, 3) -> score (n,)."""

    def __init__(self, volume: VolumeShape, spec: NetworkSpec) -> None:
        super().__init__()
        self.encoder = C3D(volume, spec)
        self.head = PairHead(self.encoder.width, spec)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:  # (n, 16, 112, 112, 3) uint8, twice
        """Scores, (n,)."""
        features = self.encoder(torch.cat((first, second)))  # (2n, 2048)
        f1, f2 = features.unflatten(0, (2, -1)).unbind(0)  # (n, 2048), (n, 2048)
        scores: Tensor = self.head(f1, f2)  # (n,)
        return scores


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from `generator` alone: He's normal for layers before a ReLU, biases zero, norms the identity.

    The paper prints no initialisation. The score layer has no ReLU behind it and gets half of He's variance.
    """
    for name, weight in network.named_parameters():
        if weight.ndim > 1:
            gain: Literal["linear", "relu"] = "linear" if name.endswith("score.weight") else "relu"
            nn.init.kaiming_normal_(weight, nonlinearity=gain, generator=generator)
        else:
            nn.init.constant_(weight, 1.0 if name.endswith("norm.weight") else 0.0)


def check_fits(volume: VolumeShape) -> None:
    """Raise `InvalidSpec` for volumes that C3D's poolings would shrink to nothing."""
    small = SMALLEST
    if volume.frames < small.frames or volume.height < small.height or volume.width < small.width:
        raise InvalidSpec(f"C3D cannot pool volumes of {volume}; the smallest it takes are {small}")


def pooled_cells(volume: VolumeShape) -> int:
    """Cells (t · y · x) that pool5 leaves of a volume: 1 · 4 · 4 for 16x112x112."""
    rows, columns = (size // 16 // 2 + 1 for size in (volume.height, volume.width))
    return volume.frames // 16 * rows * columns


def scaled(count: int, width: float) -> int:
    """`count` channels at that width of the network; never fewer than one."""
    return max(1, round(count * width))


def _conv(inputs: int, outputs: int, spec: NetworkSpec) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv=nn.Conv3d(inputs, outputs, 3, padding=1))
    if spec.norm == "batch":
        layers["norm"] = nn.BatchNorm3d(outputs)
    return nn.Sequential(layers)


def _full(inputs: int, outputs: int, spec: NetworkSpec) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(full=nn.Linear(inputs, outputs))
    if spec.norm == "batch":
        layers["norm"] = nn.BatchNorm1d(outputs)
    layers["relu"] = nn.ReLU(inplace=True)
    layers["dropout"] = nn.Dropout(spec.dropout)
    return nn.Sequential(layers)
