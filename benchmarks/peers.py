"""F1 and F2 as others would do them with the usual libraries, each at its best: one thread, a whole volume a call.

A volume is (T, H, W, 3) uint8, possibly a view; the result goes to `out`, of the same shape and C-contiguous.
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Change(NamedTuple):
    """What F1 and F2 do to one volume."""

    offset: float
    exponent: float
    scale: float
    flip: bool


Peer = Callable[[Bytes, Change, Bytes], None]


def peers() -> tuple[dict[str, Peer], list[str]]:
    """Every peer that is installed, and the names of those that are not."""
    found: dict[str, Peer] = {}
    missing: list[str] = []
    for name, (module, make) in PEERS.items():
        library = imported(module)
        if library is None:
            missing.append(name)
        else:
            found[name] = make(library)
    return found, missing


def imported(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def opencv_bytes(cv2: Any) -> Peer:
    """The usual way: HSV in eight bits, one look-up table for the three of them, back."""
    cv2.setNumThreads(1)

    def change(volume: Bytes, asked: Change, out: Bytes) -> None:
        hsv = cv2.cvtColor(_tall(volume), cv2.COLOR_RGB2HSV_FULL)
        cv2.LUT(hsv, _tables(asked), hsv)
        _finish(cv2, cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL, dst=None if asked.flip else _tall(out)), asked, out)

    return change


def opencv_floats(cv2: Any) -> Peer:
    """The exact way: HSV in float32, powers, back."""
    cv2.setNumThreads(1)

    def change(volume: Bytes, asked: Change, out: Bytes) -> None:
        x = _tall(volume).astype(np.float32)
        x *= np.float32(1 / 255)
        h, s, v = cv2.split(cv2.cvtColor(x, cv2.COLOR_RGB2HSV))
        h += np.float32(360 * asked.offset)
        h[h < 0] += np.float32(360)
        h[h >= 360] -= np.float32(360)
        for part in (s, v):
            part += np.float32(asked.offset)
            np.clip(part, 0, 1, out=part)
            cv2.pow(part, asked.exponent, part)
            part *= np.float32(asked.scale)
            np.minimum(part, 1, out=part)
        x = cv2.cvtColor(cv2.merge((h, s, v)), cv2.COLOR_HSV2RGB)
        _finish(cv2, cv2.convertScaleAbs(x, dst=None if asked.flip else _tall(out), alpha=255.0), asked, out)

    return change


def kornia(kornia_color: Any) -> Peer:
    """kornia.color on float32, planes first, as kornia wants it."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)

    def change(volume: Bytes, asked: Change, out: Bytes) -> None:
        planes = torch.from_numpy(np.ascontiguousarray(volume)).permute(0, 3, 1, 2).contiguous().float().div_(255)
        hsv = kornia_color.rgb_to_hsv(planes)
        hsv[:, 0].add_(2 * np.pi * asked.offset).remainder_(2 * np.pi)
        hsv[:, 1:].add_(asked.offset).clamp_(0, 1).pow_(asked.exponent).mul_(asked.scale).clamp_(max=1)
        _from_torch(kornia_color.hsv_to_rgb(hsv).permute(0, 2, 3, 1), asked, out)

    return _without_gradients(torch, change)


def torch_eager(torch: Any) -> Peer:
    """The formulas in torch on float32 planes, without a library."""
    torch.set_num_threads(1)

    def change(volume: Bytes, asked: Change, out: Bytes) -> None:
        r, g, b = torch.from_numpy(np.ascontiguousarray(volume)).permute(3, 0, 1, 2).contiguous().float().div_(255)
        most, least = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
        chroma = most - least
        apart = chroma.clamp(min=1e-9)
        by_blue = torch.where(most == g, (b - r) / apart + 2, (r - g) / apart + 4)
        sixths = torch.where(most == r, (g - b) / apart, by_blue).add_(6 * asked.offset)
        s = chroma.div_(most.clamp(min=1e-9)).add_(asked.offset).clamp_(0, 1)
        s.pow_(asked.exponent).mul_(asked.scale).clamp_(max=1)
        v = most.add_(asked.offset).clamp_(0, 1).pow_(asked.exponent).mul_(asked.scale).clamp_(max=1)
        drop = s.mul_(v)
        mixed = torch.empty((*v.shape, 3))
        for channel, turn in enumerate((5, 3, 1)):
            k = (sixths + turn).remainder_(6)
            torch.sub(v, torch.minimum(k, 4 - k).clamp_(0, 1).mul_(drop), out=mixed[..., channel])
        _from_torch(mixed, asked, out)

    return _without_gradients(torch, change)


def matplotlib(colors: Any) -> Peer:
    """matplotlib.colors, there and back, on float32."""

    def change(volume: Bytes, asked: Change, out: Bytes) -> None:
        hsv = colors.rgb_to_hsv(volume.astype(np.float32) / np.float32(255))
        hsv[..., 0] = (hsv[..., 0] + asked.offset) % 1.0
        others = np.clip(hsv[..., 1:] + np.float32(asked.offset), 0, 1) ** np.float32(asked.exponent)
        hsv[..., 1:] = np.minimum(np.float32(asked.scale) * others, 1)
        x = colors.hsv_to_rgb(hsv) * 255 + 0.5
        out[...] = x[:, :, ::-1] if asked.flip else x

    return change


PEERS: dict[str, tuple[str, Callable[[Any], Peer]]] = {
    "OpenCV, uint8": ("cv2", opencv_bytes),
    "OpenCV, float32": ("cv2", opencv_floats),
    "torch": ("torch", torch_eager),
    "kornia": ("kornia.color", kornia),
    "matplotlib": ("matplotlib.colors", matplotlib),
}


def _tall(volume: Bytes) -> Bytes:
    """(T * H, W, 3): one picture of all frames, since OpenCV knows no volumes; a copy where `volume` is a view."""
    frames, height, width, _ = volume.shape
    return np.ascontiguousarray(volume).reshape(frames * height, width, 3)


def _tables(asked: Change) -> Bytes:
    """(256, 1, 3): the new hue, saturation and value of each old one."""
    levels = np.arange(256) / 255
    others = np.minimum(asked.scale * np.clip(levels + asked.offset, 0, 1) ** asked.exponent, 1)
    table = np.empty((256, 1, 3), np.uint8)
    table[:, 0, 0] = np.round(np.arange(256) + 256 * asked.offset) % 256
    table[:, 0, 1:] = np.floor(255 * others + 0.5)[:, None]
    return table


def _finish(cv2: Any, picture: Bytes, asked: Change, out: Bytes) -> None:
    """Flip into `out`; without a flip the picture is there already."""
    if asked.flip:
        cv2.flip(picture, 1, _tall(out))


def _without_gradients(torch: Any, change: Peer) -> Peer:
    quiet: Peer = torch.inference_mode()(change)
    return quiet


def _from_torch(x: Any, asked: Change, out: Bytes) -> None:
    torch = importlib.import_module("torch")
    rounded = x.mul(255).add_(0.5).to(torch.uint8)
    torch.from_numpy(out).copy_(rounded.flip(2) if asked.flip else rounded)
