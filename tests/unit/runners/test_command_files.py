"""Files on a device by nothing but its own tools: coreutils', and busybox's and toybox's where those are installed.

Phones with toybox and devices with busybox alone run the same under the contract of devices.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import (
    ConfigError,
    ContractError,
    DeadlineError,
    DeviceFullError,
    DeviceLostError,
    InfraError,
    TransportError,
)
from pytest_edgedevice.runners import device_files, host_view
from pytest_edgedevice.runners.backend import Site
from pytest_edgedevice.runners.device_files import DeviceFolder
from pytest_edgedevice.runners.device_program import DeviceProgram
from pytest_edgedevice.runners.host_view import conditions_there, is_emulated
from pytest_edgedevice.transports.base import Completed
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.values import Fact

PATIENCE_S = 60.0
TOOLS = ("mkdir", "dd", "stat", "cat", "cp", "chmod", "ln", "rm")


FAMILIES = ["coreutils", *(name for name in ("busybox", "toybox") if shutil.which(name))]


@pytest.fixture(params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceFolder]:
    """A folder on a device that has these tools and no others."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        # Debian's toybox lacks dd, which Android's has
        own = request.param == "coreutils" or (request.param == "toybox" and tool == "dd")
        (tools / tool).symlink_to(str(shutil.which(tool if own else request.param)))
    with LocalTransport(base=tmp_path / "device") as link:
        monkeypatch.setenv("PATH", str(tools))
        made = DeviceFolder(link, f"{link.folder}/odd = name ü", timeout_s=PATIENCE_S)
        made.make("below")
        yield made
        made.remove()
        assert not Path(made.path).exists()


def test_what_was_put_is_read_bit_by_bit(folder: DeviceFolder) -> None:
    content = {"below/all": bytes(range(256)) * 300, "empty": b"", "lines": b"a\r\n\0b\n"}
    folder.put(content)
    assert folder.read(folder.sizes(list(content))) == content


def test_a_file_longer_than_one_call_may_give_is_read_in_pieces(
    folder: DeviceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_files, "AT_ONCE_BYTES", 2 << 20)
    content = {"a": b"a" * 100, "long": bytes(range(251)) * 20_000, "b": b"b" * (2 << 20), "c": b"c"}
    folder.put(content)
    assert folder.read(folder.sizes(list(content))) == content


def test_files_in_a_folder_are_found_there(folder: DeviceFolder) -> None:
    folder.put({f"below/{number}": bytes(number) for number in range(150)})
    sizes = folder.sizes([str(number) for number in range(200)], folder="below")
    assert sizes == {str(number): number for number in range(150)}
    assert folder.read(sizes, folder="below")["77"] == bytes(77)


def test_files_of_the_device_are_copied_with_their_permissions_and_named(folder: DeviceFolder) -> None:
    folder.put({"one": b"1"})
    folder.take({"two": f"{folder.path}/one"}, mode="755")
    folder.link_to("three", f"{folder.path}/one")
    assert Path(folder.path, "two").stat().st_mode & 0o777 == 0o755
    assert Path(folder.path, "three").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a symbolic link", lambda path: path.symlink_to("/etc/passwd")),
        ("a folder", lambda path: path.mkdir()),
        ("a named pipe", os.mkfifo),
    ],
)
def test_what_is_no_regular_file_is_refused(folder: DeviceFolder, kind: str, make: object) -> None:
    make(Path(folder.path, "odd"))  # type: ignore[operator]
    with pytest.raises(ContractError, match=f"odd is {kind}, not a regular file"):
        folder.sizes(["odd"])


def test_a_folder_that_became_a_link_is_not_entered(folder: DeviceFolder) -> None:
    below = Path(folder.path, "below")
    below.rmdir()
    below.symlink_to("/etc")
    with pytest.raises(ContractError, match="below is no folder any more"):
        folder.sizes(["passwd"], folder="below")


def test_a_tool_that_fails_is_said_with_its_words(folder: DeviceFolder) -> None:
    with pytest.raises(TransportError, match=r"'dd' failed in .* with exit code 1: .*absent"):
        folder.put({"absent/file": b"x"})
    with pytest.raises(TransportError, match="'cp' failed"):
        folder.take({"two": f"{folder.path}/absent"}, mode="755")


def test_a_file_that_shrank_is_not_taken_for_whole(folder: DeviceFolder) -> None:
    folder.put({"file": b"12345"})
    with pytest.raises(TransportError, match="gave 5 bytes where it had 9"):
        folder.read({"file": 9})


class Answers(LocalTransport):
    """A link whose programs answer as they are told."""

    def __init__(self, answers: Sequence[Completed]) -> None:
        super().__init__()
        self.answers = list(answers)

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        return self.answers.pop(0)


def test_a_full_device_is_said_as_such() -> None:
    full = Completed(1, b"", b"dd: writing: No space left on device\n")
    with Answers([full]) as link, pytest.raises(DeviceFullError, match="no space left on the device for /x"):
        DeviceFolder(link, "/x", timeout_s=PATIENCE_S).put({"a": b"1"})


def test_a_file_that_arrived_in_part_is_found() -> None:
    cut = Completed(0, b"41ed 40 /x\n81a4 3 /x/a\nnonsense\n", b"")
    answers = [Completed(0, b"", b""), cut]
    with Answers(answers) as link, pytest.raises(TransportError, match="of /x/a 3 of 4 bytes arrived"):
        DeviceFolder(link, "/x", timeout_s=PATIENCE_S).put({"a": b"1234"})


def test_a_task_has_one_deadline_for_all_its_calls() -> None:
    with Answers([]) as link, pytest.raises(DeadlineError, match=r"the files in /x took longer than 0 s"):
        DeviceFolder(link, "/x", timeout_s=0).make()


def test_removing_never_fails() -> None:
    with LocalTransport() as link:
        pass
    DeviceFolder(link, "/x", timeout_s=PATIENCE_S).remove()


class Cut(LocalTransport):
    """A link that fails in one way, and answers or does not."""

    error: Exception = TransportError("the link is gone")
    answers = False

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        if self.answers and arguments[0] == "true":
            return Completed(0, b"", b"")
        if arguments[0] in ("mkdir", "cp", "chmod"):
            return super().run(arguments, timeout_s=timeout_s, stdin=stdin)
        raise self.error


@pytest.mark.parametrize(
    ("error", "answers", "kind"),
    [
        (TransportError("cannot run 'x': Exec format error"), True, InfraError),
        (TransportError("the link is gone"), False, TransportError),
        (DeviceLostError("the cable is out"), True, DeviceLostError),
        (DeviceFullError("no space"), True, DeviceFullError),
    ],
)
def test_a_program_that_does_not_run_is_told_from_a_link_that_does_not(
    tmp_path: Path, error: Exception, answers: bool, kind: type[Exception]
) -> None:
    (tmp_path / "x").write_bytes(b"no program")
    started = DeviceProgram(tmp_path / "x")
    with Cut() as link:
        link.error, link.answers = error, answers
        where = Site(link, "desk", PATIENCE_S)
        started.place(where)
        with pytest.raises(kind) as raised:
            started.run(where, [], operation="run", timeout_s=PATIENCE_S)
    assert type(raised.value) is kind


def test_a_path_with_an_equals_sign_cannot_be_given_variables(tmp_path: Path) -> None:
    (tmp_path / "a=b").write_text("#!/bin/sh\n")
    started = DeviceProgram(tmp_path / "a=b", environment={"A": "1"})
    with LocalTransport(base=tmp_path / "device") as link:
        where = Site(link, "desk", PATIENCE_S)
        started.place(where)
        with pytest.raises(ConfigError, match="holds '=', so that it cannot be given an environment"):
            started.run(where, [], operation="run", timeout_s=PATIENCE_S)


class Elsewhere(LocalTransport):
    """A link to a device of which this host sees little."""

    kind = "ssh"
    emulated = True

    def facts(self) -> dict[str, Fact]:
        return {"emulated": True} if self.emulated else {}

    def conditions(self) -> dict[str, Fact]:
        return {"battery_percent": 80}


def test_of_another_device_the_load_is_seen_and_what_its_link_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    with Elsewhere() as link:
        seen = conditions_there(link, timeout_s=PATIENCE_S)
        assert (set(seen), seen["emulated"], is_emulated(link)) == (
            {"emulated", "load_1min", "battery_percent"},
            True,
            True,
        )
        link.emulated = False
        monkeypatch.setattr(host_view, "LOAD", "/absent")
        assert conditions_there(link, timeout_s=PATIENCE_S) == {"battery_percent": 80}
