"""A board over SSH as ``open_device`` gives it: by spec and by name, leased here and there."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DeviceBusyError, DeviceNotFoundError, TransportError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.leases import Holder, acquire, who
from pytest_edgedevice.opening import Catalog, guarding, links
from pytest_edgedevice.spec import parse_expression
from pytest_edgedevice.testing.device import until
from pytest_edgedevice.transports.ssh import transport as ssh
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.contract.processes import command_line
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
LATE = "removing what a session that crashed left did not end in time"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        (server.folder / "locks").mkdir(mode=0o777)
        yield server


@pytest.fixture
def alone(sshd: PlainSshd) -> PlainSshd:
    """The board once no test before has a connection any more: some are kept for a while for whoever may come."""
    until(lambda: not sshd.sessions())
    return sshd


@pytest.fixture
def catalog(sshd: PlainSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A device file with the board, and an ssh that knows it."""
    monkeypatch.setenv("PATH", f"{sshd.wrapper(tmp_path / 'bin')}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    (tmp_path / "edgedevice.toml").write_text(
        f'''
        [devices.rack]
        spec = "ssh:{NAME}"
        python = "{sys.executable}"
        folder = "{tmp_path}/on the board"
        tags = ["camera"]
        [devices.gone]
        spec = "ssh:127.0.0.1:1"
        '''
    )
    return Catalog(load_inventory(tmp_path))


def test_a_model_runs_on_a_named_board_and_nothing_is_left_there(catalog: Catalog, tmp_path: Path) -> None:
    with open_device("rack", catalog=catalog) as device:
        inputs = {name: np.ones((3, 4), np.float32) for name in "ab"}
        assert (device.load(ADD).run(inputs).outputs["sum"] == 2).all()  # type: ignore[union-attr]
        assert device.facts["camera"] is True
        assert device.facts["ssh"] is True
    assert list((tmp_path / "on the board").iterdir()) == []


def test_a_board_is_found_by_its_facts_and_those_that_are_away_are_passed_over(catalog: Catalog) -> None:
    with open_device("ssh and linux and camera", catalog=catalog) as device:
        assert device.name == "rack"
    with open_device("ssh", catalog=catalog) as device:
        assert device.name == "rack"


def test_a_board_that_is_away_is_told_in_the_words_of_ssh(catalog: Catalog) -> None:
    with pytest.raises(TransportError, match="Connection refused"):
        open_device("gone", catalog=catalog)


def test_a_kind_without_any_board_says_how_to_name_one() -> None:
    with pytest.raises(DeviceNotFoundError, match="no board"):
        open_device("ssh", catalog=Catalog())


def test_the_board_itself_knows_who_holds_it(
    catalog: Catalog, sshd: PlainSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device("rack", catalog=catalog, holder=Holder(user="ada", pid=1, host="lab")) as device:
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(sshd.folder / "locks"))
        holder = who(device.identity)
        assert holder is not None
        assert (holder.user, holder.host) == ("ada", "lab")
    assert who(device.identity) is None


def test_a_board_that_somebody_uses_on_the_board_itself_is_busy(
    catalog: Catalog, sshd: PlainSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = catalog.candidates(catalog.parse("rack"))[0].identity
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(sshd.folder / "locks"))
    waits: list[str] = []
    with acquire(key, holder=Holder(user="eve", pid=5, host="board"), wait_s=0):
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
        with pytest.raises(DeviceBusyError, match="eve"):
            open_device("rack", catalog=catalog, on_wait=lambda waiting: waits.append(str(waiting)))
    assert "eve" in waits[0]
    assert who(key) is None  # the lease here is handed back


def test_one_connection_asks_and_opens(catalog: Catalog, alone: PlainSshd) -> None:
    (candidate,) = catalog.candidates(catalog.parse("rack"))
    before = alone.sessions()
    with candidate.connect() as link:
        assert alone.sessions() == before
        assert link.identity() == candidate.identity
    with candidate.connect() as again:
        assert again.identity() == candidate.identity


def test_a_connection_that_nobody_comes_for_is_closed(
    catalog: Catalog, alone: PlainSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "KEPT_S", 0.0)
    (candidate,) = catalog.candidates(catalog.parse("rack"))
    until(lambda: not alone.sessions())
    with candidate.connect() as link:
        assert link.run(["true"], timeout_s=30).returncode == 0


def test_a_board_is_not_asked_before_it_is_needed(catalog: Catalog, alone: PlainSshd) -> None:
    assert catalog.seen(catalog.parse("rack")) == []
    assert alone.sessions() == []
    catalog.candidates(catalog.parse("rack"))[0].connect().close()
    assert [one.name for one in catalog.seen(catalog.parse("rack"))] == ["rack"]


def test_what_is_required_is_looked_up_in_the_boards_facts(catalog: Catalog) -> None:
    with pytest.raises(DeviceNotFoundError, match="cores"):
        open_device("rack", catalog=catalog, requires=[parse_expression("cores>=4096")])


def test_a_board_that_was_cut_off_is_connected_to_again_with_its_lock(
    catalog: Catalog, sshd: PlainSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device("rack", catalog=catalog) as device:
        device.load(ADD)
        sshd.cut()
        device.reconnect(wait_s=60)
        assert device.load(ADD).info.inputs
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(sshd.folder / "locks"))
        assert who(device.identity) is not None


def test_a_board_whose_old_helper_holds_its_lock_for_long_is_waited_for(
    catalog: Catalog, alone: PlainSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "LEAST_AFTER_CRASH_S", 0.0)
    monkeypatch.setattr(ssh, "CLOSE_S", 0.1)
    refused: list[DeviceBusyError] = []

    def guard(link: SshTransport, record: bytes, **settings: Any) -> Sequence[str]:
        try:
            return guard_of(link, record, **settings)
        except DeviceBusyError as error:
            if not refused:
                os.kill(helper, signal.SIGCONT)
            refused.append(error)
            raise

    with open_device("rack", catalog=catalog) as device:
        (helper,) = (pid for pid in alone.sessions() if b"python" in command_line(pid).partition(b"\0")[0])
        guard_of = SshTransport.guard
        monkeypatch.setattr(SshTransport, "guard", guard)
        os.kill(helper, signal.SIGSTOP)
        device.reconnect(wait_s=60)
        assert refused
        assert device.load(ADD).info.inputs


def test_a_helper_answers_also_where_it_cannot_clean_in_time(catalog: Catalog, tmp_path: Path) -> None:
    (candidate,) = catalog.candidates(catalog.parse("rack"))
    dead = tmp_path / "on the board" / "edgedevice-session-dead"
    with candidate.connect() as link:
        dead.mkdir()
        (dead / "owner.lock").touch()
        assert isinstance(link, SshTransport)
        reply = link._ask({"op": "clean", "folder": str(dead), "timeout_s": -1}, timeout_s=30)
        assert (reply["op"], reply["message"]) == ("failed", LATE)
        assert link.run(["true"], timeout_s=30).returncode == 0
