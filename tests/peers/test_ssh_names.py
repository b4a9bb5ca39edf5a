"""Names with odd signs on a real server: paths there, paths here, arguments; links that somebody else has laid."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
ODD = ["a b", "it's", 'say "hi"', "$(touch broken)", "`touch broken`", "a;touch broken", "-rf", "*", "ü ✓", "~", "a\\b"]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        yield server


@pytest.fixture(scope="module")
def link(sshd: PlainSshd) -> Iterator[SshTransport]:
    """For the tests that leave it as it is, and apart from the folder that they look into."""
    with opened(sshd, base=str(sshd.folder / "apart")) as one:
        yield one


def opened(sshd: PlainSshd, *, base: str = "", python: str = sys.executable) -> SshTransport:
    return SshTransport(NAME, program=sshd.program, python=python, base=base)


def test_a_model_runs_in_folders_of_any_name_which_are_empty_afterwards(sshd: PlainSshd, tmp_path: Path) -> None:
    inner = tmp_path.joinpath(*ODD)
    link = opened(sshd, base=str(inner))
    with Device(link, name="board") as device:
        outputs = device.load(ADD).run({name: np.ones((1, 4), np.float32) for name in "ab"}).outputs
        assert np.asarray(outputs["sum"]).tolist() == [[2.0] * 4]
    assert list(inner.iterdir()) == []
    assert not list(tmp_path.rglob("broken"))


@pytest.mark.parametrize("name", [*ODD, "a\nb"])
def test_a_file_of_any_name_is_pushed(link: SshTransport, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(name.encode())
    pushed = link.push(source, timeout_s=30)
    assert (Path(link.folder) / pushed.sha256).read_bytes() == name.encode()


def test_an_interpreter_of_any_name_is_used(sshd: PlainSshd, tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*ODD)
    folder.mkdir(parents=True)
    python = folder / "py $(touch broken) 'thon"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with opened(sshd, python=str(python)) as link:
        assert link.run(["echo", "here"], timeout_s=30).stdout == b"here\n"
        assert link.agent_command("x")[0] == str(python)


def test_arguments_arrive_as_they_are(link: SshTransport) -> None:
    words = [*ODD, "a\nb", ""]
    done = link.run(["python3", "-c", "import sys; print(ascii(sys.argv[1:]))", *words], timeout_s=30)
    assert done.stdout.decode().strip() == ascii(words)


def test_a_folder_is_seen_from_the_home_folder_and_may_lead_upwards(sshd: PlainSshd, tmp_path: Path) -> None:
    way = os.path.relpath(tmp_path / "base", Path("~").expanduser())
    assert way.startswith("..")
    with opened(sshd, base=way) as link:
        assert Path(link.folder).parent == tmp_path / "base"
    with opened(sshd, base=str(tmp_path / "x" / ".." / "base")) as link:
        assert Path(link.folder).parent == tmp_path / "base"


def test_a_folder_of_our_name_that_is_a_link_is_refused(sshd: PlainSshd, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    trap = sshd.folder / "tmp" / f"edgedevice-{os.getuid()}"
    trap.symlink_to(precious)
    try:
        with pytest.raises(TransportError, match="is not a folder of ours"):
            opened(sshd)
    finally:
        trap.unlink()
    assert list(precious.iterdir()) == []


def test_links_in_a_session_are_removed_and_not_followed(sshd: PlainSshd, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "model").write_bytes(b"mine")
    with opened(sshd) as link:
        folder = Path(link.folder)
        (folder / "file").symlink_to(precious / "model")
        (folder / "folder").symlink_to(precious)
    assert not folder.exists()
    assert (precious / "model").read_bytes() == b"mine"


def test_a_part_that_is_a_link_is_not_gone_on_with(sshd: PlainSshd, tmp_path: Path) -> None:
    base, precious = tmp_path / "base", tmp_path / "precious"
    base.mkdir()
    precious.write_bytes(bytes(2 << 20))
    (base / f"edgedevice-part-{3 << 20}-{2 << 20}-{'a' * 64}").symlink_to(precious)
    source = tmp_path / "model"
    source.write_bytes(os.urandom(3 << 20))
    with opened(sshd, base=str(base)) as link:
        assert link.push(source, timeout_s=30).sent_bytes == 3 << 20
    assert precious.read_bytes() == bytes(2 << 20)
