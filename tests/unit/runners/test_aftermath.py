"""What a device's logs say of a death travels with the error: cut, printable, and never in its place."""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import AgentDiedError, DeadlineError, DeviceLostError, InfraError
from pytest_edgedevice.runners.aftermath import MOST_CHARS, MOST_SHOWN_LINES, MOST_TEXTS, add_aftermath, aftermath_of
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def died(told: Mapping[str, str], *, show: bool = True) -> AgentDiedError:
    error = AgentDiedError("the agent on pixel died by SIGSEGV", hint="load it again")
    add_aftermath(error, lambda _: told, 7, show=show)
    return error


def test_the_last_lines_stand_between_message_and_hint() -> None:
    error = died({"logcat": "F libc: Fatal signal 11\n"})
    assert str(error) == (
        "the agent on pixel died by SIGSEGV\n  logcat: F libc: Fatal signal 11\n  hint: load it again"
    )
    assert error.details == {"logcat": "F libc: Fatal signal 11"}


def test_long_logs_are_cut_and_all_texts_get_their_share() -> None:
    lines = "\n".join(f"line {number}" for number in range(100_000))
    error = died({"logcat": lines, "tombstone": lines, "empty": " \n"})
    shown = error.message.splitlines()[1:]
    assert [MOST_CHARS - len(text) < 20 for text in error.details.values()] == [True] * 2
    assert len(shown) == MOST_SHOWN_LINES
    assert [shown[5], shown[-1]] == ["  logcat: line 99999", "  tombstone: line 5"]


def test_of_a_tombstone_signal_and_frames_are_shown() -> None:
    start = "*** ***\nBuild fingerprint: 'x'\n"
    tombstone = f"{start}signal 6 (SIGABRT), code -1\nAbort message: 'no'\n    x0  00\n#00 pc 012 lib.so"
    assert died({"tombstone": tombstone}).message.splitlines()[1:] == [
        "  tombstone: signal 6 (SIGABRT), code -1",
        "  tombstone: Abort message: 'no'",
        "  tombstone: #00 pc 012 lib.so",
    ]


def test_what_could_steer_a_terminal_is_taken_out() -> None:
    error = died({"log\x1b[2Jcat\n": "a\x1b]0;x\x07b\x00\u202ec\r"})
    assert list(error.details) == ["log [2Jcat "]
    assert all(char.isprintable() or char == "\n" for char in str(error) + "".join(error.details.values()))


def test_a_device_that_tells_without_end_is_cut_short() -> None:
    error = died({f"{number}" * 99: "x" * 1000 for number in range(100)})
    assert len(error.details) == MOST_TEXTS
    assert max(map(len, error.details)) <= 40
    assert max(map(len, error.message.splitlines())) < 220


def test_a_loss_keeps_its_one_line() -> None:
    error = died({"logcat": "bye"}, show=False)
    assert (error.message, error.details) == ("the agent on pixel died by SIGSEGV", {"logcat": "bye"})


def test_a_device_that_does_not_answer_any_more_hides_no_death() -> None:
    def silent(_: int | None) -> Mapping[str, str]:
        raise DeadlineError("no answer")

    error = AgentDiedError("died")
    add_aftermath(error, silent, None)
    assert (str(error), error.details) == ("died", {})


def test_details_survive_the_way_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(died({"logcat": "bye"})))
    assert (str(again), again.details) == (str(died({"logcat": "bye"})), {"logcat": "bye"})


def test_a_link_is_asked_for_what_happened_since_the_process_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int | None, float]] = []

    def aftermath(_: object, pid: int | None, since: float) -> Mapping[str, str]:
        asked.append((pid, since))
        return {}

    monkeypatch.setattr(LocalTransport, "aftermath", aftermath)
    before = time.time()
    with LocalTransport(base=tmp_path) as link:
        asks = aftermath_of(link)
        after = time.time()
        asks(7)
    ((pid, since),) = asked
    assert pid == 7
    assert before <= since <= after


def test_a_link_without_logs_of_its_own_tells_nothing(tmp_path: Path) -> None:
    with LocalTransport(base=tmp_path) as link:
        assert (link.aftermath(1, 0.0), link.conditions()) == ({}, {})


class Ending:
    """A process on a device that ends before it says anything."""

    pid = 4711

    def __init__(self, error: Exception | None) -> None:
        self.stream = self
        self._error = error

    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        del view, timeout_s
        if self._error:
            raise self._error
        return 0

    def wait(self, *, timeout_s: float) -> int:
        del timeout_s
        return -11

    def stderr_since(self, mark: int) -> tuple[str, int]:
        return "last words", mark

    def kill(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "the agent on pixel died by SIGSEGV during 'start'\n  stderr: last words\n  logcat: of 4711"),
        (DeviceLostError("pixel is lost"), "pixel is lost"),
    ],
)
def test_an_agent_that_ends_or_is_lost_brings_its_devices_log(error: Exception | None, said: str) -> None:
    process: Any = Ending(error)
    with pytest.raises(InfraError) as raised:
        AgentClient(process, where="pixel", aftermath=lambda pid: {"logcat": f"of {pid}"})
    assert raised.value.message == said
    assert raised.value.details == {"logcat": "of 4711"}
