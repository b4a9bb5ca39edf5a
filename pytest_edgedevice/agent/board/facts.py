"""What a board is: its identity, and facts beyond those that every agent tells."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
import socket
from typing import Any, Dict, Optional

from pytest_edgedevice.agent import conditions

MOST_BYTES = 1 << 16
HOST_KEYS = "/etc/ssh/ssh_host_*_key.pub"


def board_facts() -> Dict[str, Any]:
    """Identity, facts and conditions, as the helper's hello tells them."""
    facts: Dict[str, Any] = {"ssh": True, "host": socket.gethostname(), **conditions.static_facts()}
    features = cpu_features()
    if features:
        facts["cpu_features"] = features
    with contextlib.suppress(OSError):
        facts["disk_free_mb"] = shutil.disk_usage("/").free // 1_000_000
    return {"identity": identity(), "facts": facts, "conditions": conditions.conditions()}


def identity() -> str:
    """The machine's id, hashed; of a machine without one, its host keys; else its host name.

    The same text as the host's own for its own machine, so that a board reached
    from elsewhere and tests that run on the board itself mean one device.
    """
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        text = _text(path)
        if text:
            # the raw id is confidential (machine-id(5)), and records may leave this machine
            return "local-" + hashlib.sha256(b"edgedevice" + text.encode()).hexdigest()[:16]
    keys = [key for key in (_text(path) for path in sorted(glob.glob(HOST_KEYS))) if key]
    if keys:
        return "hostkey-" + hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    return "local-" + socket.gethostname()


def cpu_features() -> Optional[str]:
    """What the processor can do, as the kernel lists it; None where it does not."""
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("Features", "flags"):
            return value.strip() or None
    return None


def _text(path: str) -> Optional[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, MOST_BYTES).decode("ascii", "replace").strip() or None
    except OSError:
        return None
    finally:
        os.close(descriptor)
