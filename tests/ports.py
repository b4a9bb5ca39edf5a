"""Ports on loopback that no other worker takes, and that no adb server looks at unasked."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

FIRST, LAST = 16000, 31999
"""Below those that the kernel hands out for connections, above those that adb servers scan for emulators."""
LISTENING = "0A"


class Port:
    """A port that stays ours, also while nothing listens on it.

    adbd, adb and sshd cannot be handed a socket, so somebody else could bind the port before they do. Among us an
    abstract socket with the port in its name prevents it; the kernel frees it with our process.
    """

    def __init__(self) -> None:
        candidates = list(range(FIRST, LAST + 1))
        random.shuffle(candidates)
        for number in candidates:
            held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with suppress(OSError), socket.socket() as tried:
                held.bind(f"\0edgedevice-tests-{number}")
                tried.bind(("127.0.0.1", number))
                self.number, self._held = number, held
                return
            held.close()
        raise OSError(f"no port is free between {FIRST} and {LAST}")

    def served_by(self, user: int) -> bool:
        """Whether a process of that user listens on it."""
        # local address, remote address, state, queues, timer, retransmits, user: see proc_pid_net_tcp(5)
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, _, _, _, owner, *_ = line.split()
            if state == LISTENING and int(local.split(":")[1], 16) == self.number and int(owner) == user:
                return True
        return False

    def close(self) -> None:
        """Give it back."""
        self._held.close()
