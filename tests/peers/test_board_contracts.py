"""The link and the agent under their contracts on another machine: ARM64, another libc, a user without privileges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.testing import AgentContract, StartAgent, TransportContract
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.board import Board, start_board

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.board

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


class Link:
    """One connection for many tests, since an emulated board takes seconds for each."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._link = self._connect()

    def open(self) -> SshTransport:
        """The connection, or another one if a test has closed it."""
        try:
            self._link.run(["true"], timeout_s=30)
        except TransportError:
            self._link = self._connect()
        return self._link

    def close(self) -> None:
        self._link.close()

    def _connect(self) -> SshTransport:
        return SshTransport(self.board.name, program=self.board.program)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    with start_board(tmp_path_factory.mktemp("board"), name="kitchen") as board:
        shared = Link(board)
        yield shared
        shared.close()
        assert board.left() == []


class TestBoardTransport(TransportContract):
    @pytest.fixture
    def transport(self, link: Link) -> SshTransport:
        return link.open()


class TestBoardAgent:
    """What another machine may change; agents on this one live the whole contract."""

    test_the_hello_tells_what_it_serves = AgentContract.test_the_hello_tells_what_it_serves
    test_a_blob_arrives_in_chunks = AgentContract.test_a_blob_arrives_in_chunks
    test_a_model_runs = AgentContract.test_a_model_runs
    test_requests_may_be_sent_ahead = AgentContract.test_requests_may_be_sent_ahead
    test_a_series_has_the_length_that_was_asked_for = AgentContract.test_a_series_has_the_length_that_was_asked_for

    @pytest.fixture
    def start_agent(self, link: Link) -> StartAgent:
        transport = link.open()

        def start() -> AgentClient:
            bundle = agent_bundle()
            path = transport.place(bundle.content, timeout_s=30)
            return AgentClient(transport.start(transport.agent_command(path)), where="kitchen", sha256=bundle.sha256)

        return start

    @pytest.fixture
    def add_model(self) -> bytes:
        return (TINY / "add_float32.tflite").read_bytes()
