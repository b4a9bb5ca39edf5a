"""What can happen to a phone over adb, made to happen to a real adb daemon: cuts, freezes, full disks, reboots."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from pytest_edgedevice.errors import (
    DeadlineError,
    DeviceBusyError,
    DeviceFullError,
    DeviceLostError,
    DeviceNotFoundError,
    TransportError,
)
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases.holder import to_record
from pytest_edgedevice.transports.adb import keeper as adb_keeper
from pytest_edgedevice.transports.adb.transport import AdbTransport, list_devices
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.phone

ROOT = Path(__file__).parents[2]
CLIENT = textwrap.dedent("""
    import sys, time
    from pytest_edgedevice.leases import Holder
    from pytest_edgedevice.leases.holder import to_record
    from pytest_edgedevice.transports.adb import keeper as adb_keeper
    from pytest_edgedevice.transports.adb.transport import AdbTransport

    serial, port, ttl_s = sys.argv[1:]
    adb_keeper.TTL_S = int(ttl_s)
    link = AdbTransport(serial, server=("127.0.0.1", int(port)))
    link.guard(to_record(Holder(user="ada", pid=7, host="lab", since=1.0), key=link.identity()), wait_s=30)
    link.place(b"secret", timeout_s=30)
    link.start(["sh", "-c", "trap '' HUP TERM; setsid sleep 987 & sleep 986"])
    print(link.folder, flush=True)
    time.sleep(600)
""")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture(scope="module")
def lasting(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with start_phone(tmp_path_factory.mktemp("phone"), data_mb=64) as started:
        yield started


@pytest.fixture
def phone(server: AdbServer, lasting: Phone) -> Phone:
    server.connect(lasting)
    return lasting


def opened(server: AdbServer, phone: Phone, **more: str) -> AdbTransport:
    return AdbTransport(phone.address, server=("127.0.0.1", server.port), **more)  # type: ignore[arg-type]


@pytest.fixture
def link(server: AdbServer, phone: Phone) -> Iterator[AdbTransport]:
    with opened(server, phone) as transport:
        yield transport


def until(true: Callable[[], bool], what: str = "it") -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def sessions(phone: Phone) -> list[str]:
    return [name for name in phone.files() if name.startswith("edgedevice/")]


def ours(phone: Phone) -> list[str]:
    """Programs that tests have started there, and keepers."""
    return [words for words in phone.processes().values() if "sleep" in words or "EDGEDEVICE" in words]


def record(link: AdbTransport) -> bytes:
    return to_record(Holder(user="bob", pid=8, host="desk", since=2.0), key=link.identity())


class Client:
    """A process that holds the phone, has a file and programs there, and does nothing more."""

    def __init__(self, server: AdbServer, phone: Phone, ttl_s: int = 10) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, phone.address, str(server.port), str(ttl_s)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        self.folder = self.process.stdout.readline().strip()
        assert "/session-" in self.folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        with self.process:
            pass


def test_a_server_that_is_killed_during_a_program_is_a_lost_device_and_ends_the_program(
    server: AdbServer, phone: Phone
) -> None:
    link = opened(server, phone)
    process = link.start(["sh", "-c", "trap '' HUP; echo up; sleep 987"])
    process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
    server.kill()
    try:
        with pytest.raises(DeviceLostError, match="adb server does not answer"):
            process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
        until(lambda: not ours(phone), "the end of the programs")
        until(lambda: not sessions(phone), "the wiping")
    finally:
        server.start()
        link.close()


def test_output_that_was_cut_is_never_taken_for_output(server: AdbServer, phone: Phone) -> None:
    link = opened(server, phone)
    cutting = threading.Timer(0.3, server.kill)
    cutting.start()
    try:
        with pytest.raises(DeviceLostError):
            link.run(["sh", "-c", "echo half; sleep 987"], timeout_s=30)
    finally:
        cutting.join()
        server.start()
        link.close()


def test_after_a_loss_every_use_says_that_the_device_is_lost(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    link = opened(server, phone)
    (tmp_path / "model").write_bytes(b"x")
    server.disconnect(phone)
    until(lambda: not link.is_alive, "noticing")
    for use in (
        lambda: link.run(["true"], timeout_s=30),
        lambda: link.start(["true"]),
        lambda: link.push(tmp_path / "model", timeout_s=30),
        lambda: link.place(b"x", timeout_s=30),
        lambda: link.clean(link.folder, timeout_s=30),
    ):
        with pytest.raises(DeviceLostError, match="does not list it any more"):
            use()
    link.close()


def test_a_phone_that_loses_power_is_lost_and_the_next_session_removes_what_it_left(
    server: AdbServer, phone: Phone
) -> None:
    link = opened(server, phone)
    link.place(b"secret", timeout_s=30)
    process = link.start(["sleep", "987"])
    phone.kill()
    with pytest.raises(DeviceLostError):
        process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
    link.close()
    phone.start()
    server.disconnect(phone)
    server.connect(phone)
    assert sessions(phone)
    with opened(server, phone) as next_one:
        assert next_one.guard(record(next_one), wait_s=0) == (f"removed {Path(link.folder).name}",)
    assert not sessions(phone)


def test_a_phone_that_is_frozen_is_a_deadline_for_whoever_waits(
    server: AdbServer, phone: Phone, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(os.urandom(8 << 20))
    link = opened(server, phone)
    process = link.start(["cat"])
    phone.freeze()
    try:
        with pytest.raises(DeadlineError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=0.5)
        with pytest.raises(DeadlineError):
            process.stream.send([bytes(64 << 20)], timeout_s=0.5)
        with pytest.raises(DeadlineError):
            link.run(["true"], timeout_s=0.5)
    finally:
        phone.thaw()
        link.close()
    until(lambda: not sessions(phone), "the wiping")


def test_a_push_to_a_phone_that_is_frozen_ends_at_its_deadline(
    server: AdbServer, phone: Phone, link: AdbTransport, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(bytes(40 << 20))
    phone.freeze()
    try:
        with pytest.raises(DeadlineError):
            link.push(tmp_path / "model", timeout_s=1)
    finally:
        phone.thaw()


def test_a_phone_that_gives_no_sign_of_life_is_lost_however_long_one_would_wait(
    server: AdbServer, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb_keeper, "TTL_S", 1)
    monkeypatch.setattr(adb_keeper, "BEAT_S", 0.2)
    link = opened(server, phone)
    process = link.start(["cat"])
    phone.freeze()
    try:
        with pytest.raises(DeviceLostError, match="no sign of life"):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=600)
    finally:
        phone.thaw()
        link.close()


def test_a_killed_client_leaves_nothing_on_the_phone(server: AdbServer, phone: Phone) -> None:
    with Client(server, phone) as client:
        assert any("sleep 987" in words for words in ours(phone))
        client.process.kill()
    until(lambda: not ours(phone), "the end of its programs")
    until(lambda: not sessions(phone), "the wiping")


def test_a_frozen_client_loses_the_phone_and_leaves_nothing_on_it(
    server: AdbServer, phone: Phone, link: AdbTransport
) -> None:
    with Client(server, phone, ttl_s=3) as client:
        client.process.send_signal(signal.SIGSTOP)
        done = link.guard(record(link), wait_s=30)
    assert done == ("taken over from ada (pid 7 on lab)",)
    assert not [name for name in sessions(phone) if Path(client.folder).name in name]


def test_a_phone_that_is_held_by_another_host_is_busy_and_says_who_has_it(
    server: AdbServer, phone: Phone, link: AdbTransport
) -> None:
    told: list[str] = []
    with Client(server, phone), pytest.raises(DeviceBusyError, match=r"ada \(pid 7 on lab\)"):
        link.guard(record(link), wait_s=0.6, on_wait=told.append)
    assert told[0] == "place 1, held by ada (pid 7 on lab)"


def test_the_lock_is_handed_back_by_close_and_leaves_but_its_own_file(server: AdbServer, phone: Phone) -> None:
    with opened(server, phone) as first:
        first.guard(record(first), wait_s=0)
    with opened(server, phone) as second:
        assert second.guard(record(second), wait_s=0) == ()
    until(lambda: phone.files() == ["edgedevice.lock"], "removing all else")


def test_those_who_wait_are_served_in_order(server: AdbServer, phone: Phone) -> None:
    order: list[str] = []
    with contextlib.ExitStack() as links:
        first, second, third = (links.enter_context(opened(server, phone)) for _ in range(3))
        first.guard(record(first), wait_s=0)
        waiting = {"second": threading.Event(), "third": threading.Event()}

        def wait(name: str, link: AdbTransport) -> None:
            link.guard(record(link), wait_s=60, on_wait=lambda _: waiting[name].set())
            order.append(name)
            link.close()

        threads = [threading.Thread(target=wait, args=pair) for pair in (("second", second), ("third", third))]
        for name, thread in zip(waiting, threads, strict=True):
            thread.start()
            assert waiting[name].wait(30)
        first.close()
        for thread in threads:
            thread.join()
    assert order == ["second", "third"]


def test_a_live_session_is_not_cleaned_and_a_dead_one_is(server: AdbServer, phone: Phone, link: AdbTransport) -> None:
    dead = phone.root / link.folder[1:]
    dead = dead.with_name(f"session-{'0' * 16}-999999-1")
    dead.mkdir(mode=0o700)
    os.chown(dead, 2000, 2000)
    with opened(server, phone) as other:
        told = link.clean(other.folder, timeout_s=30)
        assert told == (f"left {other.folder} alone: its session is alive",)
        assert link.clean(f"/data/local/tmp/edgedevice/{dead.name}", timeout_s=30) == (
            f"removed /data/local/tmp/edgedevice/{dead.name}",
        )
        assert not dead.exists()
        assert other.run(["true"], timeout_s=30).returncode == 0


@pytest.mark.parametrize("claim", ["/data/local/tmp", "/data/local/tmp/edgedevice/../x", "/data/local/tmp/edgedevice"])
def test_a_claim_that_is_no_sessions_folder_is_left_alone(link: AdbTransport, claim: str) -> None:
    assert link.clean(claim, timeout_s=30) == (f"left {claim} alone: that is no session's folder",)


def test_a_folder_that_is_a_link_is_refused(server: AdbServer, phone: Phone) -> None:
    trap = phone.root / "data/local/tmp/edgedevice"
    until(lambda: not trap.exists(), "the end of earlier sessions")
    trap.symlink_to("/sdcard")
    try:
        with pytest.raises(TransportError, match="not a folder of ours"):
            opened(server, phone)
    finally:
        trap.unlink()


def test_a_folder_that_cannot_be_made_is_told_with_the_reason(server: AdbServer, phone: Phone) -> None:
    with pytest.raises(TransportError, match=r"no folder for our files can be made: .*edge"):
        opened(server, phone, base="/proc/edge")


def test_a_full_disk_is_told_and_nothing_is_left_of_the_file(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(70 << 20))
    with opened(server, phone) as link:
        before = sessions(phone)
        with pytest.raises(DeviceFullError, match="no space left"):
            link.push(tmp_path / "model", timeout_s=60)
        until(lambda: sessions(phone) == before, "removing the part")
        phone.fill_disk()
        try:
            with pytest.raises(DeviceFullError, match="no space left"):
                link.place(bytes(1 << 20), timeout_s=30)
        finally:
            phone.free_disk()
        until(lambda: sessions(phone) == before, "removing the part")


def test_a_fork_says_so_and_ends_nothing(link: AdbTransport) -> None:
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(DeviceLostError, match="forked"):
                link.run(["true"], timeout_s=5)
            link.close()
        except BaseException:  # noqa: BLE001 - a child must never come back
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert link.run(["echo", "alive"], timeout_s=30).stdout == b"alive\n"


def test_threads_share_the_device(link: AdbTransport) -> None:
    got: dict[int, bytes] = {}

    def use(number: int) -> None:
        for _ in range(5):
            got[number] = link.run(["cat"], timeout_s=60, stdin=bytes([number]) * 300_000).stdout

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert got == {number: bytes([number]) * 300_000 for number in range(4)}


def test_more_input_than_is_ever_on_its_way_comes_back(link: AdbTransport) -> None:
    sent = os.urandom(20 << 20)
    assert link.run(["cat"], timeout_s=60, stdin=sent).stdout == sent


def test_a_program_that_reads_nothing_ends_all_the_same(link: AdbTransport) -> None:
    assert link.run(["true"], timeout_s=60, stdin=bytes(20 << 20)).returncode == 0


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_endless_output_is_cut_off(link: AdbTransport, stream: str) -> None:
    with pytest.raises(TransportError, match="more than 64 MiB"):
        link.run(["sh", "-c", f"exec cat /dev/zero {stream}"], timeout_s=60)


def test_any_argument_reaches_the_program(link: AdbTransport) -> None:
    odd = [os.fsdecode(bytes(range(1, 256))), "\n", "'", "--", "\u00e9\U0001f600", "a" * 100_000, "'\n" * 20_000]
    done = link.run(["sh", "-c", 'for one; do printf "%s\\0" "$one"; done', "sh", *odd], timeout_s=60)
    assert done.stdout == b"".join(os.fsencode(one) + b"\0" for one in odd)


def test_a_long_list_of_arguments_leaves_the_input_alone(link: AdbTransport) -> None:
    done = link.run(["sh", "-c", "cat", "sh", "x" * 100_000], stdin=b"in\nput", timeout_s=60)
    assert done.stdout == b"in\nput"


def test_errors_that_were_said_before_output_are_seen_with_it(link: AdbTransport) -> None:
    process = link.start(["sh", "-c", "echo why >&2; echo out; cat"])
    process.stream.receive_into(memoryview(bytearray(4)), timeout_s=30)
    text, mark = process.stderr_since(0)
    assert (text, process.stderr_since(mark)[0]) == ("why\n", "")


def test_a_program_whose_output_nobody_reads_still_runs(link: AdbTransport) -> None:
    process = link.start(["sh", "-c", "exec cat /dev/zero"])
    assert process.wait(timeout_s=1) is None
    process.kill()


def test_an_unauthorized_phone_is_told_with_its_remedy(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "shy", secure=True) as shy:
        server.connect(shy, state="unauthorized")
        assert shy.address in [one.serial for one in list_devices(("127.0.0.1", server.port)) if one.state != "device"]
        with pytest.raises(TransportError, match="unauthorized") as caught:
            opened(server, shy)
        server.disconnect(shy)
    assert "accept the USB debugging dialog" in caught.value.hint


def test_an_absent_phone_is_not_found_and_the_others_are_listed(server: AdbServer, phone: Phone) -> None:
    with pytest.raises(DeviceNotFoundError, match=rf"'R5CT' .*adb sees: {phone.address} device"):
        AdbTransport("R5CT", server=("127.0.0.1", server.port))


def test_an_address_where_nothing_listens_is_not_found(server: AdbServer) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"cannot connect to 127\.0\.0\.1:1"):
        AdbTransport("127.0.0.1:1", server=("127.0.0.1", server.port))


def test_an_address_is_connected_to(server: AdbServer, phone: Phone) -> None:
    server.disconnect(phone)
    with opened(server, phone) as link:
        assert link.run(["echo", "there"], timeout_s=30).stdout == b"there\n"


def test_the_only_phone_needs_no_name_and_of_two_one_must_be_named(
    server: AdbServer, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    address = ("127.0.0.1", server.port)
    with AdbTransport(server=address) as link:
        assert link.serial == phone.address
    with start_phone(tmp_path / "other", serial="OTHER") as other:
        server.connect(other)
        with pytest.raises(DeviceNotFoundError, match=r"2 devices .* none was named"):
            AdbTransport(server=address)
        monkeypatch.setenv("ANDROID_SERIAL", other.address)
        with AdbTransport(server=address) as link:
            assert link.identity() == "android-OTHER"
        server.disconnect(other)


def test_a_phone_without_flock_has_no_lock_and_says_so(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "bare", tools="busybox") as bare:
        server.connect(bare)
        with opened(server, bare) as link:
            assert link.guard(record(link), wait_s=0) == ()
            assert link.facts()["device_lock"] is False
        server.disconnect(bare)


def test_a_phone_tells_what_it_is(link: AdbTransport) -> None:
    facts = link.facts()
    told = {name: facts[name] for name in ("adb", "android", "os", "sdk", "model", "manufacturer", "soc", "serial")}
    assert told == {
        "adb": True,
        "android": True,
        "os": "android",
        "sdk": 34,
        "model": "Pixel 8",
        "manufacturer": "Google",
        "soc": "Tensor G3",
        "serial": "R58M1",
    }
    assert facts["device_lock"] is True
    assert link.identity() == "android-R58M1"


def test_the_server_that_debian_has_serves_as_well(tmp_path: Path) -> None:
    with start_adb_server(tmp_path / "adb", program="debian") as old, start_phone(tmp_path / "phone") as phone:
        old.connect(phone)
        (tmp_path / "model").write_bytes(content := os.urandom(5 << 20))
        with opened(old, phone) as link:
            pushed = link.push(tmp_path / "model", timeout_s=60)
            assert link.run(["cat", f"{link.folder}/{pushed.sha256}"], timeout_s=60).stdout == content
            assert link.run(["sh", "-c", "exit 7"], timeout_s=30).returncode == 7


def test_a_phone_tells_what_may_disturb_a_measurement(phone: Phone, link: AdbTransport) -> None:
    phone.battery(level=41, temperature_c=38.5, charging=False)
    phone.thermal(status=2, temperatures_c={"BIG": 71.0, "VIRTUAL-SKIN": 40.25, "battery": 38.5})
    told = dict(link.conditions())
    assert float(told.pop("memory_free_mb")) > 0
    assert 0 < float(told.pop("space_free_mb")) <= 68
    wanted = {"battery_percent": 41, "battery_c": 38.5, "charging": False, "thermal_status": "moderate"}
    wanted |= {"temperature_c": 71.0, "skin_c": 40.2}
    assert {name: told[name] for name in wanted} == wanted
    assert {"governor", "clock_khz", "clock_limited"} <= set(told)


def test_of_a_phones_log_only_our_own_lines_are_told(phone: Phone, link: AdbTransport) -> None:
    began = time.time()
    process = link.start(["cat"])
    phone.log("not ours", pid=1, tag="secret")
    phone.log("long ago", pid=process.pid, at_s=began - 3600)
    phone.log("Fatal signal 11 (SIGSEGV)", pid=process.pid, level="F", tag="libc")
    report = f"*** ***\npid: {process.pid}, tid: {process.pid}, name: agent\nbacktrace:"
    phone.log(report, pid=99_999, level="F", tag="DEBUG", buffer="crash")
    for told in (link.aftermath(process.pid, began), link.aftermath(None, began)):
        lines = [line.split(": ", 1)[1] for line in told["logcat"].splitlines()]
        assert lines == ["Fatal signal 11 (SIGSEGV)", "*** ***", *report.splitlines()[1:]]
        assert "tombstone" not in told


def test_a_tombstone_that_may_be_read_is_told(phone: Phone, link: AdbTransport) -> None:
    process = link.start(["cat"])
    folder = phone.root / "data/tombstones"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    (folder / "tombstone_00").write_text("pid: 1, tid: 1, name: other\n")
    (folder / "tombstone_01").write_text(text := f"pid: {process.pid}, tid: 7, name: agent\nsignal 11\n")
    assert link.aftermath(process.pid, time.time())["tombstone"] == text


def test_a_phone_that_is_lost_says_nothing_of_a_death(server: AdbServer, phone: Phone) -> None:
    link = opened(server, phone)
    server.disconnect(phone)
    assert link.aftermath(123, time.time()) == {}
    with pytest.raises(DeviceLostError):
        link.conditions()
    link.close()


def test_a_transfer_that_takes_longer_than_a_second_is_told(
    server: AdbServer, phone: Phone, link: AdbTransport, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(bytes(20 << 20))
    told: list[object] = []
    link.on_progress = told.append
    phone.freeze()
    thawing = threading.Timer(1.5, phone.thaw)
    thawing.start()
    link.push(tmp_path / "model", timeout_s=60)
    thawing.join()
    assert str(told[0]).startswith("model: ")


def test_a_phone_that_takes_no_hashes_has_its_files_read_back(link: AdbTransport, tmp_path: Path) -> None:
    link._files._checking._tool = ""
    (tmp_path / "model").write_bytes(content := os.urandom(5 << 20))
    pushed = link.push(tmp_path / "model", timeout_s=60)
    path = link.place(b"small", timeout_s=60)
    assert link.run(["cat", f"{link.folder}/{pushed.sha256}", path], timeout_s=60).stdout == content + b"small"


def test_a_large_file_is_there_under_its_hash_once_that_is_known(link: AdbTransport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(content := os.urandom(6 << 20))
    pushed = link.push(tmp_path / "model", timeout_s=60)
    assert pushed.sha256 == hashlib.sha256(content).hexdigest()
    listed = link.run(["ls", "-A", link.folder], timeout_s=30).stdout.decode().split()
    assert pushed.sha256 in listed
    assert not [name for name in listed if "part" in name]
    assert link.push(tmp_path / "model", timeout_s=60).sent_bytes == 0


def test_a_file_that_is_rewritten_right_after_its_push_is_what_it_was(link: AdbTransport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(content := os.urandom(24 << 20))
    pushed = link.push(tmp_path / "model", timeout_s=60)
    (tmp_path / "model").write_bytes(b"the next one")
    assert pushed.sha256 == hashlib.sha256(content).hexdigest()


def test_our_folder_can_be_elsewhere(server: AdbServer, phone: Phone) -> None:
    with opened(server, phone, base="/data/local/tmp/my folder") as link:
        assert link.folder.startswith("/data/local/tmp/my folder/session-")
        path = link.place(b"x", timeout_s=30)
        assert link.run(["cat", path], timeout_s=30).stdout == b"x"
        assert link.conditions()["space_free_mb"]
    until(lambda: not list((phone.root / "data/local/tmp/my folder").iterdir()), "the wiping")
    (phone.root / "data/local/tmp/my folder").rmdir()
