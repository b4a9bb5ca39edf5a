"""Keeps the adb server that lies honest: it says what a real one says, but for its lies."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import adbutils  # type: ignore[import-untyped]
import pytest

from tests.peers.adb_daemon import LIES, FaultyPhone, HostileServer, Lie
from tests.peers.adb_daemon.clients import LONGEST_S, QUIET_S, connect
from tests.peers.adb_daemon.hostile_server import REFUSALS, STATES, okay, text
from tests.phones import AdbServer, start_adb_server

if TYPE_CHECKING:
    from pathlib import Path


def ask(server: HostileServer | AdbServer, request: str, *, quiet_s: float = LONGEST_S) -> tuple[bytes, str]:
    """The answer to a request, and how it went on: ``end``, ``silence``, or ``more`` than a megabyte."""
    with socket.create_connection(("127.0.0.1", server.port), LONGEST_S) as connection:
        connection.sendall(text(request.encode()))
        answer = b""
        connection.settimeout(quiet_s)
        while len(answer) < 1 << 20:
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                return answer, "silence"
            if not part:
                return answer, "end"
            answer += part
    return answer, "more"


@pytest.mark.parametrize("name", LIES)
def test_each_lie_is_told_as_it_is_written(name: str) -> None:
    lie = LIES[name]
    with HostileServer(lies={"host:devices": lie}) as server:
        quiet_s = QUIET_S if lie.then == "hang" else LONGEST_S
        answer, then = ask(server, "host:devices-l", quiet_s=quiet_s)
    assert then == {"close": "end", "hang": "silence", "repeat": "more"}[lie.then]
    assert answer[: len(lie.content)] == lie.content


def test_it_is_honest_about_what_it_has_no_lie_for() -> None:
    with HostileServer({"A": "device"}, lies={"host:devices": LIES["no answer"]}) as server:
        client = adbutils.AdbClient(port=server.port, socket_timeout=LONGEST_S)
        assert client.server_version() == 41
        assert client.device("A").get_features() == "shell_v2,cmd,stat_v2"
        assert server.requests == ["host:version", "host-serial:A:features"]


def test_adbs_own_program_lists_its_devices() -> None:
    with HostileServer({f"serial-{state}": state for state in STATES}) as server:
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        command = [adbutils.adb_path(), "-P", str(server.port), "devices"]
        done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=LONGEST_S)
    lines = dict(line.split("\t") for line in done.stdout.decode().splitlines()[1:] if line)
    assert list(lines) == [f"serial-{state}" for state in STATES]
    assert lines["serial-no permissions"].startswith("no permissions (user in plugdev group")


@pytest.mark.parametrize("state", STATES)
def test_a_device_can_be_used_in_those_states_in_which_a_real_one_can(state: str) -> None:
    with HostileServer({"A": state}) as server:
        device = adbutils.AdbClient(port=server.port, socket_timeout=LONGEST_S).device("A")
        assert device.get_state() == state
        refusal = REFUSALS.get(state)
        if refusal:
            assert ask(server, "host:transport:A") == (b"FAIL" + text(refusal.encode()), "end")
            return
        with device.open_transport(timeout=LONGEST_S) as connection:
            connection.send_command("shell:true")
            with pytest.raises(adbutils.AdbError, match="closed"):
                connection.check_okay()


def test_a_server_without_devices_answers_as_a_real_one_does(tmp_path: Path) -> None:
    with start_adb_server(tmp_path / "adb") as real, HostileServer() as ours:
        for request in (
            *("host:transport:nix", "host:tport:serial:nix", "host-serial:nix:features"),
            *("host:connect:127.0.0.1:1", "host:version", "host:devices-l", "host:nix"),
        ):
            assert ask(ours, request) == ask(real, request)


def test_an_unauthorized_device_is_refused_as_a_real_server_does(tmp_path: Path) -> None:
    with start_adb_server(tmp_path / "adb") as real, FaultyPhone(tmp_path / "p", state="unauthorized") as phone:
        connect(real, phone, until_it_is="unauthorized")
        with HostileServer({phone.address: "unauthorized"}) as ours:
            request = f"host:transport:{phone.address}"
            assert ask(ours, request) == ask(real, request)
            assert ask(ours, "host:devices") == ask(real, "host:devices")


def test_a_service_can_be_answered_as_by_a_device() -> None:
    with HostileServer({"A": "device"}, lies={"shell": Lie(b"OKAYnot what was run")}) as server:
        device = adbutils.AdbClient(port=server.port, socket_timeout=LONGEST_S).device("A")
        assert device.shell("echo hi", timeout=LONGEST_S) == "not what was run"
        assert server.requests[-1] == "shell:echo hi"


def test_a_request_to_end_is_refused_and_written_down() -> None:
    with HostileServer() as server:
        assert ask(server, "host:kill") == (b"FAIL" + text(b"unknown host service 'kill'"), "end")
        assert server.requests == ["host:kill"]


def test_a_client_that_breaks_the_protocol_fails_its_test() -> None:
    server = HostileServer()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(ValueError, match="invalid literal"))
        stack.enter_context(server)
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), LONGEST_S))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1) == b""


def test_a_watcher_is_kept_waiting() -> None:
    with HostileServer({"A": "device"}) as server:
        assert ask(server, "host:track-devices", quiet_s=QUIET_S) == (okay(b"A\tdevice\n"), "silence")


def test_nothing_is_left_of_a_server_whose_clients_wait() -> None:
    threads = threading.active_count()
    with HostileServer(lies={"host": LIES["OKAY without end"]}) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), LONGEST_S)
        connection.sendall(text(b"host:devices"))
        assert connection.recv(4) == b"OKAY"
    with connection:
        assert threading.active_count() == threads
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), LONGEST_S)
