"""What a Core ML model takes and gives, read off its specification or off a compiled model's ``metadata.json``.

Both are read field by field, so that this needs neither Core ML nor protobuf. What the description
of a model leaves open, the types of its program often tell: an output whose size depends on the input
has an empty shape there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from pytest_edgedevice.agent.engines.base import EngineError, check_dtype, check_name

ARRAY_DTYPES = {65552: "float16", 65568: "float32", 65600: "float64", 131080: "int8", 131104: "int32"}
"""``ArrayFeatureType.ArrayDataType``."""
METADATA_DTYPES = {"Float16": "float16", "Float32": "float32", "Double": "float64", "Int8": "int8", "Int32": "int32"}
COLOURS = {10: "grey", 20: "colour", 30: "colour", 40: "grey16"}
"""``ImageFeatureType.ColorSpace``; coremltools takes and gives red before blue, whichever the model wants."""
METADATA_COLOURS = {"RGB": "colour", "BGR": "colour", "Grayscale": "grey", "Grayscale16Half": "grey16"}
MIL_FLOAT16 = 10
WEIGHT_ONLY = ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense")
Shape = Tuple[int, ...]


@dataclass(frozen=True)
class Feature:
    """One input or output.

    Attributes:
        name: Of the feature.
        kind: ``array``, ``image`` or ``number``.
        dtype: numpy's name of the element type on the wire.
        shape: -1 where it varies; None where the model does not even tell how many dimensions there are.
        usual: A shape that an input can have; empty for outputs.
        colour: Of an image: ``colour``, ``grey`` or ``grey16``.
    """

    name: str
    kind: str
    dtype: str
    shape: Optional[Shape]
    usual: Shape = ()
    colour: str = ""

    def described(self) -> Dict[str, Any]:
        """As it goes over the wire."""
        shape = list(self.shape or ())
        return {"name": self.name, "dtype": self.dtype, "shape": shape, "quantization": None}


@dataclass(frozen=True)
class Features:
    """A model from outside.

    Attributes:
        inputs, outputs: In the model's order.
        stateful: Whether it keeps state between inferences.
        variant: A label for how it computes.
    """

    inputs: List[Feature]
    outputs: List[Feature]
    stateful: bool
    variant: str


def features_of_spec(spec: Any) -> Features:
    """Read a specification (``Model_pb2``).

    Raises:
        EngineError: A feature is of a type that cannot be sent.
    """
    description, function = spec.description, "main"
    if len(description.functions):
        functions = list(description.functions)
        wanted = description.defaultFunctionName
        chosen = next((one for one in functions if one.name == wanted), functions[0])
        description, function = chosen, chosen.name
    types = dict(_program_types(spec, function))
    outputs = [_of_spec(one) for one in description.output]
    return Features(
        [_shaped(_of_spec(one)) for one in description.input],
        [replace(one, shape=types.get(one.name)) if one.shape is None else one for one in outputs],
        bool(len(description.state)),
        _variant(spec, function),
    )


def features_of_metadata(folder: str) -> Features:
    """Read the ``metadata.json`` of a compiled model.

    Raises:
        EngineError: It has none that can be understood, or a feature is of a type that cannot be sent.
    """
    try:
        with open(os.path.join(folder, "metadata.json"), "rb") as file:
            told = json.load(file)[0]
        inputs = [_shaped(_of_metadata(one)) for one in told["inputSchema"]]
        outputs = [_of_metadata(one) for one in told["outputSchema"]]
        precision, storage = str(told.get("computePrecision", "")), str(told.get("storagePrecision", ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"its metadata.json, which names inputs and outputs, cannot be read ({type(error).__name__}: {error})"
        raise EngineError("model", f"{why}; give the .mlpackage that it was compiled from") from error
    variant = "float16" if "Float16" in precision else "float32"
    if "Palettized" in storage or "Int8" in storage or "UInt8" in storage:
        variant = "weight_int8"
    return Features(inputs, outputs, bool(told.get("stateSchema")), variant)


def _of_spec(feature: Any) -> Feature:
    name, type_ = check_name(str(feature.name)), feature.type
    kind = type_.WhichOneof("Type")
    if kind == "multiArrayType":
        array = type_.multiArrayType
        dtype = ARRAY_DTYPES.get(int(array.dataType), f"number {array.dataType}")
        usual = tuple(int(size) for size in array.shape)
        return Feature(name, "array", check_dtype(name, dtype), _varying(array, usual), usual)
    if kind == "imageType":
        image = type_.imageType
        flexible = image.WhichOneof("SizeFlexibility") is not None
        return _image(name, int(image.height), int(image.width), COLOURS.get(int(image.colorSpace), ""), flexible)
    return _number(name, {"int64Type": "Int64", "doubleType": "Double"}.get(kind, str(kind)))


def _shaped(feature: Feature) -> Feature:
    if feature.shape is None:
        raise EngineError("model", f"input {feature.name!r} has no shape in the model's description")
    return feature


def _varying(array: Any, usual: Shape) -> Optional[Shape]:
    """The shape with -1 where it varies; None where nothing is told."""
    kind = array.WhichOneof("ShapeFlexibility")
    if kind == "shapeRange":
        ranges = [(int(one.lowerBound), int(one.upperBound)) for one in array.shapeRange.sizeRanges]
        return _merged(ranges)
    if kind == "enumeratedShapes":
        shapes = [tuple(int(size) for size in one.shape) for one in array.enumeratedShapes.shapes]
        return _one_of([usual, *shapes])
    return usual or None


def _merged(ranges: Sequence[Sequence[int]]) -> Shape:
    return tuple(low if low == high else -1 for low, high in ranges)


def _one_of(shapes: Sequence[Shape]) -> Optional[Shape]:
    if len({len(shape) for shape in shapes}) != 1:
        return None
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes))


def _image(name: str, height: int, width: int, colour: str, flexible: bool) -> Feature:
    if not colour:
        raise EngineError("model", f"the image {name!r} is of a colour space that is not known here")
    channels = (3,) if colour == "colour" else ()
    dtype = "float16" if colour == "grey16" else "uint8"
    shape = (1, -1, -1) if flexible else (1, height, width)
    return Feature(name, "image", dtype, (*shape, *channels), (1, height, width, *channels), colour)


def _number(name: str, kind: str) -> Feature:
    dtype = {"Int64": "int64", "Double": "float64"}.get(kind)
    if dtype is None:
        raise EngineError(
            "model",
            f"the feature {name!r} is a {kind.removesuffix('Type').lower()}, which cannot be sent as numbers; "
            "convert the model without a classifier's labels, so that it gives an array",
        )
    return Feature(name, "number", dtype, ())


def _of_metadata(told: Dict[str, Any]) -> Feature:
    name, kind = check_name(str(told["name"])), str(told["type"])
    if kind == "MultiArray":
        dtype = METADATA_DTYPES.get(str(told["dataType"]), str(told["dataType"]))
        usual = tuple(int(size) for size in json.loads(told["shape"]))
        return Feature(name, "array", check_dtype(name, dtype), _varying_metadata(told, usual), usual)
    if kind == "Image":
        flexible = str(told.get("hasSizeFlexibility", "0")) == "1"
        colour = METADATA_COLOURS.get(str(told["colorspace"]), "")
        return _image(name, int(told["height"]), int(told["width"]), colour, flexible)
    return _number(name, kind)


def _varying_metadata(told: Dict[str, Any], usual: Shape) -> Optional[Shape]:
    if "shapeRange" in told:
        return _merged(json.loads(told["shapeRange"]))
    if "enumeratedShapes" in told:
        return _one_of([usual, *(tuple(shape) for shape in json.loads(told["enumeratedShapes"]))])
    return usual or None


def _operations(spec: Any, function: str) -> Iterator[Any]:
    """The operations of a model program's function, those of nested blocks too."""
    if spec.WhichOneof("Type") != "mlProgram" or function not in spec.mlProgram.functions:
        return
    found = spec.mlProgram.functions[function]
    blocks = [found.block_specializations[found.opset]] if found.opset in found.block_specializations else []
    while blocks:
        for operation in blocks.pop().operations:
            yield operation
            blocks.extend(operation.blocks)


def _program_types(spec: Any, function: str) -> Iterator[Tuple[str, Shape]]:
    """Name to shape of what the operations give, -1 where it is not constant."""
    for operation in _operations(spec, function):
        for output in operation.outputs:
            if output.type.WhichOneof("type") == "tensorType":
                sizes = output.type.tensorType.dimensions
                yield output.name, tuple(_size(one) for one in sizes)


def _size(dimension: Any) -> int:
    return int(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else -1


def _variant(spec: Any, function: str) -> str:
    half = False
    for operation in _operations(spec, function):
        if operation.type in WEIGHT_ONLY:
            return "weight_int8"
        half = half or any(
            output.type.WhichOneof("type") == "tensorType" and int(output.type.tensorType.dataType) == MIL_FLOAT16
            for output in operation.outputs
        )
    return "float16" if half else "float32"
