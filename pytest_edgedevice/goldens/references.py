"""The references of a golden: an NPZ file with one array a server output.

Owns how members map to outputs: ``name`` holds all samples along the first axis;
``name/0`` to ``name/(n-1)`` hold one sample each, for outputs whose shapes vary.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from pytest_edgedevice.goldens.document import Document, unknown_names
from pytest_edgedevice.goldens.files import Archives, Stored, members
from pytest_edgedevice.goldens.samples import Samples, stack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

T = TypeVar("T")


def find(document: Document, samples: int) -> dict[str, list[Stored]]:
    """The stored arrays of each server output: one array, or one a sample. No values are read.

    Raises:
        GoldenError: The file is missing or damaged, or an output's number of samples is wrong.
    """
    place = document.references
    if place is None:
        return {}
    found = grouped(members(place, place.text()), samples, literal=document.outputs)
    if not found:
        place.fail(f"{place.text()} holds no array", hint="record the references again")
    for name, arrays in found.items():
        shape = arrays[0].shape
        if len(arrays) == 1 and not _ragged_name(arrays[0], name) and shape[:1] != (samples,):
            place.fail(
                f"reference {name!r} has shape {shape}, but the golden has {samples} samples",
                hint="samples run along the first axis; record the references again",
            )
    _check_names(document, found)
    return found


def read(arrays: list[Stored], name: str) -> Samples:
    """The values of one server output."""
    if len(arrays) == 1 and not _ragged_name(arrays[0], name):
        return arrays[0].read()
    with Archives() as archives:
        return stack([one.read(archives) for one in arrays])


def grouped(arrays: Mapping[str, T], samples: int, *, literal: Collection[str]) -> dict[str, list[T]]:
    """Collect ``name/0`` to ``name/(n-1)`` under ``name``; everything else stands for itself.

    A group is one only if it is complete, has nothing beyond, and no plain array has its name.
    Names in ``literal`` (the keys of ``outputs``) are always taken as they stand.
    """
    parts: dict[str, set[str]] = {}
    for name in arrays:
        if (match := re.fullmatch(r"(.+)/(0|[1-9][0-9]{0,8})", name)) and name not in literal:
            parts.setdefault(match[1], set()).add(name)
    found: dict[str, list[T]] = {}
    for base, names in parts.items():
        wanted = ragged_members(base, samples)
        if names == set(wanted) and base not in arrays:
            found[base] = [arrays[one] for one in wanted]
    taken = {name for base in found for name in parts[base]}
    return found | {name: [array] for name, array in arrays.items() if name not in taken}


def ragged_members(name: str, samples: int) -> list[str]:
    """Names of an output's members where each sample has one of its own."""
    return [f"{name}/{index}" for index in range(samples)]


def device_names(document: Document, servers: Iterable[str]) -> dict[str, str]:
    """Server output name to device output name; identity where the document says nothing."""
    return {server: document.outputs.get(server, server) for server in servers}


def _ragged_name(array: Stored, name: str) -> bool:
    return array.member != name


def _check_names(document: Document, found: Collection[str]) -> None:
    root = document.root
    if document.outputs:
        unknown_names(root.child("outputs"), document.outputs, found, what="output in the references")
    if document.constant_outputs:
        place = root.child("constant_outputs")
        unknown_names(place, document.constant_outputs, found, what="output in the references")
    taken: dict[str, str] = {}
    for server, device in device_names(document, found).items():
        if device in taken:
            root.child("outputs").fail(
                f"{server!r} and {taken[device]!r} both become {device!r}",
                hint="give each its own device output",
            )
        taken[device] = server
