"""What lockdownd of a phone told, as it said it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Told:
    """What lockdownd of a phone told.

    Attributes:
        values: Its values of no particular domain; the few that it tells everybody where it is not paired.
        paired: Whether it knows this host; the rest is told only then.
        disk: lockdownd's values of its storage.
        battery: The kernel's entry of the battery, where it was asked for.
        developer_mode: Whether it is on, where it was asked for; None where it does not say.
    """

    values: Mapping[str, Any]
    paired: bool
    disk: Mapping[str, Any] = field(default_factory=dict)
    battery: Mapping[str, Any] = field(default_factory=dict)
    developer_mode: bool | None = None
