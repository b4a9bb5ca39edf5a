"""Android phones without hardware: AOSP's own adb daemon in namespaces with Android's shell, tools and file tree.

    from tests.phones import start_adb_server, start_phone

    with start_adb_server(folder) as server, start_phone(folder / "pixel", serial="R58M1", model="Pixel 8") as phone:
        server.connect(phone)         # waits until adb says "device"; state="unauthorized" for a phone with secure=True
        phone.address                 # "127.0.0.1:16555", its serial for adb: --device adb:127.0.0.1:16555
        server.environment            # for child processes; server.variables are those that differ, for monkeypatch
        phone.root, phone.files(), phone.processes(), phone.set_property(...), phone.battery(...), phone.log(...)
        phone.kill(), phone.start(), phone.freeze(), phone.thaw(), phone.fill_disk(), phone.free_disk(), phone.stop()

By hand: ``python -m tests.phones`` starts both and prints how to reach them.

Real are the daemon, the shell (mksh), the tools (toybox; what Debian's lacks is busybox's), the users, and what only
``/data/local/tmp`` allows. Stand-ins are ``getprop``, ``dumpsys`` and ``logcat``. The processor, its /proc/cpuinfo and
the C library are this machine's. See ``making`` (what is cached in ``.adbd``), ``init`` (the namespaces),
``furniture`` (files and properties), ``tools`` and ``sayings`` (what the stand-ins print).
"""

from __future__ import annotations

from tests.phones.debian import PhoneError
from tests.phones.making import make
from tests.phones.phone import Phone, start_phone
from tests.phones.server import AdbServer, start_adb_server

__all__ = ["AdbServer", "Phone", "PhoneError", "make", "start_adb_server", "start_phone"]
