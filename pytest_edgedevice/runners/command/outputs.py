"""The output files that a user's own program wrote, as arrays; see COMMAND.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.errors import ContractError
from pytest_edgedevice.runners.command.manifest import OUTPUTS
from pytest_edgedevice.runners.command.result import MOST_OUTPUT_BYTES, OutputFile, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.runners.device_files import DeviceFolder
    from pytest_edgedevice.values import Array, TensorSpec

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 65536
_DTYPE = re.compile(r"'descr':\s*'([<|]?[a-z][0-9]{1,2})'")
_SHAPE = re.compile(r"'shape':\s*\(([0-9, ]*)\)")
_C_ORDER = re.compile(r"'fortran_order':\s*False")


def read_outputs(
    told: Told, folder: DeviceFolder, *, samples: int, specs: Sequence[TensorSpec] | None, program: str
) -> dict[str, list[Array]]:
    """Read every output that was told and check it against the model.

    Args:
        told: The result.
        folder: The folder of its process.
        samples: How many samples were run.
        specs: The model's outputs; None where they are not known, and are taken as they are told.
        program: What the program is called, and where it runs.

    Returns:
        Output name to pieces (samples, *shape in the model), in order.

    Raises:
        ContractError: Outputs are missing, or are none of the model's.
    """
    grouped = _grouped(told.outputs, samples, specs, program)
    used = list(dict.fromkeys(one.file for one in told.outputs))
    sizes = folder.sizes(used, folder=OUTPUTS)
    total = 0
    for one in told.outputs:
        size = sizes.get(one.file)
        if size is None:
            raise ContractError(f"{program} told of the output file {one.file!r} and did not write it")
        extra = MOST_HEADER_BYTES if one.file.endswith(".npy") else 0
        if not one.size_bytes <= size <= one.size_bytes + extra:
            raise ContractError(_wrong_size(one, size, program))
        total += size
    if total > MOST_OUTPUT_BYTES:
        raise ContractError(f"the outputs of {program} have {total} bytes; {MOST_OUTPUT_BYTES} are the most")
    content = folder.read({file: sizes[file] for file in used}, folder=OUTPUTS)
    return {name: [_array(one, content[one.file], program) for one in files] for name, files in grouped.items()}


def _grouped(
    outputs: Sequence[OutputFile], samples: int, specs: Sequence[TensorSpec] | None, program: str
) -> dict[str, list[OutputFile]]:
    """Each output's files, in the order of the samples, none missing and none twice."""
    known = None if specs is None else {spec.name: spec for spec in specs}
    grouped: dict[str, list[OutputFile]] = {name: [] for name in known or ()}
    for one in outputs:
        if known is not None and one.name not in known:
            names = ", ".join(repr(name) for name in known)
            raise ContractError(f"{program} wrote an output {one.name[:80]!r}; the model has {names}")
        if known is not None:
            _check(one, known[one.name], program)
        grouped.setdefault(one.name, []).append(one)
    if not grouped and not known:
        raise ContractError(f"{program} told of no outputs")
    for name, files in grouped.items():
        files.sort(key=lambda one: one.sample or 0)
        whole = len(files) == 1 and files[0].sample is None and files[0].shape[:1] == (samples,)
        if not whole and [one.sample for one in files] != list(range(samples)):
            told = ", ".join(str(one.shape) if one.sample is None else f"sample {one.sample}" for one in files[:8])
            raise ContractError(f"{program} wrote {told or 'nothing'} of output {name!r} where {samples} samples ran")
    return grouped


def _check(one: OutputFile, spec: TensorSpec, program: str) -> None:
    shape = one.shape if one.sample is not None else one.shape[1:]
    fits = len(shape) == len(spec.shape) and all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
    if one.dtype != spec.dtype or not fits:
        raise ContractError(
            f"{program} wrote output {one.name!r} as {one.dtype} {shape} a sample; the model has {spec.dtype} "
            f"{spec.shape}"
        )


def _wrong_size(one: OutputFile, size: int, program: str) -> str:
    return f"{program} wrote {size} bytes to {one.file!r}, where {one.dtype} {one.shape} takes {one.size_bytes}"


def _array(one: OutputFile, content: bytes, program: str) -> Array:
    """The values, (samples, *shape in the model)."""
    values = content
    if one.file.endswith(".npy"):
        try:
            values = _npy_values(one, content)
        except (ValueError, TypeError) as error:  # TypeError: a dtype that numpy does not know
            raise ContractError(f"{program} wrote {one.file!r}, which is no .npy file as told: {error}") from None
    if len(values) != one.size_bytes:
        raise ContractError(_wrong_size(one, len(values), program))
    if one.dtype == "bool" and values.strip(b"\0\1"):
        raise ContractError(f"{program} wrote {one.file!r} as bool with bytes other than 0 and 1")
    array: Array = np.frombuffer(values, one.dtype).reshape(one.shape)
    return array[np.newaxis] if one.sample is not None else array


def _npy_values(one: OutputFile, content: bytes) -> bytes:
    """What follows the header of an .npy file, which must say what was told; read without evaluating anything.

    Source:
        numpy.lib.format, versions 1 to 3.
    """
    if content[:6] != MAGIC or len(content) < 12 or content[6] not in (1, 2, 3):
        raise ValueError("it does not begin like one")
    start = 10 if content[6] == 1 else 12
    end = start + int.from_bytes(content[8:start], "little")
    if end > min(len(content), MOST_HEADER_BYTES):
        raise ValueError("its header does not end")
    header = content[start:end].decode("latin-1")
    dtype, shape = _DTYPE.search(header), _SHAPE.search(header)
    if dtype is None or shape is None or not _C_ORDER.search(header):
        raise ValueError("its header lacks a plain little-endian dtype, a shape or C order")
    sizes = tuple(int(size) for size in shape[1].split(",") if size.strip())
    if np.dtype(dtype[1]).name != one.dtype or sizes != one.shape:
        raise ValueError(f"its header says {np.dtype(dtype[1]).name} {sizes}, told was {one.dtype} {one.shape}")
    return content[end:]
