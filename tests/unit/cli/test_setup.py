"""``edgedevice setup``: asks, does all of it or nothing, does nothing twice, and takes it away again."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent import sites
from pytest_edgedevice.cli import main, setup
from pytest_edgedevice.cli.boards import asking, placing, there, trying
from pytest_edgedevice.cli.boards.downloading import Source
from pytest_edgedevice.cli.boards.looks import Look, Site, Tried
from pytest_edgedevice.errors import DeviceFullError
from pytest_edgedevice.inventory.known import recall
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.base import Completed, Pushed
from pytest_edgedevice.transports.local import local_identity
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.unit.cli.made import elf, engine_wheels, wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETUP = ("setup", "ssh:there")


class BoardHere:
    """Answers for the program on the board, in this process, which has the board's home and programs as well.

    What becomes of this machine's own engines is tried once, by a process as ever; of brought ones each time.
    """

    def __init__(self) -> None:
        self._own: dict[tuple[str, bool], dict[str, str]] = {}

    def probe(self, engine: str, folders: list[str], *, load: bool = True) -> dict[str, str]:
        if folders:
            return trying.probe(engine, folders, load=load)
        if (engine, load) not in self._own:
            self._own[engine, load] = trying.probe(engine, folders, load=load)
        return dict(self._own[engine, load])

    def run(self, words: list[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        assert words[:2] == ["python3", "-I"]
        request, mask = json.loads(stdin), os.umask(0o022)
        try:
            answer = there.look(request) if request["op"] == "look" else placing.work(request)
        finally:
            os.umask(mask)
        return Completed(0, json.dumps(answer).encode(), b"")


@pytest.fixture(scope="module")
def board_here() -> BoardHere:
    return BoardHere()


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, board_here: BoardHere) -> None:
    """Take all wheels of a folder, as pip would, and answer for the board: both take long, and have tests of their own.

    The helper and the agent there are real.
    """

    def all_of(engine: str, look: Look, *, wheels: Path, folder: Path) -> list[Source]:
        return [Source(path.name, path.as_uri(), "") for path in sorted(wheels.iterdir())]

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(setup, "resolve", all_of)
        monkeypatch.setattr(SshTransport, "run", lambda self, words, **options: board_here.run(words, **options))
        for module in (there, placing):
            monkeypatch.setattr(module, "probe", board_here.probe)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return engine_wheels(tmp_path / "wheels")


@pytest.fixture
def site(board: Path) -> Path:
    return board / ".local/share/edgedevice/site" / sites.kind()


def run(*more: str | Path) -> int:
    return main([*SETUP, *map(str, more)])


@pytest.mark.slow  # the real pip
def test_the_agent_finds_what_was_brought(
    site: Path, wheels: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("--wheels", wheels, "--yes") == 0
    shown = capsys.readouterr().out
    assert "litert for ssh:there: ai_edge_litert 9.9, numpy 1.0" in shown
    assert "MB to send" in shown
    assert f"litert is on ssh:there now, in {site}" in shown
    assert (site / "ai_edge_litert/interpreter.py").exists()
    main(["doctor", "ssh:there"])
    assert f"9.9 loads, from {site}, with numpy 1.0" in capsys.readouterr().out
    assert list((tmp_path / "temp").iterdir()) == []


def test_a_second_run_changes_nothing(site: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--wheels", wheels, "--yes")
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(site.rglob("*.py"))]
    assert run("--wheels", wheels) == 0
    assert "has the same wheels already" in capsys.readouterr().out
    assert [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(site.rglob("*.py"))] == before


def test_other_wheels_replace_them(
    site: Path, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--wheels", wheels, "--yes")
    assert run("--wheels", engine_wheels(tmp_path / "newer", version="9.10"), "--yes") == 0
    assert "what is there now will be replaced" in capsys.readouterr().out
    assert [path.name for path in site.glob("ai_edge_litert-*")] == ["ai_edge_litert-9.10.dist-info"]


def test_removing_takes_it_away(site: Path, board: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--wheels", wheels, "--yes")
    assert run("--remove") == 0
    assert f"removed {site} from ssh:there" in capsys.readouterr().out
    assert not (board / ".local").exists()


def test_removing_what_is_not_there_is_fine(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--remove") == 0
    assert "there is nothing to remove" in capsys.readouterr().out


def test_an_engine_that_is_there_already_is_left_alone(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "has litert already: " in capsys.readouterr().out
    assert not (board / ".local").exists()


def test_without_a_terminal_it_needs_a_yes(board: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--wheels", wheels) == 1
    assert "to do it, run: edgedevice setup ssh:there --yes" in capsys.readouterr().err
    assert not (board / ".local").exists()


@pytest.mark.parametrize(("says", "code"), [(True, 0), (False, 1)])
def test_on_a_terminal_it_asks(
    site: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, says: bool, code: int
) -> None:
    monkeypatch.setattr(setup, "is_terminal", lambda: True)
    monkeypatch.setattr(setup, "agreed", lambda _: says)
    assert run("--wheels", wheels) == code
    assert site.exists() is says


def test_an_engine_that_does_not_load_there_leaves_nothing(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = engine_wheels(tmp_path / "wheels", interpreter=b"raise ImportError('GLIBCXX_3.4.99 not found')")
    assert run("--wheels", broken, "--yes") == 1
    assert "litert does not load on ssh:there: ImportError: GLIBCXX_3.4.99 not found" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_an_engine_that_kills_its_process_is_told_by_the_signal(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deadly = engine_wheels(tmp_path / "wheels", interpreter=b"import os; os.kill(os.getpid(), 4)")
    assert run("--wheels", deadly, "--yes") == 1
    assert "importing ai_edge_litert.interpreter was killed by SIGILL" in capsys.readouterr().err


def test_an_engine_that_does_not_load_leaves_the_one_that_does(site: Path, wheels: Path, tmp_path: Path) -> None:
    run("--wheels", wheels, "--yes")
    broken = engine_wheels(tmp_path / "broken", version="9.10", interpreter=b"raise ImportError('no')")
    assert run("--wheels", broken, "--yes") == 1
    assert [path.name for path in site.glob("ai_edge_litert-*")] == ["ai_edge_litert-9.9.dist-info"]
    assert [path.name for path in site.parent.iterdir()] == [sites.kind()]


def test_a_disk_that_is_full_leaves_nothing(
    board: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = asking.Board.ask

    def full(self: asking.Board, operation: str, **request: Any) -> dict[str, Any]:
        if operation == "unpack":
            raise DeviceFullError("no space left on there")
        return ask(self, operation, **request)

    monkeypatch.setattr(asking.Board, "ask", full)
    assert run("--wheels", wheels, "--yes") == 1
    assert "no space left on there" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_an_agent_that_finds_no_engine_leaves_nothing(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = engine_wheels(tmp_path / "wheels")
    monkeypatch.setattr("pytest_edgedevice.runners.client.check_hello", lambda *_, **__: {"engines": {}})
    assert run("--wheels", folder, "--yes") == 1
    assert "the agent on ssh:there finds no litert" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_a_file_that_changes_while_it_is_sent_is_refused(
    board: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "pytest_edgedevice.transports.ssh.transport.SshTransport.push", lambda *_, **__: Pushed("0" * 64, 1, 1)
    )
    assert run("--wheels", wheels, "--yes") == 1
    assert "changed while it was sent" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_a_wheel_that_leaves_its_folder_never_travels(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = engine_wheels(tmp_path / "wheels")
    with zipfile.ZipFile(next(folder.glob("numpy*")), "a") as archive:
        archive.writestr("../../evil.py", b"")
    assert run("--wheels", folder, "--yes") == 1
    assert "would leave its folder" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_libraries_for_another_machine_never_travel(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = engine_wheels(tmp_path / "wheels")
    wheel(folder, "numpy", "1.0", files={"numpy/__init__.py": b"", "numpy/core.so": elf("armv7l")})
    assert run("--wheels", folder, "--yes") == 1
    assert "numpy-1.0-py3-none-any.whl is built for armv7l" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_a_board_that_is_in_use_is_waited_for_and_named(
    board: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with acquire(local_identity(), holder=Holder(user="ada", pid=12, host="lab1"), wait_s=0):
        assert run("--wheels", wheels, "--yes", "--wait", "0") == 1
    assert "ada (pid 12 on lab1)" in capsys.readouterr().err
    assert not (board / ".local").exists()


def test_a_folder_of_the_device_file_is_where_packages_go(
    board: Path, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'[devices.kitchen]\nspec = "ssh:there"\nfolder = "{tmp_path}/disk"\n'
    (tmp_path / "edgedevice.toml").write_text(text)
    assert main(["setup", "kitchen", "--wheels", str(wheels), "--yes"]) == 0
    assert (tmp_path / "disk/site" / sites.kind() / "numpy/__init__.py").exists()
    assert main(["setup", "kitchen", "--remove"]) == 0
    assert not (tmp_path / "disk/site").exists()


def test_whoever_was_reached_is_known_afterwards(board: Path) -> None:
    assert recall("ssh:there") is None
    run("--remove")
    known = recall("ssh:there")
    assert known is not None
    assert known.identity == local_identity()


def test_a_board_without_python_is_told_of_the_coming_way(
    board: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.kitchen]\nspec = "ssh:there"\npython = "python3.99"\n')
    assert main(["setup", "kitchen"]) == 1
    said = capsys.readouterr().err
    assert "there has no 'python3.99'" in said
    assert "the native agent" in said
    assert "There is " in said


def test_a_board_that_cannot_be_reached_is_told_in_sshs_words(
    board: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "programs/ssh").write_text("#!/bin/sh\necho 'ssh: connect: Connection refused' >&2\nexit 255\n")
    assert run() == 1
    assert "ssh: connect: Connection refused" in capsys.readouterr().err


GOOD = Look(
    python="3.11.2",
    implementation="cpython",
    machine="aarch64",
    libc="glibc 2.36",
    cxx=(3, 4, 30),
    kind="cpython-311-aarch64",
    engines={"litert": Tried(), "tflite": Tried()},
    sites=(Site("/home/pi/site/cpython-311-aarch64", writable=True, free_bytes=10**9),),
)


@pytest.fixture
def looks(board: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the board say that it is something else."""
    import dataclasses

    def say(**changes: Any) -> None:
        monkeypatch.setattr(setup, "look_at", lambda *_, **__: dataclasses.replace(GOOD, **changes))

    return say


@pytest.mark.parametrize(
    ("changes", "engine", "says"),
    [
        ({"machine": "riscv64"}, "", "architecture 'riscv64', for which no engine has wheels"),
        ({"machine": ""}, "", "architecture '(not told)'"),
        ({"implementation": "pypy"}, "", "runs pypy 3.11.2, for which there are no wheels"),
        ({"abi": "t", "python": "3.14.0"}, "", "runs cpython 3.14.0t"),
        ({"libc": "glibc 2.31"}, "litert", "litert does not fit ssh:there, which lacks glibc 2.34 (it has 2.31)"),
        ({"libc": "glibc 2.31"}, "litert", "what fits: --engine tflite"),
        ({"libc": "musl"}, "", "no engine fits ssh:there: litert needs glibc (it has musl)"),
        ({"machine": "armv7l"}, "litert", "there are no wheels of litert for armv7l"),
        ({"sites": (Site("/x/y"),)}, "", "/x/y cannot be made or written to"),
        ({"sites": ()}, "", "the folder for packages cannot be made"),
    ],
)
def test_a_board_that_cannot_have_it_is_told_why_before_anything_is_downloaded(
    looks: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    engine: str,
    says: str,
) -> None:
    looks(**changes)
    assert run("--yes", *(["--engine", engine] if engine else [])) == 1
    shown = capsys.readouterr()
    assert says in shown.err
    assert "finding" not in shown.out


def test_too_little_room_is_told_before_anybody_is_asked(
    looks: Callable[..., None], wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looks(sites=(Site("/home/pi/site/cpython-311-aarch64", writable=True, free_bytes=10),))
    assert run("--wheels", wheels) == 1
    assert "0 MB free" in capsys.readouterr().err


def test_an_engine_that_was_not_tried_because_somebody_measures_counts_as_there(
    looks: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    looks(engines={"litert": Tried("2.3.0"), "tflite": Tried()}, holder="ada (pid 3)")
    assert run() == 0
    assert "not tried while held by ada (pid 3)" in capsys.readouterr().out
