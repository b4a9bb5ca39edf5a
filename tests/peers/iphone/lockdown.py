"""lockdownd: values, pairing, sessions under TLS, and the start of services."""

from __future__ import annotations

import plistlib
import time
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.peers.iphone.frames import Plist, plist_frame, read_plist
from tests.peers.iphone.pairing import phones_side, public_pem
from tests.peers.iphone.services import SERVICES, serve
from tests.peers.iphone.values import ONLY_BY_KEY, domain_values

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.peers.iphone.phone import Phone


class Lockdown:
    """One conversation with lockdownd.

    Args:
        phone: Whose it is.
    """

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._session = ""
        self._computer: dict[str, Any] | None = None
        self._handlers: dict[str, Callable[[Plist], Plist]] = {
            "GetValue": self._get_value,
            "Pair": self._pair,
            "QueryType": lambda _asked: {"Type": "com.apple.mobile.lockdown"},
            "SetValue": lambda _asked: {"Error": "SetProhibited"},
            "StartService": self._start_service,
            "StartSession": self._start_session,
            "StopSession": self._stop_session,
            "Unpair": self._unpair,
            "ValidatePair": self._validate_pair,
        }

    def serve(self, connection: socket.socket) -> None:
        """Answer until the other end leaves, changing to TLS and back as sessions begin and end."""
        while self._converse(connection):
            assert self._computer is not None
            context = phones_side(self._computer, self._phone.key)
            with context.wrap_socket(connection.dup(), server_side=True) as secret:
                self._converse(secret)
                with suppress(OSError, ValueError):
                    secret.unwrap()
                self._computer = None

    def _converse(self, connection: socket.socket) -> bool:
        """Answer as long as there are requests.

        Returns:
            Whether a session has begun, so that the next byte is one of TLS.
        """
        began = self._computer
        while self._computer is began:
            try:
                asked = read_plist(connection)
            except EOFError:
                return False
            request = str(asked.get("Request"))
            if request in self._phone.faults:
                self._phone.faults[request](connection, plist_frame)
                return False
            answer = self._handlers.get(request)
            reply = answer(asked) if answer else {"Error": "InvalidRequest"}
            connection.sendall(plist_frame(plistlib.dumps({"Request": request, **reply})))
        return True

    def _get_value(self, asked: Plist) -> Plist:
        domain, key = asked.get("Domain"), asked.get("Key")
        named: Plist = {name: asked[name] for name in ("Domain", "Key") if name in asked}
        phone = self._phone
        if domain is None and key == "DevicePublicKey":
            return {**named, "Value": public_pem(phone.key)}
        if self._computer is None and (domain is not None or key in phone.private):
            return {**named, "Error": "GetProhibited"}
        known = domain_values(phone, domain) if domain is not None else dict(phone.values)
        if self._computer is not None and domain is None:
            known |= {"PasswordProtected": phone.locked, "TimeIntervalSince1970": time.time(), **phone.private}
        if key is None:
            return {**named, "Value": {} if domain in ONLY_BY_KEY else known}
        return {**named, "Value": known[key]} if key in known else {**named, "Error": "MissingValue"}

    def _pair(self, asked: Plist) -> Plist:
        phone = self._phone
        if phone.locked:
            return {"Error": "PasswordProtected"}
        if phone.pairing != "accept":
            return {"Error": {"pending": "PairingDialogResponsePending", "deny": "UserDeniedPairing"}[phone.pairing]}
        bag = phone.trust(asked.get("PairRecord") or {})
        return {"Error": "InvalidPairRecord"} if bag is None else {"EscrowBag": bag}

    def _validate_pair(self, asked: Plist) -> Plist:
        known = (asked.get("PairRecord") or {}).get("HostID") in self._phone.trusted
        return {} if known else {"Error": "InvalidHostID"}

    def _unpair(self, asked: Plist) -> Plist:
        known = self._phone.trusted.pop(str((asked.get("PairRecord") or {}).get("HostID")), None)
        return {} if known else {"Error": "InvalidHostID"}

    def _start_session(self, asked: Plist) -> Plist:
        if self._computer is not None:
            return {"Error": "SessionActive"}
        computer = self._phone.trusted.get(str(asked.get("HostID")))
        if computer is None or computer.get("SystemBUID") != asked.get("SystemBUID"):
            return {"Error": "InvalidHostID"}
        self._computer, self._session = computer, str(uuid.uuid4()).upper()
        return {"EnableSessionSSL": True, "SessionID": self._session}

    def _stop_session(self, asked: Plist) -> Plist:
        # TLS ends when the other end says so, after this answer
        ours = self._computer is not None and asked.get("SessionID") == self._session
        return {"Result": "Success"} if ours else {"Error": "InvalidSessionID" if self._computer else "SessionInactive"}

    def _start_service(self, asked: Plist) -> Plist:
        name = str(asked.get("Service"))
        if self._computer is None:
            return {"Error": "SessionInactive"}
        if name not in SERVICES:
            return {"Error": "InvalidService"}
        if self._phone.locked:
            return {"Error": "PasswordProtected"}
        port = self._phone.start_service(partial(serve, SERVICES[name], self._phone, self._computer))
        return {"EnableServiceSSL": True, "Port": port, "Service": name}
