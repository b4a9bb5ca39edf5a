"""Agents that lie, flood, stall and die: each gives its typed error in time and leaves no process."""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.errors import AgentDiedError, DeadlineError, EdgeDeviceError, ProtocolError
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.runners.replies import read_load
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.pipes import ChildProcess
from tests.loaded_models import loaded_model
from tests.peers.hostile_agent import HELLOS, LOADS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tests.peers.hostile_agent as a; "
ONE = np.zeros((1, 4), np.float32)


class Agents:
    """Starts hostile agents and remembers them."""

    def __init__(self) -> None:
        self.processes: list[ChildProcess] = []

    def start(self, fault: str, *, timeout_s: float = PATIENCE_S) -> AgentClient:
        process = ChildProcess([sys.executable, "-c", START + f"a.main({fault!r})"])
        self.processes.append(process)
        return AgentClient(process, where="desk", sha256="right", timeout_s=timeout_s)

    def load(self, fault: str, *, timeout_s: float = PATIENCE_S) -> LoadedModel:
        client = self.start(fault)
        loaded = read_load(client, client.request("load", timeout_s=PATIENCE_S).header, requested="cpu")
        info = loaded.info("m.tflite", Pushed("0" * 64, 1, 1), 1)
        return loaded_model(client, info, loaded.placement, timeout_s=timeout_s)


@pytest.fixture
def agents() -> Iterator[Agents]:
    started = Agents()
    yield started
    statuses = [process.wait(timeout_s=0) for process in started.processes]
    for process in started.processes:
        process.kill()
    assert None not in statuses, "an agent outlived its error"


def test_an_agent_without_fault_is_served(agents: Agents) -> None:
    with agents.load("none") as model:
        assert np.asarray(model.run(ONE).outputs["y"]).tolist() == [[0, 0, 0, 0]]


def test_what_a_login_shell_says_is_skipped(agents: Agents) -> None:
    agents.load("polite chatter").close()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("other version", "speaks protocol 2, this host 1\n  hint: install the same version"),
        ("version is true", "speaks protocol True"),
        ("other hash", "is not the one that was sent"),
        ("not a hello", "speaks protocol"),
        ("no window", "lacks 'engines' or 'window'"),
        ("window is text", "lacks 'engines' or 'window'"),
        ("no engines", "lacks 'engines' or 'window'"),
        ("hello with a payload", "payload of 1 bytes is over the limit of 0"),
        ("chatter without end", "no agent answered, but b'Welcome to Linux!"),
    ],
)
def test_a_greeting_that_is_wrong_is_a_breach_of_the_protocol(agents: Agents, fault: str, text: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        agents.start(fault)
    assert text in str(raised.value)


def test_every_wrong_hello_is_tried() -> None:
    assert len(HELLOS) == 7


def test_an_agent_that_never_greets_is_late(agents: Agents) -> None:
    with pytest.raises(DeadlineError, match=r"the agent on desk did not answer 'start' within 0.5 s and was ended"):
        agents.start("silent", timeout_s=0.5)


def test_an_agent_that_ends_before_it_greets_is_explained_without_its_colours(agents: Agents) -> None:
    with pytest.raises(AgentDiedError) as raised:
        agents.start("exits")
    assert str(raised.value) == (
        "the agent on desk ended with exit code 3 during 'start'\n  stderr: [31mno module named numpy"
    )


@pytest.mark.parametrize("fault", LOADS)
def test_a_description_that_is_malformed_is_a_breach_of_the_protocol(agents: Agents, fault: str) -> None:
    with pytest.raises(ProtocolError, match="desk: "):
        agents.load(fault)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("larger output", "payload of 16392 bytes is over the limit of 24"),
        ("other shape", "output 'y' of shape (4, 1), announced was (1, 4)"),
        ("other dtype", "output 'y' as int32, announced was float32"),
        ("missing output", "does not have 1 samples of output 'y'"),
        ("extra output", "an output 'z' that the model does not have"),
        ("no sample axis", "output 'y' without a sample axis"),
        ("ragged", "output 'y' of shape (4, 1), announced was (1, 4)"),
        ("no times", "lacks the time of each sample"),
        ("times of another dtype", "lacks the time of each sample"),
        ("times of another count", "lacks the time of each sample"),
        ("payload too short", "needs 8 bytes, the payload has 0 left"),
        ("payload too long", "8 bytes that no tensor claims"),
        ("unknown role", "unknown role 'boss'"),
        ("output twice", "payload has"),
        ("bad magic", "expected a frame, got b'HTTP/1.1"),
        ("promises a gigabyte", "payload of 1073741824 bytes is over the limit of 24"),
        ("floods its output", "expected a frame"),
        ("other number", "expected the reply to run 2, got"),
        ("other operation", "expected the reply to run 2, got"),
        ("other count", "has 2 samples instead of 1"),
        ("refusal of another", "expected the reply to run 2, got"),
        ("unknown kind of error", "the agent failed in 'run'"),
    ],
)
def test_a_reply_that_is_wrong_is_a_breach_of_the_protocol(agents: Agents, fault: str, text: str) -> None:
    model = agents.load(fault)
    with pytest.raises(ProtocolError) as raised:
        model.run(ONE)
    assert text in str(raised.value)
    assert str(raised.value).replace("\n", "").isprintable()


def test_every_wrong_reply_is_tried() -> None:
    assert len(RUNS) == 14


@pytest.mark.parametrize(
    ("fault", "text"),
    [("dies mid-frame", "died by SIGKILL during 'run'"), ("closes its output but lives", "closed its stream")],
)
def test_an_agent_that_ends_is_explained(agents: Agents, fault: str, text: str) -> None:
    with pytest.raises(AgentDiedError, match=text):
        agents.load(fault).run(ONE)


@pytest.mark.parametrize("fault", ["says nothing", "dribbles"])
def test_a_reply_that_does_not_end_is_late_however_many_bytes_trickle_in(agents: Agents, fault: str) -> None:
    model = agents.load(fault, timeout_s=0.5)
    start = time.monotonic()
    with pytest.raises(DeadlineError, match=r"did not answer 'run' within 0.5 s"):
        model.run(ONE)
    assert time.monotonic() - start < PATIENCE_S / 3  # dribbling to the end would take longer


def test_a_hundred_megabytes_of_standard_error_are_neither_kept_nor_in_the_way(agents: Agents) -> None:
    with agents.load("floods standard error", timeout_s=120) as model:
        tracemalloc.start()
        try:
            model.run(ONE)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 1 << 20


def test_an_agent_that_was_ended_is_not_used_again(agents: Agents) -> None:
    model = agents.load("bad magic")
    with pytest.raises(ProtocolError):
        model.run(ONE)
    with pytest.raises(AgentDiedError, match="the agent on desk has ended; load the model again"):
        model.run(ONE)


def test_an_interrupted_wait_ends_the_agent(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    model = agents.load("says nothing")
    monkeypatch.setattr(agents.processes[0].stream, "receive_into", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.run(ONE)
    with pytest.raises(EdgeDeviceError, match="load the model again"):
        model.run(ONE)
