"""Describe a .tflite model on this host, for runners whose program on the device does not.

The Python agent does it, in a process of its own, so that a broken model can crash nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.runners.backend import LoadRequest, Site
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.values import ModelInfo

SUFFIXES = (".tflite", ".lite")


@dataclass(frozen=True, slots=True)
class Described:
    """A model as this host's runtime reads it.

    Attributes:
        info: Its tensors and variant; engine and version are this host's.
        nodes: Operators that it executes.
    """

    info: ModelInfo
    nodes: int


def describe_here(source: Path, *, timeout_s: float) -> Described:
    """Read a model's tensors with this host's runtime.

    Args:
        source: The model's file.
        timeout_s: Deadline for each step, seconds.

    Raises:
        ModelError: The runtime cannot read it.
        MissingExtraError: No runtime is installed here.
        InfraError: Its process failed.
    """
    with LocalTransport() as link:
        request = LoadRequest(source, delegate="cpu", allow_fallback=True, timeout_s=timeout_s)
        with AgentRunner().load(Site(link, "this host", timeout_s), request) as model:
            return Described(model.info, model.placement.nodes)
