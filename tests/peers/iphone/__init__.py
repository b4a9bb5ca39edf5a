"""iPhones without hardware: usbmuxd, lockdownd with real pairing and TLS, the battery, and ports of apps.

    from tests.peers.iphone import App, SimulatedPhones

    with SimulatedPhones() as bus, App(folder) as app:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", bus.address)   # or bus.path, a unix socket of the same usbmuxd
        phone = bus.attach(udid=UDID, ports={17341: app.address})   # paired, unlocked, in developer mode, 80 %
        bus.attach(paired=False, pairing="pending", connections=("Network",))   # "accept", "pending", "deny"
        phone.battery, phone.locked, phone.pairing, phone.developer_mode, phone.values[...], phone.ports[...] = ...
        phone.lock(), phone.unlock(), phone.unpair(), phone.detach()  # ends its connections, and tells listeners
        phone.attach_again()
        bus.stop()                                                  # nobody listens any more: usbmuxd is absent

A port of a phone is an address on this machine, or a function that gets the connection; all others refuse. Wrong
answers are such functions too (see ``disorder``), by the name of what they answer::

        bus.faults["ListDevices"] = disorder.huge_length
        phone.faults["GetValue"] = disorder.answers({"Request": "GetValue", "Value": 7})
        phone.ports[17341] = disorder.silent

By hand: ``python -m tests.peers.iphone`` starts both and prints how to reach them.

Real are the frames, the property lists, the certificates, TLS and the bytes to the app; the rest is as much of each
daemon as clients ask for. Threads of the caller serve everything, and end with it. No file stays behind.
"""

from __future__ import annotations

from tests.peers.iphone.app import App
from tests.peers.iphone.bus import SimulatedPhones
from tests.peers.iphone.phone import Phone

__all__ = ["App", "Phone", "SimulatedPhones"]
