"""What a user's own program wrote: its result, checked field by field, and its output files. See COMMAND.md.

Everything here is hostile until proven otherwise. What is wrong raises ``ContractError``, whose text names the key.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_edgedevice.agent.wire import ITEM_BYTES, MAX_DIMENSIONS
from pytest_edgedevice.errors import (
    ContractError,
    DelegateError,
    EdgeDeviceError,
    InfraError,
    InputError,
    MissingExtraError,
    ModelError,
    UnsupportedError,
)
from pytest_edgedevice.runners.command.manifest import CONTRACT, FORMATS, OUTPUTS, RESULT
from pytest_edgedevice.runners.command.usage import read_usage
from pytest_edgedevice.runners.replies import count_of, read_placement, read_specs, short_text
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.runners.usage import Usage
    from pytest_edgedevice.values import Placement, TensorSpec

MOST_RESULT_BYTES = 16 << 20
MOST_OUTPUT_BYTES = 1 << 30
MOST_OUTPUTS = 100_000
MOST_NS = 1 << 62
MOST_MEMORY = 16
UNSUPPORTED = "unsupported"
_KINDS: dict[str, type[EdgeDeviceError]] = {
    "model": ModelError,
    "delegate": DelegateError,
    "engine": MissingExtraError,
    "input": InputError,
    "memory": InfraError,
    "internal": InfraError,
}
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One output as it was told.

    Attributes:
        name: The output's name.
        file: Its file's name in the folder for outputs.
        dtype: numpy's name of the element type.
        shape: (samples, *shape in the model); without the first where ``sample`` is given.
        sample: Which sample, where each has a file of its own; None where all are in one.
    """

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    sample: int | None

    @property
    def size_bytes(self) -> int:
        """Bytes that its values take."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Told:
    """A result whose form is sound.

    Attributes:
        outputs: Files that it names.
        inference_ns: Time of each sample or entry.
        first_ns: The very first inference; None where it is not told.
        load_ns: Loading the model; None where it is not told.
        tick_ns: Resolution of the program's clock; 0 where it is not told.
        placement: Which operators ran where; None where it is not told.
        inputs, output_specs: The model's tensors; None where they are not told.
        engine, engine_version, variant, format: Empty where they are not told.
        memory: What the program told of its memory, name to number.
        before_ns, after_ns: What came before and after each of ``inference_ns``; None where they are not told.
        usage: What it told of its own cost; None where it did not.
    """

    outputs: tuple[OutputFile, ...] = ()
    inference_ns: tuple[int, ...] = ()
    first_ns: int | None = None
    load_ns: int | None = None
    tick_ns: int = 0
    placement: Placement | None = None
    inputs: tuple[TensorSpec, ...] | None = None
    output_specs: tuple[TensorSpec, ...] | None = None
    engine: str = ""
    engine_version: str = ""
    variant: str = ""
    format: str = ""
    memory: Mapping[str, float] | None = None
    before_ns: tuple[int, ...] | None = None
    after_ns: tuple[int, ...] | None = None
    usage: Usage | None = None

    @property
    def staged(self) -> bool:
        """Whether it told what came before or after the inference."""
        return self.before_ns is not None or self.after_ns is not None


def read_result(content: bytes, *, nonce: str, requested: str, program: str) -> Told:
    """Check a result.

    Args:
        content: Of ``result.json``.
        nonce: What it must repeat.
        requested: The delegate that was asked for.
        program: What the program is called, and where it runs.

    Raises:
        UnsupportedError: It says that it does not know the operation.
        ModelError, DelegateError, InputError, MissingExtraError, InfraError: It says that it failed, and why.
        ContractError: It is no result of this process.
    """
    found = _parsed(content, program)
    if found.get("contract") != CONTRACT or type(found.get("contract")) is not int:
        _broken(program, f"has contract {str(found.get('contract'))[:20]!r}, not {CONTRACT}")
    if found.get("nonce") != nonce:
        _broken(program, "does not repeat the manifest's nonce: it is another process's")
    if found.get("error") is not None:
        raise _error(found["error"], program)
    try:
        return _told(found, requested)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else f"is malformed: {printable(str(error))[:200]}"
        _broken(program, why)


def _parsed(content: bytes, program: str) -> dict[str, Any]:
    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number of JSON")

    try:
        found = json.loads(content.decode("utf-8"), parse_constant=refuse, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        _broken(program, f"is no JSON: {printable(str(error)).partition(';')[0][:200]}")
    if not isinstance(found, dict):
        _broken(program, "is no JSON object")
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; with a key twice nobody knows which of them was meant."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:80]!r} is there twice")
        found[name] = value
    return found


def _broken(program: str, why: str) -> NoReturn:
    raise ContractError(f"{RESULT} of {program} {why}", hint="see COMMAND.md for what a program must write")


def _error(found: Any, program: str) -> EdgeDeviceError:
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return ContractError(f"{RESULT} of {program} has an error without a kind")
    message = " ".join(printable(str(found.get("message", "")))[:2000].split()) or "it gave no reason"
    if found["kind"] == UNSUPPORTED:
        return UnsupportedError(message)
    kind = _KINDS.get(found["kind"])
    if kind is None:
        known = ", ".join([*_KINDS, UNSUPPORTED])
        return ContractError(f"{program} failed with the unknown kind {found['kind'][:40]!r}: {message}", hint=known)
    return kind(f"{program} failed: {message}")


def _told(found: Mapping[str, Any], requested: str) -> Told:
    entries = found.get("outputs", [])
    if not isinstance(entries, list) or len(entries) > MOST_OUTPUTS:
        raise ValueError("outputs is no list of files")
    tensors = found.get("model") or {}
    format_ = found.get("format", "")
    if format_ not in ("", *FORMATS):
        raise ValueError(f"format {str(format_)[:40]!r} is none of {', '.join(FORMATS)}")
    return Told(
        outputs=tuple(_output(entry) for entry in entries),
        inference_ns=tuple(_time(value, "inference_ns") for value in found.get("inference_ns", [])),
        first_ns=_optional_time(found, "first_ns"),
        load_ns=_optional_time(found, "load_ns"),
        tick_ns=_optional_time(found, "tick_ns") or 0,
        placement=_placement(found.get("placement"), requested),
        inputs=read_specs(tensors["inputs"]) if tensors else None,
        output_specs=read_specs(tensors["outputs"]) if tensors else None,
        engine=short_text(found.get("engine", ""))[:200],
        engine_version=short_text(found.get("engine_version", ""))[:200],
        variant=short_text(found.get("variant", ""))[:200],
        format=format_,
        memory=_memory(found.get("memory") or {}),
        before_ns=_stage(found, "before_ns"),
        after_ns=_stage(found, "after_ns"),
        usage=read_usage(found["usage"]) if found.get("usage") is not None else None,
    )


def _output(entry: Mapping[str, Any]) -> OutputFile:
    file, dtype, shape, sample = entry["file"], entry["dtype"], entry["shape"], entry.get("sample")
    if not isinstance(file, str):
        raise TypeError("an output's file is no text")
    file = file.removeprefix(f"{OUTPUTS}/")
    if not _FILE.fullmatch(file):
        raise ValueError(f"file {file[:80]!r} is no plain name in {OUTPUTS}/")
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ValueError(f"dtype {str(dtype)[:40]!r} is none of {', '.join(ITEM_BYTES)}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS + 1:
        raise TypeError("an output's shape is no list of sizes")
    sizes = tuple(count_of(size) for size in shape)
    made = OutputFile(short_text(entry["name"]), file, dtype, sizes, None if sample is None else count_of(sample))
    if made.size_bytes > MOST_OUTPUT_BYTES:
        raise ValueError(f"output {made.name[:80]!r} of shape {str(made.shape)[:80]} is over {MOST_OUTPUT_BYTES} bytes")
    return made


def _time(value: Any, name: str) -> int:
    """A time that was measured; never 0, which a clock says that is too coarse."""
    if count_of(value) < 1 or value > MOST_NS:
        raise ValueError(f"{name} holds {value} ns, which is no time that was measured; is its clock too coarse?")
    return int(value)


def _optional_time(found: Mapping[str, Any], name: str) -> int | None:
    return None if found.get(name) is None else _time(found[name], name)


def _stage(found: Mapping[str, Any], name: str) -> tuple[int, ...] | None:
    """Times of what is done around each inference, as many; 0 where nothing was."""
    if found.get(name) is None:
        return None
    times = tuple(count_of(value) for value in found[name])
    if len(times) != len(found.get("inference_ns", [])) or any(time > MOST_NS for time in times):
        raise ValueError(f"{name} has not one time for each of 'inference_ns'")
    return times


def _placement(entry: Any, requested: str) -> Placement | None:
    """A placement whose numbers agree with each other."""
    if entry is None:
        return None
    placement = read_placement(entry, requested)
    if not placement.proven:
        raise ValueError("placement.proven is empty; leave the placement out where nothing is proven")
    left = sum(placement.left_over.values())
    if placement.delegated + left != placement.nodes:
        raise ValueError(f"placement has {placement.nodes} nodes, {placement.delegated} delegated and {left} left over")
    return placement


def _memory(found: Mapping[str, Any]) -> dict[str, float]:
    if len(found) > MOST_MEMORY:
        raise ValueError("memory has more than 16 entries")
    for name, value in found.items():
        if len(name) > 80 or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
            raise ValueError(f"memory {name[:80]!r} is no number from 0 on")
    return {printable(name).replace("\n", " "): value for name, value in found.items()}
