"""Video augmentations of other libraries as `aug(volume, key)`, each called the way its own documentation shows.

A library that is not installed, or does not load here, leaves a reason in `ABSENT` instead of columns.
"""

import importlib
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.testing.augmentations import Augmentation, Declares, FloatClips, PerFrame, Seeded
from stpairs_core.testing.augmentations.paper import F1, F2

Volume = NDArray[np.uint8]


@dataclass(frozen=True)
class Column:
    """One augmentation, and how it is called."""

    title: str
    how: str
    aug: Augmentation
    declares: Declares
    adapted: bool = False
    """Volumes go through our `FloatClips`, which copies them and refuses what is none."""


# strict_input is claimed of none: these libraries take floats and other numbers of channels on purpose.
COLOUR = Declares(strict_input=False, random=True, pixelwise=True, grey_stays_grey=True, tolerance=1)
"""A colour jitter that knows no place; one level for floating-point arithmetic."""
JITTER = Declares(strict_input=False, random=True, grey_stays_grey=True, tolerance=1)
"""With a contrast about the frame's mean, which is framewise but not pixelwise."""
FLIP = Declares(strict_input=False, random=True, mirrors=True, involution=True)

COLUMNS: list[Column] = [
    Column("stpairs F1", "`f1(volume, key)`, ours", *F1),
    Column("stpairs F2", "`f2(volume, key)`, ours", *F2),
]
ABSENT: dict[str, str] = {}
VERSIONS: dict[str, str] = {}


def library(module: str, package: str) -> Any:
    """The module, or None and the reason in `ABSENT`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = importlib.import_module(module)
    except Exception as error:
        ABSENT[package] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return None
    VERSIONS[package] = version(package)
    return found


torch = library("torch", "torch")
kornia = library("kornia.augmentation", "kornia")
albumentations = library("albumentations", "albumentations")
vidaug = library("vidaug.augmentors", "vidaug")
library("imgaug", "imgaug")


def declare_operators() -> str:
    """Let torchvision import where its compiled operators do not load; the transforms used here need none of them."""
    if torch is None or importlib.util.find_spec("torchvision") is None:
        return ""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        stubs = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            stubs.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        KEPT.append(stubs)  # the definitions go with the object
        return "its compiled operators do not load with this torch, so two were declared by name before the import"
    return ""


KEPT: list[object] = []
STUBBED = declare_operators()
transforms = library("torchvision.transforms.v2", "torchvision")
tv_tensors = library("torchvision.tv_tensors", "torchvision")


# Functions of our own: torch.manual_seed is not the object that pickle finds, random.seed brings its generator along.
def seed_torch(key: int) -> None:
    torch.manual_seed(key)


def seed_random(key: int) -> None:
    random.seed(key)


if kornia is not None:

    def kornia_video(same: bool, *parts: Any) -> Augmentation:
        sequence = kornia.VideoSequential(*parts, data_format="BTCHW", same_on_frame=same)
        return Seeded(FloatClips(sequence, torch.from_numpy, "NTCHW"), seed_torch)

    jiggle = (0.2, 0.2, 0.2, 0.1)
    kornia_same = kornia_video(True, kornia.ColorJiggle(*jiggle, p=1.0))
    kornia_each = kornia_video(False, kornia.ColorJiggle(*jiggle, p=1.0))
    kornia_flip = kornia_video(True, kornia.RandomHorizontalFlip(p=0.5))
    call = "`torch.manual_seed(key)`, then `VideoSequential({})(clip)`, float (1, T, C, H, W)"
    COLUMNS += [
        Column("kornia colour", call.format("ColorJiggle, same_on_frame=True"), kornia_same, COLOUR, True),
        Column("kornia colour, each frame", call.format("ColorJiggle, same_on_frame=False"), kornia_each, COLOUR, True),
        Column("kornia flip", call.format("RandomHorizontalFlip, same_on_frame=True"), kornia_flip, FLIP, True),
    ]

if albumentations is not None:

    @dataclass(frozen=True)
    class Images:
        """The target `images`, which albumentations documents for video: one draw for all frames."""

        pipeline: Any

        def __call__(self, volume: Volume, key: int) -> Volume:
            self.pipeline.set_random_seed(key % 2**32)
            result: Volume = self.pipeline(images=volume)["images"]
            return result

    @dataclass(frozen=True)
    class Replayed:
        """The first frame draws, `ReplayCompose.replay` gives the others the same."""

        pipeline: Any

        def __call__(self, volume: Volume, key: int) -> Volume:
            self.pipeline.set_random_seed(key % 2**32)
            first = self.pipeline(image=volume[0])
            replay = type(self.pipeline).replay
            return np.stack([first["image"], *(replay(first["replay"], image=f)["image"] for f in volume[1:])])

    @dataclass(frozen=True)
    class OneByOne:
        """Each frame a picture of its own: the loop that is easily written."""

        pipeline: Any

        def __call__(self, volume: Volume, key: int) -> Volume:
            self.pipeline.set_random_seed(key % 2**32)
            return PerFrame(lambda frame: self.pipeline(image=frame)["image"])(volume)

    albumentations_images = Images(albumentations.Compose([albumentations.ColorJitter(p=1.0)]))
    albumentations_replay = Replayed(albumentations.ReplayCompose([albumentations.ColorJitter(p=1.0)]))
    albumentations_each = OneByOne(albumentations.Compose([albumentations.ColorJitter(p=1.0)]))
    albumentations_flip = Images(albumentations.Compose([albumentations.HorizontalFlip(p=0.5)]))
    seeded = "`pipeline.set_random_seed(key)`, then "
    COLUMNS += [
        Column(
            "albumentations colour", seeded + "`pipeline(images=volume)`, ColorJitter", albumentations_images, JITTER
        ),
        Column(
            "albumentations colour, replayed",
            seeded + "`ReplayCompose` on the first frame and `.replay` on the others",
            albumentations_replay,
            JITTER,
        ),
        Column(
            "albumentations colour, each frame",
            seeded + "`pipeline(image=frame)` for each frame",
            albumentations_each,
            JITTER,
        ),
        Column("albumentations flip", seeded + "`pipeline(images=volume)`, HorizontalFlip", albumentations_flip, FLIP),
    ]

if transforms is not None:

    @dataclass(frozen=True)
    class AsVideo:
        """uint8 (T, C, H, W) as `tv_tensors.Video`, which torchvision documents for video."""

        transform: Any

        def __call__(self, volume: Volume) -> Volume:
            frames = torch.from_numpy(np.ascontiguousarray(volume)).permute(0, 3, 1, 2)
            return np.asarray(self.transform(tv_tensors.Video(frames)).permute(0, 2, 3, 1))

    @dataclass(frozen=True)
    class AsPicture:
        """One frame, uint8 (C, H, W), as `tv_tensors.Image`."""

        transform: Any

        def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
            picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)
            return np.asarray(self.transform(tv_tensors.Image(picture)).permute(1, 2, 0))

    tv_jitter = transforms.ColorJitter(0.2, 0.2, 0.2, 0.1)
    torchvision_video = Seeded(AsVideo(tv_jitter), seed_torch)
    torchvision_seeded = PerFrame(AsPicture(tv_jitter), seed_torch)
    torchvision_each = Seeded(PerFrame(AsPicture(tv_jitter)), seed_torch)
    torchvision_flip = Seeded(AsVideo(transforms.RandomHorizontalFlip(0.5)), seed_torch)
    seeded = "`torch.manual_seed(key)`, then "
    COLUMNS += [
        Column("torchvision colour", seeded + "v2 `ColorJitter` on a `tv_tensors.Video`", torchvision_video, JITTER),
        Column(
            "torchvision colour, each frame seeded",
            "`torch.manual_seed(key)` before each frame, v2 `ColorJitter` on a `tv_tensors.Image`",
            torchvision_seeded,
            JITTER,
        ),
        Column(
            "torchvision colour, each frame",
            seeded + "v2 `ColorJitter` on each frame as a `tv_tensors.Image`",
            torchvision_each,
            JITTER,
        ),
        Column(
            "torchvision flip", seeded + "v2 `RandomHorizontalFlip` on a `tv_tensors.Video`", torchvision_flip, FLIP
        ),
    ]

if vidaug is not None:

    @dataclass(frozen=True)
    class OfFrames:
        """vidaug takes a list of frames and gives one."""

        transform: Callable[[list[NDArray[np.uint8]]], list[NDArray[np.uint8]]]

        def __call__(self, volume: Volume) -> Volume:
            return np.stack(self.transform(list(volume)))

    vidaug_flip = Seeded(OfFrames(vidaug.Sequential([vidaug.Sometimes(0.5, vidaug.HorizontalFlip())])), seed_random)
    COLUMNS += [
        Column(
            "vidaug flip",
            "`random.seed(key)`, then `Sequential([Sometimes(0.5, HorizontalFlip())])(frames)`",
            vidaug_flip,
            FLIP,
        )
    ]


def seed_both(key: int) -> None:
    random.seed(key)
    np.random.seed(key)  # noqa: NPY002  # what is tried here


def from_global_state(volume: Volume) -> Volume:
    """What stands in many training scripts: a flip and a gain out of the global generators."""
    if random.random() < 0.5:
        volume = volume[:, :, ::-1]
    gain = np.random.uniform(0.8, 1.2)  # noqa: NPY002
    result: Volume = np.clip(volume * gain, 0, 255).astype(np.uint8)
    return result


hand_written = Seeded(from_global_state, seed_both)
COLUMNS += [
    Column(
        "by hand, global state",
        "written by us: `random.seed(key)`, `np.random.seed(key)`, then a flip and a gain on the whole volume",
        hand_written,
        Declares(random=True, grey_stays_grey=True),
    )
]
