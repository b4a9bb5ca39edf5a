"""Models that may stay between sessions: by content, proven at each use, capped, private; nothing else stays."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeadlineError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog, open_device
from pytest_edgedevice.transports import cache
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from pytest_edgedevice.transports.base import Pushed

MODELS = f"edgedevice-models-{os.getuid()}"
MODEL = b"model" * 1000
SHA256 = hashlib.sha256(MODEL).hexdigest()
CAP = 1_000_000


def pushed(root: Path, content: bytes = MODEL, *, cap: int = CAP) -> Pushed:
    """Push a model in a session of its own, and use it there."""
    source = root.parent / "source"
    source.write_bytes(content)
    with LocalTransport(base=root, cache_bytes=cap) as link:
        done = link.push(source, timeout_s=30)
        assert Path(link.folder, done.sha256).read_bytes() == content
    return done


def kept(root: Path) -> list[str]:
    """The models that are cached; there is nothing else."""
    assert {path.name for path in root.iterdir()} <= {MODELS}
    return sorted(path.name for path in (root / MODELS).iterdir()) if (root / MODELS).exists() else []


def content(number: int, size: int = 1000) -> bytes:
    return number.to_bytes(4, "little") * (size // 4)


def name(number: int) -> str:
    return hashlib.sha256(content(number)).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "device"


def test_a_model_stays_and_is_not_sent_by_the_next_session(root: Path) -> None:
    assert pushed(root).sent_bytes == len(MODEL)
    assert kept(root) == [SHA256]
    assert pushed(root).sent_bytes == 0


def test_what_a_crash_of_the_machine_left_of_a_model_is_replaced(root: Path) -> None:
    pushed(root)
    (root / MODELS / SHA256).write_bytes(b"torn")
    assert pushed(root).sent_bytes == len(MODEL)
    assert pushed(root).sent_bytes == 0


def test_nothing_stays_without_a_cache(root: Path) -> None:
    pushed(root, cap=0)
    assert list(root.iterdir()) == []


def test_a_session_without_a_cache_removes_what_stayed_and_the_default_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = tmp_path / "model"
    source.write_bytes(MODEL)
    with LocalTransport(cache_bytes=CAP) as link:
        assert link.push(source, timeout_s=30).sha256 == SHA256
    assert kept(tmp_path / f"edgedevice-{os.getuid()}") == [SHA256]
    LocalTransport().close()
    assert list(tmp_path.iterdir()) == [source]


def test_the_cache_is_closed_to_others_even_if_somebody_opened_it(root: Path) -> None:
    pushed(root)
    assert (root / MODELS).stat().st_mode & 0o777 == 0o700
    (root / MODELS).chmod(0o755)
    pushed(root)
    assert (root / MODELS).stat().st_mode & 0o777 == 0o700


def test_inputs_and_agents_never_stay(root: Path) -> None:
    with LocalTransport(base=root, cache_bytes=CAP) as link:
        link.place(b"an input", timeout_s=30)
    assert kept(root) == []


@pytest.mark.parametrize("size", [CAP + 1, 0])
def test_a_model_that_does_not_fit_or_is_empty_does_not_stay(root: Path, size: int) -> None:
    pushed(root, bytes(size))
    assert kept(root) == []


def test_the_least_recently_used_makes_room(root: Path) -> None:
    for number in (1, 2, 3):
        pushed(root, content(number), cap=3500)
        os.utime(root / MODELS / name(number), ns=(number, number))
    pushed(root, content(1), cap=3500)
    pushed(root, content(4), cap=3500)
    assert kept(root) == sorted([name(1), name(3), name(4)])


def test_a_smaller_cap_is_kept_at_the_end_of_the_next_session(root: Path) -> None:
    for number in (1, 2, 3):
        pushed(root, content(number))
    LocalTransport(base=root, cache_bytes=2000).close()
    assert len(kept(root)) == 2


@pytest.mark.parametrize("spoilt", [b"x" * len(MODEL), MODEL[:-1] + b"x"])
def test_a_cached_file_that_is_not_what_its_name_says_is_replaced(root: Path, spoilt: bytes) -> None:
    pushed(root)
    (root / MODELS / SHA256).write_bytes(spoilt)
    assert pushed(root).sent_bytes == len(MODEL)
    assert (root / MODELS / SHA256).read_bytes() == MODEL


def test_a_file_that_was_cut_by_a_power_failure_is_replaced(root: Path) -> None:
    pushed(root)
    (root / MODELS / SHA256).write_bytes(MODEL[:10])
    pushed(root, MODEL[:10])
    assert pushed(root).sent_bytes == len(MODEL)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_in_the_cache_is_not_used(root: Path, tmp_path: Path, kind: str) -> None:
    (root / MODELS).mkdir(mode=0o700, parents=True)
    odd = root / MODELS / SHA256
    if kind == "link":
        (tmp_path / "elsewhere").write_bytes(MODEL)
        odd.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.mkdir()
    (root / MODELS / ("0" * 64)).write_bytes(bytes(len(MODEL)))  # so that one of this size is there
    assert pushed(root).sent_bytes == len(MODEL)


@pytest.mark.parametrize("kind", ["link", "file", "foreign"])
def test_a_cache_that_is_no_folder_of_ours_is_not_used(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        (root / MODELS).symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        (root / MODELS).touch()
    else:
        (root / MODELS).mkdir()
        monkeypatch.setattr(os, "geteuid", lambda: 4_000_001)
    for _ in range(2):
        assert pushed(root).sent_bytes == len(MODEL)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPERM, errno.EMLINK, errno.EXDEV])
def test_a_file_system_that_cannot_keep_a_model_fails_no_push(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    pushed(root)
    assert kept(root) == []


def test_a_model_that_is_evicted_while_it_is_used_stays_for_its_session(root: Path, tmp_path: Path) -> None:
    pushed(root)
    with LocalTransport(base=root, cache_bytes=CAP) as link:
        used = link.push(tmp_path / "source", timeout_s=30)
        LocalTransport(base=root).close()
        assert not (root / MODELS).exists()
        assert Path(link.folder, used.sha256).read_bytes() == MODEL


def test_a_model_that_is_evicted_while_it_is_looked_at_is_sent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed(root)
    real = os.link

    def late(*arguments: Any, **keywords: Any) -> None:
        (root / MODELS / SHA256).unlink(missing_ok=True)
        real(*arguments, **keywords)

    monkeypatch.setattr(os, "link", late)
    assert pushed(root).sent_bytes == len(MODEL)


def test_a_model_that_vanishes_while_the_cache_is_listed_is_not_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(root)
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: [*real(folder), "f" * 64])
    assert pushed(root).sent_bytes == 0


def test_a_cached_model_that_is_not_hashed_in_time_is_late_and_stays(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(root)

    def late(*_: object) -> str:
        raise DeadlineError("late")

    monkeypatch.setattr(cache, "hash_of", late)
    with LocalTransport(base=root, cache_bytes=CAP) as link:
        with pytest.raises(DeadlineError, match="late"):
            link.push(tmp_path / "source", timeout_s=30)
        assert [path.name for path in Path(link.folder).iterdir()] == ["owner.lock"]
    assert kept(root) == [SHA256]


def test_sessions_at_the_same_time_share_one_cache_within_its_cap(root: Path, tmp_path: Path) -> None:
    def session(number: int) -> None:
        source = tmp_path / f"model{number}"
        source.write_bytes(content(number % 5))
        with LocalTransport(base=root, cache_bytes=3500) as link:
            for _ in range(3):
                placed = link.push(source, timeout_s=30)
                assert Path(link.folder, placed.sha256).read_bytes() == content(number % 5)

    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(session, range(40)):
            pass
    LocalTransport(base=root, cache_bytes=3500).close()
    assert len(kept(root)) in (1, 2, 3)
    assert all(hashlib.sha256((root / MODELS / one).read_bytes()).hexdigest() == one for one in kept(root))


def test_a_session_that_is_killed_leaves_nothing_half_written_in_the_cache(root: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from pytest_edgedevice.transports import placing
from pytest_edgedevice.transports.local import LocalTransport
placing.hash_of = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
link = LocalTransport(base=Path({str(root)!r}), cache_bytes={CAP})
link.push(Path({str(tmp_path / "source")!r}), timeout_s=30).sha256
"""
    (tmp_path / "source").write_bytes(MODEL)
    killed = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    LocalTransport(base=root, cache_bytes=CAP).close()
    assert kept(root) == []


def test_the_device_file_allows_a_cache(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "edgedevice.toml").write_text(
        f'[devices.desk]\nspec = "local"\nfolder = "{root}"\ncache_mb = 1\n', encoding="utf-8"
    )
    (tmp_path / "source").write_bytes(MODEL)
    with open_device("desk", catalog=Catalog(load_inventory(tmp_path))) as device:
        assert device.push(tmp_path / "source").sha256 == SHA256
    assert kept(root) == [SHA256]
