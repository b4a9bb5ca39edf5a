"""The phones without hardware are what tests take them for: Android's shell behind adb, private, gone with their run.

Asked by independent clients: Debian's adb 29, the adb that adbutils brings, and adbutils itself.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from adbutils import AdbClient  # type: ignore[import-untyped]

from tests.phones import AdbServer, Phone, PhoneError, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adbutils import ShellReturnRaw

pytestmark = pytest.mark.phone

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0


@pytest.fixture(scope="module", params=["bundled", "debian"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb"), program=request.param) as started:
        yield started


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with start_phone(tmp_path_factory.mktemp("phone")) as started:
        yield started


@pytest.fixture
def phone(server: AdbServer, one: Phone) -> Phone:
    server.connect(one)
    return one


def said(server: AdbServer, phone: Phone, command: str) -> str:
    done = server.adb("-s", phone.address, "shell", command)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n") + "\n" if done.stdout.strip() else ""


def until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not (done := happened()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return done


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()
    except OSError:
        return False
    return True


def test_exit_code_and_streams_of_a_program_come_apart(server: AdbServer, phone: Phone) -> None:
    done = server.adb("-s", phone.address, "shell", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (7, "out", "err")


def test_adbutils_gets_exit_code_and_streams_too(server: AdbServer, phone: Phone) -> None:
    device = AdbClient("127.0.0.1", server.port).device(phone.address)
    done = cast("ShellReturnRaw", device.shell2("echo out; echo err >&2; exit 7", v2=True, encoding=None))
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_five_megabytes_come_back_as_they_were_sent(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "there").write_bytes(content)
    assert server.adb("-s", phone.address, "push", str(tmp_path / "there"), "/data/local/tmp/a/b").returncode == 0
    assert server.adb("-s", phone.address, "pull", "/data/local/tmp/a/b", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == content


def test_adbutils_pushes_and_the_host_sees_the_files(server: AdbServer, phone: Phone) -> None:
    AdbClient("127.0.0.1", server.port).device(phone.address).sync.push(b"x" * 100, "/data/local/tmp/from_adbutils")
    assert "from_adbutils" in phone.files()


def test_programs_run_as_the_shell_user_with_its_groups(server: AdbServer, phone: Phone) -> None:
    assert re.fullmatch(
        r"uid=2000\(shell\) gid=2000\(shell\) groups=2000\(shell\),.*1007\(log\).*3011\(uhid\)\s*",
        said(server, phone, "id"),
    )


def test_only_the_folders_of_the_shell_user_can_be_written_to(server: AdbServer, phone: Phone) -> None:
    places = "/ /system/bin /data /data/local /sys /proc /data/local/tmp /sdcard"
    tried = said(server, phone, f"for one in {places}; do touch $one/x 2>/dev/null && echo $one; done; true")
    assert tried.split() == ["/data/local/tmp", "/sdcard"]


def test_programs_start_from_the_temporary_folder_and_not_from_the_sdcard(server: AdbServer, phone: Phone) -> None:
    copied = "for one in /data/local/tmp /sdcard; do cp /system/bin/toybox $one/true; $one/true 2>&1; echo $?; done"
    assert [line[-17:] for line in said(server, phone, copied).splitlines()] == ["0", "Permission denied", "126"]


def test_shell_and_tools_are_those_of_android(server: AdbServer, phone: Phone) -> None:
    words = said(
        server, phone, "echo ${KSH_VERSION##*MIRBSD KSH}; ls --help | head -n1; readlink /bin; which flock dd awk"
    )
    assert re.fullmatch(r"R59 .*\nToybox .*\nsystem/bin\n(/system/bin/\w+\n){3}", words)


@pytest.mark.parametrize("program", ["python", "python3", "busybox", "settings", "cmd", "su"])
def test_what_a_phone_lacks_is_not_there(server: AdbServer, phone: Phone, program: str) -> None:
    done = server.adb("-s", phone.address, "shell", program)
    assert (done.returncode, "inaccessible or not found" in done.stderr) == (127, True)


def test_a_program_compiled_here_runs_there(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\nint main(void) { puts("runs"); return 3; }\n', encoding="utf-8"
    )
    subprocess.run(["cc", "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
    server.adb("-s", phone.address, "push", str(tmp_path / "main"), "/data/local/tmp/main")
    done = server.adb("-s", phone.address, "shell", "/data/local/tmp/main")
    assert (done.returncode, done.stdout.strip()) == (3, "runs")


def test_properties_are_those_of_a_pixel_8(server: AdbServer, phone: Phone) -> None:
    assert "[ro.product.model]: [Pixel 8]\n" in said(server, phone, "getprop")
    assert said(server, phone, "getprop ro.build.version.sdk; getprop none there").splitlines() == ["34", "there"]


def test_a_property_can_be_changed(server: AdbServer, phone: Phone) -> None:
    phone.set_property("debug.odd", "a = 'b' \\n [c]")
    assert said(server, phone, "getprop debug.odd") == "a = 'b' \\n [c]\n"


def test_the_battery_says_what_it_was_told(server: AdbServer, phone: Phone) -> None:
    phone.battery(level=12, temperature_c=31.4, charging=False)
    words = said(server, phone, "dumpsys battery")
    assert re.findall(r"  (?:USB powered|status|level|temperature): (\w+)\n", words) == ["false", "3", "12", "314"]


def test_the_thermal_service_says_what_it_was_told(server: AdbServer, phone: Phone) -> None:
    phone.thermal(status=2, temperatures_c={"BIG": 71.5})
    words = said(server, phone, "dumpsys thermalservice")
    assert "Thermal Status: 2\n" in words
    assert words.count("\tTemperature{mValue=71.5, mType=0, mName=BIG, mStatus=2}\n") == 2


def test_a_phone_of_android_9_has_no_thermal_service(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, sdk=28, data_mb=8) as old:
        server.connect(old)
        done = server.adb("-s", old.address, "shell", "dumpsys thermalservice")
        assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (
            0,
            "",
            "Can't find service: thermalservice",
        )


def test_the_gpu_and_its_driver_are_named(server: AdbServer, phone: Phone) -> None:
    assert "\nGLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r44p0" in said(server, phone, "dumpsys SurfaceFlinger")


def test_clocks_and_temperatures_are_read_and_can_be_changed(server: AdbServer, phone: Phone) -> None:
    (phone.root / "sys/class/thermal/thermal_zone0/temp").write_text("81000\n", encoding="ascii")
    words = said(
        server,
        phone,
        "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor /sys/class/thermal/thermal_zone0/t*",
    )
    assert words.split() == ["sched_pixel", "81000", "BIG"]


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ("-d", ["early", "late", "died"]),
        ("-d --pid=42", ["late"]),
        ("-d --pid 42", ["late"]),
        ("-d -b crash", ["died"]),
        ("-d -b main,system", ["early", "late"]),
        ("-t 1", ["died"]),
        ("-d -T '01-02 03:04:05.500'", ["late", "died"]),
        ("-d -T '2026-01-02 03:04:05.501'", ["died"]),
        ("-t 1767323046.0", ["died"]),
        ("-d -s first", ["early"]),
        ("-d *:W", ["died"]),
        ("-d --uid=10123", ["died"]),
    ],
)
def test_the_log_is_filtered_as_asked(server: AdbServer, tmp_path: Path, options: str, texts: list[str]) -> None:
    with start_phone(tmp_path, data_mb=8) as talkative:
        server.connect(talkative)
        talkative.log("early", pid=41, tag="first", at_s=1767323045.25)
        talkative.log("late", pid=42, at_s=1767323045.5)
        talkative.log("died", pid=43, level="F", buffer="crash", user=10123, at_s=1767323046.5)
        words = said(server, talkative, f"logcat -v threadtime {options}")
        assert [line.split(": ")[1] for line in words.splitlines() if not line.startswith("-")] == texts


def test_a_line_of_the_log_looks_as_on_a_phone(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, data_mb=8) as talkative:
        server.connect(talkative)
        talkative.log("died", pid=43, tid=44, level="F", tag="libc", buffer="crash", at_s=1767323046.5)
        words = said(server, talkative, "logcat -d")
        assert words == "--------- beginning of crash\n01-02 03:04:06.500    43    44 F libc    : died\n"


def test_the_log_is_followed_until_nobody_reads_it(nohup: None, server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "phone", data_mb=8) as talkative, (tmp_path / "log").open("wb") as log:
        server.connect(talkative)
        reading = subprocess.Popen(
            [str(server.program), "-s", talkative.address, "logcat"], env=server.environment, stdout=log
        )
        try:
            assert until(lambda: any("logcat.awk" in words for words in talkative.processes().values()))
            talkative.log("now")
            assert until(lambda: b" test    : now\n" in (tmp_path / "log").read_bytes())
        finally:
            reading.kill()
            reading.wait()
        assert until(lambda: not talkative.processes())


def test_an_unknown_key_is_unauthorized_until_it_is_accepted(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, secure=True, data_mb=8) as careful:
        server.connect(careful, state="unauthorized")
        assert "unauthorized" in server.adb("-s", careful.address, "shell", "id").stderr
        careful.authorize(server)
        server.connect(careful)
        assert said(server, careful, "echo hello") == "hello\n"


def test_a_frozen_phone_is_offline_to_who_connects_and_back_when_it_thaws(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, data_mb=8) as frozen:
        frozen.freeze()
        server.connect(frozen, state="offline")
        frozen.thaw()
        server.connect(frozen)
        assert said(server, frozen, "echo hello") == "hello\n"


def test_a_phone_without_power_goes_offline(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, data_mb=8) as dead:
        server.connect(dead)
        dead.kill()
        assert until(lambda: server.states().get(dead.address) == "offline")
        assert "refused" in server.adb("connect", dead.address).stdout


def test_a_phone_that_boots_again_has_its_files_and_another_boot_id(server: AdbServer, phone: Phone) -> None:
    before = said(server, phone, "echo kept >/data/local/tmp/file; cat /proc/sys/kernel/random/boot_id")
    server.adb("-s", phone.address, "shell", "sleep 987 >/dev/null 2>&1 </dev/null &")
    assert until(lambda: "sleep 987" in phone.processes().values())
    phone.kill()
    phone.start()
    server.connect(phone)
    after = said(server, phone, "cat /data/local/tmp/file /proc/sys/kernel/random/boot_id")
    assert (after.splitlines()[0], before in after, phone.processes()) == ("kept", False, {})


def test_two_phones_share_neither_files_nor_processes(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    with start_phone(tmp_path, serial="other", data_mb=8) as other:
        server.connect(other)
        said(server, phone, "touch /data/local/tmp/mine; sleep 986 >/dev/null 2>&1 </dev/null &")
        there = said(server, other, "ls /data/local/tmp; ps -ef; getprop ro.serialno")
        assert [word for word in ("mine", "sleep 986", phone.serial) if word in there] == []


def test_two_links_to_one_phone_are_told_by_its_serial(server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    with start_phone(tmp_path, serial=phone.serial, data_mb=8) as again:
        server.connect(again)
        assert said(server, again, "getprop ro.serialno") == said(server, phone, "getprop ro.serialno")


def test_a_full_disk_takes_nothing_until_it_is_freed(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "full", data_mb=4) as full:
        server.connect(full)
        full.fill_disk()
        (tmp_path / "file").write_bytes(b"x" * 50_000)
        push = ["-s", full.address, "push", str(tmp_path / "file"), "/data/local/tmp/file"]
        done = server.adb(*push)
        assert (done.returncode, "No space left on device" in done.stdout + done.stderr) == (1, True)
        full.free_disk()
        assert server.adb(*push).returncode == 0


def test_a_device_with_busybox_has_next_to_nothing(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path, tools="busybox", data_mb=8) as bare:
        server.connect(bare)
        missing = said(
            server, bare, "for one in flock timeout nohup python3 awk toybox; do which $one; done; ls --help 2>&1"
        )
        assert missing.startswith("BusyBox")
        assert said(server, bare, "getprop ro.product.model; logcat -d") == "Pixel 8\n"


def test_a_server_that_was_killed_starts_again_with_its_keys(tmp_path: Path) -> None:
    with (
        start_adb_server(tmp_path / "adb") as crashed,
        start_phone(tmp_path / "phone", secure=True, data_mb=8) as careful,
    ):
        careful.authorize(crashed)
        crashed.kill()
        assert not listens(crashed.port)
        crashed.start()
        crashed.connect(careful)
        crashed.disconnect(careful)
        assert crashed.states() == {}


def test_a_state_that_does_not_come_is_told_within_its_time(server: AdbServer, phone: Phone) -> None:
    with pytest.raises(PhoneError, match=r"is \w+ after 0 s, not unauthorized: "):
        server.connect(phone, state="unauthorized", timeout_s=0.3)


def test_children_reach_this_server_and_no_keys_of_the_user(server: AdbServer, phone: Phone) -> None:
    code = "import adbutils; print([one.serial for one in adbutils.adb.device_list()], adbutils.adb_path())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=server.environment, check=True, capture_output=True, text=True
    )
    assert (phone.address in done.stdout, str(server.program) in done.stdout) == (True, True)
    assert Path(server.environment["HOME"]) == server.folder


def test_nothing_of_a_phone_is_seen_on_this_machine(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mounts")
    before = mounts.read_text(encoding="utf-8")
    with start_phone(tmp_path, data_mb=8) as hidden:
        assert (mounts.read_text(encoding="utf-8"), list((tmp_path / "root").iterdir())) == (before, [])
        assert (hidden.root / "system/bin/adbd").exists()


def test_a_stopped_phone_leaves_no_process(tmp_path: Path) -> None:
    phone = start_phone(tmp_path, data_mb=8)
    with start_adb_server(tmp_path / "adb") as server:
        server.connect(phone)
        server.adb("-s", phone.address, "shell", "setsid sleep 985 >/dev/null 2>&1 </dev/null &")
        phone.stop()
        phone.stop()
    assert (listens(int(phone.address.split(":")[1])), phone.root.parent.exists()) == (False, False)


def test_phone_and_server_end_with_whoever_started_them_also_when_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.phones import start_adb_server, start_phone\n"
        "server = start_adb_server(Path(sys.argv[1], 'adb'))\n"
        "phone = start_phone(Path(sys.argv[1], 'phone'), data_mb=8)\n"
        "server.connect(phone)\n"
        "server.adb('-s', phone.address, 'shell', 'setsid sleep 984 >/dev/null 2>&1 </dev/null &')\n"
        "print(server.port, phone.address.split(':')[1], phone.root, flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        ports = starter.stdout.readline().split()
        starter.send_signal(signal.SIGKILL)
    root = Path(ports.pop())
    assert until(lambda: not any(listens(int(port)) for port in ports)), "adb outlived its run"
    assert until(lambda: not root.parent.exists()), "the phone's process 1 outlived its run"
