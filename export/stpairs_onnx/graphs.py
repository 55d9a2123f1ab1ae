"""What an ONNX file must be before we run it: one whole file, of the inputs and outputs that we write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from stpairs_core.errors import BadFile
from stpairs_core.spec import VolumeShape


def read_graph(path: Path) -> bytes:
    """The bytes of an ONNX file that holds all of its weights; else a `BadFile`.

    A session is made of these bytes and not of the path, so that what was checked is what runs, and no other file is
    read: a weight may name any file on the disk.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"cannot read the encoder {path}: {error.strerror}") from error
    if not content:
        raise BadFile(f"{path} is empty; `stpairs export` writes an encoder")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's DecodeError, whose module has no types
        raise BadFile(f"{path} is no ONNX file, or a part of one") from error
    if not model.graph.node or not model.opset_import:
        raise BadFile(f"{path} is no ONNX file, or a part of one: it lacks operators or their version")
    outside = next(outside_tensors(model), None)
    if outside is not None:
        raise BadFile(f"{path} keeps the weight {outside!r} in another file; an encoder must be one file")
    return content


def outside_tensors(model: Any) -> Iterator[str]:
    """Names of the tensors anywhere in a model, subgraphs and functions included, that lie in other files."""
    if isinstance(model, onnx.TensorProto):
        if model.data_location == onnx.TensorProto.EXTERNAL or len(model.external_data) > 0:
            yield model.name
        return
    for field, value in model.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, list) or hasattr(value, "add") else [value]:
                yield from outside_tensors(part)


def volume_shape(session: Any, path: Path, inputs: tuple[str, ...]) -> VolumeShape:
    """The one shape of all inputs of a session, uint8 (n, T, H, W, 3) with n free; else a `BadFile`."""
    found = session.get_inputs()
    shapes = {tuple(value.shape[1:]) for value in found if len(value.shape) == 5}
    good = (
        tuple(value.name for value in found) == inputs
        and all(value.type == "tensor(uint8)" and not isinstance(value.shape[0], int) for value in found)
        and len(shapes) == 1
    )
    sizes = shapes.pop() if good else ()
    if len(sizes) != 4 or sizes[-1] != 3 or not all(isinstance(size, int) for size in sizes):
        raise BadFile(
            f"{path} takes {describe(found)}, but an encoder of ours takes {' and '.join(inputs)}, "
            "uint8 (n, T, H, W, 3) with n free"
        )
    return VolumeShape(*sizes[:3])


def describe(values: Any) -> str:
    """Inputs or outputs of a session in words."""
    words = [f"{v.name} {v.type} ({', '.join(map(str, v.shape))})" for v in values]
    return " and ".join(words) or "nothing"
