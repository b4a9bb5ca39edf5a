"""What a check gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.inventory import Inventory

Status = Literal["ok", "missing", "wrong"]
Check = Callable[[Inventory], Iterator["Finding"]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: One word.
        status: ``ok``, ``missing`` (something optional, nothing is broken by it) or ``wrong``.
        text: What was found.
        hint: What to do about it, where possible a command; empty when there is nothing to do.
    """

    about: str
    status: Status
    text: str
    hint: str = ""


def guarded(check: Check, inventory: Inventory) -> Iterator[Finding]:
    """What a check finds; an error that it did not expect is a finding too."""
    try:
        yield from check(inventory)
    except EdgeDeviceError as error:
        yield Finding(_name(check), "wrong", error.message, error.hint)
    except OSError as error:
        yield Finding(_name(check), "wrong", f"cannot be looked at: {error}")


def _name(check: Check) -> str:
    return getattr(check, "__name__", "check").removeprefix("check_").replace("_", " ")
