"""A board over SSH under the contracts: an OpenSSH server on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.testing import AgentContract, StartAgent, TransportContract
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        yield server


@pytest.fixture
def transport(sshd: PlainSshd) -> Iterator[SshTransport]:
    with SshTransport(NAME, program=sshd.program, python=sys.executable) as link:
        yield link


class TestSshTransport(TransportContract):
    @pytest.fixture
    def transport(self, transport: SshTransport) -> SshTransport:
        return transport


class TestSshAgent:
    """What a link may break; agents on this machine live the whole contract."""

    test_a_blob_arrives_in_chunks = AgentContract.test_a_blob_arrives_in_chunks
    test_a_model_runs = AgentContract.test_a_model_runs
    test_requests_may_be_sent_ahead = AgentContract.test_requests_may_be_sent_ahead

    @pytest.fixture
    def start_agent(self, transport: SshTransport) -> StartAgent:
        def start() -> AgentClient:
            bundle = agent_bundle()
            path = transport.place(bundle.content, timeout_s=30)
            return AgentClient(transport.start(transport.agent_command(path)), where=NAME, sha256=bundle.sha256)

        return start

    @pytest.fixture
    def add_model(self) -> bytes:
        return (TINY / "add_float32.tflite").read_bytes()
