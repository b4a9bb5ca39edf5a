"""An agent that a board's kernel kills for lack of memory: told with the signal, the likely cause, and what is free."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.board import memory
from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import AgentDiedError
from pytest_edgedevice.runners.aftermath import aftermath_of
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.little_memory import little_memory
from tests.peers.plain_sshd import NAME, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
LITTLE_BYTES = 4 << 20
LOAD = {"delegate": "cpu", "delegate_options": {}, "threads": 1, "engine": "", "allow_fallback": False}


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SshTransport]:
    with (
        plain_sshd(tmp_path / "board") as sshd,
        SshTransport(NAME, program=sshd.program, python=sys.executable) as transport,
    ):
        yield transport


def agent_on(link: SshTransport) -> AgentClient:
    bundle, aftermath = agent_bundle(), aftermath_of(link)
    path = link.place(bundle.content, timeout_s=30)
    started = link.start(link.agent_command(path))
    return AgentClient(started, where=NAME, sha256=bundle.sha256, aftermath=aftermath)


def death_of_memory(link: SshTransport, group: Path) -> AgentDiedError:
    """What is told of an agent that needs more memory than there is to load a model."""
    pushed = link.push(ADD, timeout_s=30)
    agent = agent_on(link)
    group.write_text(str(agent.hello["pid"]), encoding="ascii")
    with pytest.raises(AgentDiedError) as caught:
        agent.request("load", {"sha256": pushed.sha256, **LOAD}, timeout_s=60)
    return caught.value


def death_by(link: SshTransport, number: int) -> AgentDiedError:
    """What is told of an agent that somebody sends a signal."""
    agent = agent_on(link)
    os.kill(agent.hello["pid"], number)
    with pytest.raises(AgentDiedError, match=signal.Signals(number).name) as caught:
        agent.request("facts", timeout_s=60)
    return caught.value


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of processes with little memory."""
    with little_memory(LITTLE_BYTES) as path:
        yield path


@pytest.mark.cgroup
def test_an_agent_that_was_killed_for_lack_of_memory_says_so_and_how_much_is_free(
    link: SshTransport, group: Path
) -> None:
    told = death_of_memory(link, group)
    assert f"the agent on {NAME} died by SIGKILL during 'load'" in told.message
    assert re.search(r"memory: its kernel has killed [1-9]\d* process(es)? for lack of memory", told.message)
    assert re.search(r"\d+ MB of memory are free now, \d+ were when it started, of \d+", told.details["memory"])
    assert "memory" in told.hint


@pytest.mark.cgroup
def test_a_board_goes_on_after_one_agent_was_killed_for_lack_of_memory(link: SshTransport, group: Path) -> None:
    death_of_memory(link, group)
    device = Device(link, name="board")
    assert device.load(ADD, delegate="cpu").info.inputs
    device.close()


def test_an_agent_that_somebody_killed_is_told_with_the_memory_that_is_free(link: SshTransport) -> None:
    assert "MB of memory are free now" in death_by(link, signal.SIGKILL).details["memory"]


def test_any_other_signal_has_nothing_to_do_with_memory(link: SshTransport) -> None:
    assert "memory" not in str(death_by(link, signal.SIGILL))


MEMINFO = "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    {available} kB\n"


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """What the kernel tells of memory."""
    meminfo, vmstat = tmp_path / "meminfo", tmp_path / "vmstat"
    monkeypatch.setattr(memory, "MEMINFO", str(meminfo))
    monkeypatch.setattr(memory, "VMSTAT", str(vmstat))
    meminfo.write_text(MEMINFO.format(available=1000), encoding="ascii")
    vmstat.write_text("nr_free_pages 12\noom_kill 3\n", encoding="ascii")
    return meminfo, vmstat


@pytest.mark.parametrize(
    ("kills", "said"),
    [
        (3, "its kernel has killed nothing for lack of memory meanwhile"),
        (4, "its kernel has killed 1 process for lack of memory meanwhile"),
        (9, "its kernel has killed 6 processes for lack of memory meanwhile"),
    ],
)
def test_kills_are_counted_from_the_start_of_the_program(lists: tuple[Path, Path], kills: int, said: str) -> None:
    before = memory.Memory()
    lists[0].write_text(MEMINFO.format(available=5_000_000), encoding="ascii")
    lists[1].write_text(f"oom_kill {kills}\n", encoding="ascii")
    free = "5120 MB of memory are free now, 1 were when it started, of 8192"
    assert memory.Memory().since(before) == f"{said}; {free}"


def test_a_kernel_that_tells_nothing_is_not_quoted(lists: tuple[Path, Path]) -> None:
    for one in lists:
        one.unlink()
    assert memory.Memory().since(memory.Memory()) == ""


def test_an_old_kernel_tells_only_what_is_free(lists: tuple[Path, Path]) -> None:
    lists[1].write_text("nr_free_pages 12\n", encoding="ascii")
    lists[0].write_text("MemAvailable: 2000000 kB\nodd line\n", encoding="ascii")
    assert memory.Memory().since(memory.Memory()) == "2048 MB of memory are free now, 2048 were when it started"
