"""Phones as usbmuxd lists them, one for each piece of hardware, and which of them is meant. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.udid import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z.:_-]{0,99}", re.ASCII)
"""No option of a command that it is put into, no path, and nothing that a page or a terminal would obey."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A phone that is attached now.

    Attributes:
        udid: Its number, as usbmuxd spells it.
        link: ``USB`` or ``network``.
        device_id: What usbmuxd calls this link to it, until it is plugged in anew.
    """

    udid: str
    link: str
    device_id: int

    def __str__(self) -> str:
        return f"{self.udid} ({self.link})"


def merged(listed: Iterable[tuple[object, object, object]]) -> list[Attached]:
    """One for each phone, over USB where it is plugged in, in the order of usbmuxd; what makes no sense is left out.

    Args:
        listed: Number, kind of connection and link's number, as usbmuxd tells them.
    """
    found: dict[str, Attached] = {}
    for udid, connection, device_id in listed:
        if not isinstance(udid, str) or not isinstance(device_id, int) or not _NUMBER.fullmatch(udid):
            continue
        one = Attached(udid, "USB" if connection == "USB" else "network", device_id)
        if plain(udid) not in found or one.link == "USB":
            found[plain(udid)] = one
    return list(found.values())


def chosen(phones: Sequence[Attached], udid: str, *, where: str) -> Attached:
    """The phone that is meant.

    Args:
        phones: What is attached.
        udid: Its number, in any spelling; empty for the only one.
        where: usbmuxd's place, for messages.

    Raises:
        DeviceNotFoundError: It is not there, or there are several and none was named.
    """
    meant = [one for one in phones if plain(one.udid) == plain(udid)] if udid else list(phones)
    if not meant:
        raise states.not_there(udid, [str(one) for one in phones], where=where)
    if len(meant) > 1:
        raise states.several([str(one) for one in phones], where=where)
    return meant[0]
