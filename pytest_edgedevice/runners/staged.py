"""Send the user's code to an agent, and read what each part of it took."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import ITEM_BYTES, WireError, split_tensors
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.findings import Stages
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.latency import sample_quantile
from pytest_edgedevice.runners.samples import packed

if TYPE_CHECKING:
    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.values import Array

PARTS = ("before", "inference", "after")
MOST_MODULE_BYTES = 4 << 20
SETTLE_RUNS = 3


def module_content(given: str | os.PathLike[str]) -> bytes:
    """The user's code.

    Raises:
        InputError: It is no path, no file, or too large.
    """
    if not isinstance(given, str | os.PathLike):
        raise InputError(f"module is the path of a Python file, not {type(given).__name__} {shown(given)}")
    path = Path(given)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for, and a device may have no end
            raise InputError(f"module {str(path)!r} is no file")
        with path.open("rb") as file:
            content = file.read(MOST_MODULE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"module {str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not 0 < len(content) <= MOST_MODULE_BYTES:
        raise InputError(
            f"module {str(path)!r} is empty, or has more than the {MOST_MODULE_BYTES} bytes that can be sent"
        )
    return content


def raw_sample(sample: Any) -> dict[str, Array]:
    """One sample as it is, whatever the model wants: name to array.

    Raises:
        InputError: It is no mapping, or a value is no array of numbers.
    """
    if not isinstance(sample, Mapping):
        raise InputError(f"preprocess needs a sample to begin with, name to array, not {type(sample).__name__}")
    arrays: dict[str, Array] = {}
    for name, value in sample.items():
        try:
            array: Array = np.asarray(value)
        except Exception as error:  # an object's own __array__ may raise anything
            raise InputError(f"{name!r} is not an array: {error}") from error
        if array.dtype.name not in ITEM_BYTES or not array.dtype.isnative:
            raise InputError(f"{name!r} is {array.dtype}, which cannot be sent: give arrays of numbers")
        arrays[str(name)] = array
    return arrays


def ask_stages(
    client: AgentClient, module: bytes, sample: Mapping[str, Array], *, runs: int, seconds: float, timeout_s: float
) -> Stages:
    """See ``LoadedModel.stages``; the conditions are the caller's to add.

    Raises:
        InputError: The code failed, or made what the model does not take; the message is the code's.
        ProtocolError: The reply makes no sense; the agent is ended.
    """
    sha256 = hashlib.sha256(module).hexdigest()
    client.request("put", {"sha256": sha256, "offset": 0, "total": len(module)}, [module], timeout_s=timeout_s)
    entries, views = packed(sample)
    limits = {"runs": runs, "settle": SETTLE_RUNS, "max_ns": int(seconds * 1e9)}
    fields = {"sha256": sha256, **limits, "tensors": entries}
    frame = client.request(
        "stages", fields, views, timeout_s=timeout_s + seconds, max_reply_bytes=len(PARTS) * 8 * runs
    )
    try:
        parts = {part.name: part for part in split_tensors(frame.header, frame.payload)}
    except WireError as error:
        raise client.broken(f"cannot be read: {error}") from error
    series = []
    for name in PARTS:
        part = parts.get(f"{name}_ns")
        if part is None or part.dtype != "int64" or len(part.shape) != 1 or not 1 <= part.shape[0] <= runs:
            raise client.broken(f"has no series {name}_ns of 64-bit integers")
        series.append(np.frombuffer(part.data, np.int64))
    if len({len(one) for one in series}) != 1 or any(int(one.min()) < 0 for one in series):
        raise client.broken("has times below zero, or more of one part than of another")
    return summed_up(*series)


def summed_up(before: Any, inference: Any, after: Any) -> Stages:
    """Every stage and their sum, run by run; series of nanoseconds of one length."""
    total = np.sum([before, inference, after], axis=0)
    named = {"before": before, "inference": inference, "after": after, "total": total}
    series = {name: tuple(int(value) for value in one) for name, one in named.items()}
    p50_ms, p95_ms = (
        {name: sample_quantile(one, quantile) / 1e6 for name, one in series.items()} for quantile in (0.5, 0.95)
    )
    return Stages(series["before"], series["inference"], series["after"], p50_ms, p95_ms)
