"""The stand-in's models: a JSON object where the real ones have a protobuf message, read like one.

Features are ``{"name", "dtype", "shape", ...}``; ``shape`` is absent where the model leaves it open, ``range`` holds
a pair a dimension, ``enumerated`` further shapes. What is computed is in ``libcoremlpython``.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

START = b"\x08\x04\x12"
"""How a specification begins, too."""
DTYPES = {"float16": 65552, "float32": 65568, "float64": 65600, "int8": 131080, "int32": 131104}
COLOURS = {"GRAYSCALE": 10, "RGB": 20, "BGR": 30, "GRAYSCALE_FLOAT16": 40}
PACKAGED = "Data/com.apple.CoreML/model.mlmodel"


def macos_version() -> tuple[int, ...]:
    """The version of the Mac that this would be, 15.0 unless told otherwise."""
    told = os.environ.get("STANDIN_MACOS") or platform.mac_ver()[0] or "15.0"
    return tuple(int(part) for part in told.split("."))


def content_of(path: str | Path) -> dict[str, Any]:
    """What is in a model; what is none raises as protobuf does."""
    source = Path(path)
    if source.is_dir():
        source = source / ("model.bin" if source.suffix == ".mlmodelc" else PACKAGED)
    content = source.read_bytes()
    if not content.startswith(START):
        raise ValueError("Error parsing message with type 'CoreML.Specification.Model'")
    told: dict[str, Any] = json.loads(content[len(START) :])
    return told


class Message(SimpleNamespace):
    """Attributes, and which of a group of them is there."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        """As in protobuf."""
        chosen: str | None = self.groups.get(group)
        return chosen


def Specification(content: dict[str, Any]) -> Message:  # noqa: N802 - a class to its users
    """A ``Model_pb2`` of a model, as far as descriptions go."""
    description = Message(
        input=[_feature(one) for one in content["inputs"]],
        output=[_feature(one) for one in content["outputs"]],
        state=list(content.get("state", [])),
        functions=[],
        defaultFunctionName="",
    )
    if content.get("function"):
        description = Message(
            input=[], output=[], state=[], defaultFunctionName=content["function"],
            functions=[Message(name="other", input=[], output=[], state=[]),
                       Message(**{**vars(description), "name": content["function"]})],
        )  # fmt: skip
    kind = content.get("type", "mlProgram")
    block = Message(operations=[_operation(one) for one in content["outputs"] if "program" in one])
    if content.get("weights"):
        block.operations.append(Message(type=content["weights"], outputs=[], blocks=[]))
    nested = Message(operations=[Message(type="cond", outputs=[], blocks=[block])])
    function = Message(opset="CoreML6", block_specializations={"CoreML6": nested})
    return Message(
        groups={"Type": kind},
        specificationVersion=content.get("version", 7),
        description=description,
        mlProgram=Message(functions={content.get("function", "main"): function}),
    )


def _feature(told: dict[str, Any]) -> Message:
    kind = told.get("kind", "multiArrayType")
    groups = {"Type": kind}
    array = image = None
    if kind == "multiArrayType":
        flexible = {"range": "shapeRange", "enumerated": "enumeratedShapes"}
        chosen = next((name for key, name in flexible.items() if key in told), None)
        sizes = [Message(lowerBound=low, upperBound=high) for low, high in told.get("range", [])]
        shapes = [Message(shape=list(shape)) for shape in told.get("enumerated", [])]
        array = Message(
            groups={"ShapeFlexibility": chosen},
            shape=list(told.get("shape", [])),
            dataType=DTYPES.get(told["dtype"], 7),
            shapeRange=Message(sizeRanges=sizes),
            enumeratedShapes=Message(shapes=shapes),
        )
    if kind == "imageType":
        image = Message(
            groups={"SizeFlexibility": told.get("flexible")},
            height=told["height"],
            width=told["width"],
            colorSpace=COLOURS.get(told["colour"], 0),
        )
    return Message(name=told["name"], type=Message(groups=groups, multiArrayType=array, imageType=image))


def _operation(told: dict[str, Any]) -> Message:
    """The operation that makes an output, with the type that the program gives it."""
    sizes = [
        Message(groups={"dimension": "unknown"})
        if size < 0
        else Message(groups={"dimension": "constant"}, constant=Message(size=size))
        for size in told["program"]
    ]
    tensor = Message(dimensions=sizes, dataType=10 if told["dtype"] == "float16" else 11)
    value = Message(name=told["name"], type=Message(groups={"type": "tensorType"}, tensorType=tensor))
    return Message(type="linear", outputs=[value], blocks=[])
