"""What the native agent's runner brings to a device, and how it starts the agent there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceLostError, InfraError, TransportError, UsageError
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.runners.backend import LoadRequest, Site
from pytest_edgedevice.runners.native.program import NativeProgram
from pytest_edgedevice.transports.base import Completed
from pytest_edgedevice.transports.local import LocalTransport, local_facts
from tests.native.builds import agent_of
from tests.native.conftest import litert_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_edgedevice.transports.base import Pushed
    from pytest_edgedevice.transports.pipes import ChildProcess
    from pytest_edgedevice.values import Fact

ADD = Path(__file__).parents[3] / "fixtures" / "tiny" / "add_float32.tflite"


class Rack(LocalTransport):
    """This machine as if it were another one; notes what it is asked."""

    kind = "rack"
    chmod: Completed | None = None
    own: Mapping[str, Fact] = {}

    def __init__(self, base: Path) -> None:
        super().__init__(base=base)
        self.pushes: list[str] = []
        self.ran: list[list[str]] = []
        self.started: list[list[str]] = []

    def facts(self) -> Mapping[str, Fact]:
        return {**local_facts(), **self.own}

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        self.pushes.append(source.name)
        return super().push(source, timeout_s=timeout_s)

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        self.ran.append(list(arguments))
        return self.chmod or super().run(arguments, timeout_s=timeout_s, stdin=stdin)

    def start(self, arguments: Sequence[str]) -> ChildProcess:
        self.started.append(list(arguments))
        return super().start(arguments)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    with Rack(tmp_path / "rack") as link:
        yield link


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Not executable, as files out of a package registry or a network share are."""
    path = tmp_path / "agent"
    shutil.copyfile(agent_of().path, path)
    return path


def files(link: LocalTransport) -> list[Path]:
    """What was brought to a device."""
    return [path for path in Path(link.folder).iterdir() if len(path.name) == 64]


def site(link: LocalTransport) -> Site:
    return Site(link, "rack", 60.0)


def test_both_files_are_brought_once_and_started_by_where_they_are(rack: Rack, program: Path) -> None:
    runner = AgentRunner(NativeProgram(program=program, runtime=str(litert_library())))
    for _ in range(2):
        runner.load(site(rack), LoadRequest(ADD)).close()
    assert [name for name in rack.pushes if name != ADD.name] == ["agent", "libLiteRt.so"]
    (command,) = {tuple(words) for words in rack.started}
    assert rack.ran == [["chmod", "0700", command[0]]]
    assert (command[1:5], command[5]) == (("--folder", rack.folder, "--wipe", "--runtime"), command[5])
    assert {str(Path(command[at]).parent) for at in (0, 5)} == {rack.folder}


def test_after_a_lost_link_they_are_brought_again(rack: Rack, program: Path, tmp_path: Path) -> None:
    runner = AgentRunner(NativeProgram(program=program, runtime=str(litert_library())))
    runner.check(site(rack))
    rack.close()
    runner.forget()
    with Rack(tmp_path / "again") as again:
        runner.check(site(again))
        assert again.pushes == ["agent", "libLiteRt.so"]


def test_variables_are_set_by_env_and_a_library_on_the_device_is_named(rack: Rack, program: Path) -> None:
    native = NativeProgram(program=program, runtime="device:/no/lib.so", environment={"A": "b c", "D": ""})
    native.start(site(rack)).kill()
    ((*first, folder, _),) = [[*words[:3], words[5], words[-1]] for words in rack.started]
    assert (first, folder) == (["env", "A=b c", "D="], rack.folder)
    assert rack.started[0][-2:] == ["--runtime", "/no/lib.so"]
    assert rack.pushes == ["agent"]


def test_a_gpu_delegate_beside_the_library_is_brought_along(rack: Rack, program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name in ("libtensorflowlite_c.so", "libtensorflowlite_gpu_jni.so"):
        shutil.copyfile(litert_library() if "gpu" not in name else program, folder / name)
    NativeProgram(program=program, runtime=str(folder / "libtensorflowlite_c.so")).start(site(rack)).kill()
    words = rack.started[0]
    assert rack.pushes == ["agent", "libtensorflowlite_c.so", "libtensorflowlite_gpu_jni.so"]
    assert Path(words[words.index("--gpu") + 1]).read_bytes() == program.read_bytes()


@pytest.mark.parametrize("shell", [True, False])
def test_a_device_without_chmod_may_start_what_it_is_brought(
    rack: Rack, program: Path, monkeypatch: pytest.MonkeyPatch, shell: bool
) -> None:
    """Where its link makes programs of files."""

    def runs(_link: Rack, words: Sequence[str], **_: object) -> Completed:
        Path(words[-1]).chmod(0o700)
        if shell:
            return Completed(127, b"", b"chmod: not found")
        raise TransportError("cannot run 'chmod': No such file or directory")

    monkeypatch.setattr(Rack, "run", runs)
    AgentRunner(NativeProgram(program=program, runtime=str(litert_library()))).check(site(rack))


def test_a_device_that_is_lost_meanwhile_is_lost(rack: Rack, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(*_: object, **__: object) -> Completed:
        raise DeviceLostError("the cable was pulled")

    monkeypatch.setattr(Rack, "run", runs)
    with pytest.raises(DeviceLostError):
        NativeProgram(program=program, runtime="device:/no/lib.so").start(site(rack))


def test_a_chmod_that_fails_is_told(rack: Rack, program: Path) -> None:
    rack.chmod = Completed(1, b"", b"chmod: Read-only\x1b[2J file system\n")
    with pytest.raises(TransportError, match="rack: the native agent cannot be made executable") as raised:
        NativeProgram(program=program, runtime="device:/no/lib.so").start(site(rack))
    assert "\x1b" not in raised.value.message


def test_nothing_travels_where_one_of_them_cannot_run_there(rack: Rack, program: Path) -> None:
    rack.own = {"android": True, "abi": "arm64-v8a"}
    with pytest.raises(UsageError, match="and rack is android-arm64-v8a"):
        NativeProgram(program=program).start(site(rack))
    assert (rack.pushes, rack.ran, rack.started) == ([], [], [])


def test_a_device_that_does_not_say_what_it_is_is_told(rack: Rack) -> None:
    rack.own = {"arch": ""}
    with pytest.raises(InfraError, match="rack does not tell its processor"):
        NativeProgram().start(site(rack))


def test_on_this_machine_files_are_used_where_they_are_and_a_program_is_copied_to_become_one(
    program: Path, tmp_path: Path
) -> None:
    with LocalTransport(base=tmp_path / "base") as link:
        native = NativeProgram(program=program, runtime=str(litert_library()))
        AgentRunner(native).check(site(link))
        assert [path.read_bytes() for path in files(link)] == [program.read_bytes()]
    program.chmod(0o700)
    with LocalTransport(base=tmp_path / "base") as link:
        AgentRunner(NativeProgram(program=program, runtime=str(litert_library()))).check(site(link))
        assert files(link) == []
