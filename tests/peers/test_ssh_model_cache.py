"""Models that stay on a board where the device file says so: given again when they are whole, gone when not asked."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DeviceLostError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
SIZES = [3000, 3 << 20]
"""One that is sent in one piece, and one in several."""
CAP = 8 << 20


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        yield server


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "on the board"


def opened(sshd: PlainSshd, base: Path, *, cache_bytes: int = CAP) -> SshTransport:
    return SshTransport(NAME, program=sshd.program, python=sys.executable, base=str(base), cache_bytes=cache_bytes)


def source(tmp_path: Path, size: int, name: str = "model") -> Path:
    path = tmp_path / name
    path.write_bytes(os.urandom(size))
    return path


def sources(tmp_path: Path) -> list[Path]:
    """A new model of each size."""
    return [source(tmp_path, size, f"model-{size}") for size in SIZES]


def stayed(base: Path) -> list[Path]:
    """The models that are kept, and nothing else of ours."""
    return sorted(path for path in base.rglob("*") if path.is_file())


def test_models_that_stayed_are_not_sent_again(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    models = sources(tmp_path)
    with opened(sshd, base) as link:
        assert [link.push(model, timeout_s=30).sent_bytes for model in models] == SIZES
    assert {path.read_bytes() for path in stayed(base)} == {model.read_bytes() for model in models}
    with opened(sshd, base) as link:
        for model in models:
            pushed = link.push(model, timeout_s=30)
            assert pushed.sent_bytes == 0
            assert (Path(link.folder) / pushed.sha256).read_bytes() == model.read_bytes()
            assert link.push(model, timeout_s=30).sent_bytes == 0


def test_other_models_of_those_sizes_are_sent(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    with opened(sshd, base) as link:
        for model in sources(tmp_path):
            link.push(model, timeout_s=30)
    with opened(sshd, base) as link:
        for model in sources(tmp_path):
            pushed = link.push(model, timeout_s=30)
            assert pushed.sent_bytes == model.stat().st_size
            assert pushed.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


def test_models_that_somebody_changed_there_are_sent_anew(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    models = sources(tmp_path)
    with opened(sshd, base) as link:
        for model in models:
            link.push(model, timeout_s=30)
    for kept in stayed(base):
        kept.write_bytes(bytes(kept.stat().st_size))
    with opened(sshd, base) as link:
        for model in models:
            pushed = link.push(model, timeout_s=30)
            assert pushed.sent_bytes == model.stat().st_size
            assert (Path(link.folder) / pushed.sha256).read_bytes() == model.read_bytes()


def test_a_model_that_is_a_link_to_elsewhere_is_not_taken(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    model = source(tmp_path, 3000)
    with opened(sshd, base) as link:
        link.push(model, timeout_s=30)
    (kept,) = stayed(base)
    kept.unlink()
    kept.symlink_to(model)
    with opened(sshd, base) as link:
        pushed = link.push(model, timeout_s=30)
        assert pushed.sent_bytes == 3000
        assert not (Path(link.folder) / pushed.sha256).is_symlink()


def test_inputs_never_stay(sshd: PlainSshd, base: Path) -> None:
    with opened(sshd, base) as link:
        link.place(b"secret", timeout_s=30)
        link.place(bytes(1 << 20), timeout_s=30)
    assert stayed(base) == []


def test_no_more_stays_than_may(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    first, second = source(tmp_path, 3 << 20, "first"), source(tmp_path, 3 << 20, "second")
    with opened(sshd, base, cache_bytes=4 << 20) as link:
        link.push(first, timeout_s=30)
        link.push(second, timeout_s=30)
        link.push(source(tmp_path, 5 << 20, "too large"), timeout_s=30)
    assert [path.read_bytes() for path in stayed(base)] == [second.read_bytes()]


@pytest.mark.parametrize("size", [0, 3000])
def test_without_leave_nothing_stays_and_what_stayed_is_removed(
    sshd: PlainSshd, base: Path, tmp_path: Path, size: int
) -> None:
    if size:
        with opened(sshd, base) as link:
            link.push(source(tmp_path, size), timeout_s=30)
        assert stayed(base)
    with opened(sshd, base, cache_bytes=0) as link:
        assert link.push(source(tmp_path, 3000, "new"), timeout_s=30).sent_bytes == 3000
    assert list(base.iterdir()) == []


def test_a_board_that_was_cut_off_still_has_the_model(sshd: PlainSshd, base: Path, tmp_path: Path) -> None:
    model = source(tmp_path, 3000)
    link = opened(sshd, base)
    link.push(model, timeout_s=30)
    sshd.cut()
    with pytest.raises(DeviceLostError):
        link.run(["true"], timeout_s=30)
    link.close()
    with opened(sshd, base) as again:
        assert again.push(model, timeout_s=30).sent_bytes == 0


def test_the_device_file_gives_leave(
    sshd: PlainSshd, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{sshd.wrapper(tmp_path / 'bin')}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    table = f'spec = "ssh:{NAME}"\npython = "{sys.executable}"\nfolder = "{base}"\ncache_mb = 5\n'
    (tmp_path / "edgedevice.toml").write_text(f"[devices.rack]\n{table}", encoding="utf-8")
    for sent_bytes in (ADD.stat().st_size, 0):
        with open_device("rack", catalog=Catalog(load_inventory(tmp_path))) as device:
            assert device.push(ADD).sent_bytes == sent_bytes
