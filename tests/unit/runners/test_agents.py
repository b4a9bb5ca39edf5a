"""Models on their way to an agent: what it says that it does not take never travels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateImpossibleError, ModelError
from pytest_edgedevice.runners.agents import Agent, AgentRunner
from pytest_edgedevice.runners.app import AppRunner
from tests.unit.runners.app_standin import Cable, StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.backend import Runner, Site
    from pytest_edgedevice.transports.base import Process


class Listening(Agent):
    """One that is reached by a port, over a link that can push nothing."""

    name, sha256 = "listening", ""

    def __init__(self, port: int) -> None:
        self._port = port

    def start(self, site: Site) -> Process:
        return site.link.open_port(self._port, timeout_s=site.timeout_s)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "net.mlpackage"
    folder.mkdir()
    (folder / "Manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize("by_app", [False, True])
def test_a_folder_is_not_sent_to_an_agent_that_takes_none(package: Path, by_app: bool) -> None:
    with StandIn(lambda app, talk: app.serve(talk, folders=False)) as standin:
        runner: Runner = AppRunner(port=standin.port) if by_app else AgentRunner(Listening(standin.port))
        with Device(Cable(), name="phone", facts={}, runner=runner) as device, pytest.raises(ModelError) as raised:
            device.load(package)
    assert raised.value.message.endswith("is a folder, and the agent on phone, with coreml 8.0, takes none")
    assert set(standin.operations()) == {"bye"}


def test_nothing_is_sent_to_an_app_that_can_never_make_the_delegate(package: Path) -> None:
    with StandIn(lambda app, talk: app.serve(talk, delegates=["default"])) as standin:
        runner = AppRunner(port=standin.port)
        with Device(Cable(), name="phone", facts={}, runner=runner) as device, pytest.raises(DelegateImpossibleError):
            device.load(package, delegate="all")
    assert set(standin.operations()) == {"bye"}
