"""This machine under the contracts, and what only a local link promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceFullError
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.testing import AgentContract, StartAgent, TransportContract
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TINY = ROOT / "fixtures" / "tiny"
HOST = textwrap.dedent("""
    import sys, threading, time
    from pathlib import Path
    from pytest_edgedevice.device import Device
    from pytest_edgedevice.transports.local import LocalTransport

    transport = LocalTransport(base=Path(sys.argv[1]))
    device = Device(transport, name="local")
    model = device.load(sys.argv[2], delegate="cpu")
    if len(sys.argv) > 3:
        import numpy as np
        steps = np.array([2**31 - 1], np.int32)
        threading.Thread(target=model.run, args=({"steps": steps},), kwargs={"timeout_s": 600}, daemon=True).start()
        stat = Path(f"/proc/{model._backend.client.hello['pid']}/stat")
        used = lambda: int(stat.read_text().rsplit(")", 1)[1].split()[11])
        before = used()
        while used() < before + 20:  # a fifth of a second of processor time: it computes
            time.sleep(0.01)
    print(transport.folder, model._backend.client.hello["pid"], flush=True)
    time.sleep(600)
""")


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(base=tmp_path / "device") as link:
        yield link


class TestLocalTransport(TransportContract):
    @pytest.fixture
    def transport(self, transport: LocalTransport) -> LocalTransport:
        return transport


@pytest.fixture(scope="class")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Agents that need not start from nothing: it is their answers that the contract is about."""
    with forked_agents(tmp_path_factory.mktemp("agents"), measured=True):
        yield


@pytest.mark.usefixtures("forked")
class TestLocalAgent(AgentContract):
    @pytest.fixture
    def start_agent(self, transport: LocalTransport) -> StartAgent:
        def start() -> AgentClient:
            bundle = agent_bundle()
            path = transport.place(bundle.content, timeout_s=30)
            return AgentClient(transport.start(transport.agent_command(path)), where="local", sha256=bundle.sha256)

        return start

    @pytest.fixture
    def add_model(self) -> bytes:
        return (TINY / "add_float32.tflite").read_bytes()


def test_an_agent_starts_from_its_source_too(transport: LocalTransport) -> None:
    """As a developer starts it; a pushed agent is one file."""
    command = [sys.executable, "-m", "pytest_edgedevice.agent.main", "--folder", transport.folder]
    client = AgentClient(transport.start(command), where="local")
    assert "facts" in client.request("facts", timeout_s=60).header
    client.close()


def test_the_folder_is_removed_at_close_and_its_programs_are_ended(tmp_path: Path) -> None:
    link = LocalTransport(base=tmp_path)
    process = link.start(["sleep", "987"])
    link.place(b"secret", timeout_s=30)
    link.close()
    assert (process.wait(timeout_s=30), list(tmp_path.iterdir())) == (-signal.SIGKILL, [])


def test_nobody_else_may_look_into_the_folder(transport: LocalTransport) -> None:
    assert Path(transport.folder).stat().st_mode & 0o077 == 0


def until_gone(*things: Path | int) -> None:
    """Wait until processes and files are gone; fails after half a minute."""
    deadline = time.monotonic() + 30
    while any(_is_there(thing) for thing in things):
        assert time.monotonic() < deadline, f"still there: {things}"
        time.sleep(0.01)


def _is_there(thing: Path | int) -> bool:
    if isinstance(thing, Path):
        return thing.exists()
    try:
        state = Path(f"/proc/{thing}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def killed_host(folder: Path, *arguments: str) -> tuple[Path, int]:
    """A host process that was killed once its model was loaded: the session's folder and the agent's number."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(folder), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with host:
        assert host.stdout is not None
        session, agent = host.stdout.readline().split()
        host.send_signal(signal.SIGKILL)
    return Path(session), int(agent)


@pytest.mark.parametrize("busy", [(), ("busy",)], ids=["idle", "in an inference"])
def test_the_agent_of_a_killed_host_goes_away_and_takes_the_folder_along(tmp_path: Path, busy: tuple[str]) -> None:
    session, agent = killed_host(tmp_path, str(TINY / "slow.tflite"), *busy)
    until_gone(agent, session)


def test_a_folder_whose_host_and_agent_were_killed_is_wiped_by_the_next_session(tmp_path: Path) -> None:
    left = tmp_path / "edgedevice-session-left"
    left.mkdir()
    (left / "owner.lock").touch()
    (left / "model").write_bytes(b"secret")
    with LocalTransport(base=tmp_path):
        assert not left.exists()


def test_a_session_that_is_in_use_is_not_wiped_by_another(transport: LocalTransport) -> None:
    with LocalTransport(base=Path(transport.folder).parent):
        assert Path(transport.folder).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.getuid() or sys.platform != "linux":
        pytest.skip("mounting needs root on Linux; the same is tested with injected faults in tests/unit/transports")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "edgedevice-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_left_of_the_file(small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(bytes(2 << 20))
    with LocalTransport(base=small_disk) as link:
        before = sorted(Path(link.folder).iterdir())
        with pytest.raises(DeviceFullError, match="no space left"):
            link.push(source, timeout_s=30)
        with pytest.raises(DeviceFullError, match="no space left"):
            link.place(bytes(2 << 20), timeout_s=30)
        assert sorted(Path(link.folder).iterdir()) == before


def test_an_agent_that_is_sent_more_than_fits_says_so(small_disk: Path) -> None:
    with LocalTransport(base=small_disk) as link:
        bundle = agent_bundle()
        path = link.place(bundle.content, timeout_s=30)
        agent = AgentClient(link.start(link.agent_command(path)), where="local")
        before = sorted(Path(link.folder).iterdir())
        fields = {"sha256": "0" * 64, "offset": 0, "total": 2 << 20}
        with pytest.raises(DeviceFullError, match="No space left"):
            agent.request("put", fields, [bytes(2 << 20)], timeout_s=30)
        assert sorted(Path(link.folder).iterdir()) == before
        agent.close()
