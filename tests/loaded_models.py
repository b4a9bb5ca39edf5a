"""A loaded model as tests make it: over an agent that they started themselves, without a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.runners.agent_backend import AgentBackend
from pytest_edgedevice.runners.backend import Site
from pytest_edgedevice.runners.loaded import LoadedModel

if TYPE_CHECKING:
    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.values import ModelInfo, Placement


def loaded_model(client: AgentClient, info: ModelInfo, placement: Placement, *, timeout_s: float) -> LoadedModel:
    """The model that this agent has loaded."""
    no_link: Any = None
    site = Site(no_link, "desk", timeout_s)
    backend = AgentBackend(client, info, timeout_s=timeout_s)
    return LoadedModel(backend, info=info, placement=placement, site=site, load_ms=1)
