"""The inventory: every named device, and the vocabulary that their owners added."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory.entries import DeviceEntry, EntryReader
from pytest_edgedevice.inventory.locate import PYPROJECT, locate
from pytest_edgedevice.inventory.validity import rules_of
from pytest_edgedevice.spec import BUILT_IN, DeviceSpec, FactInfo, Vocabulary, closest_first, parse_spec
from pytest_edgedevice.validity import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.values import Fact

KEYS = ("devices", "validity")


@dataclass(frozen=True, slots=True)
class Inventory:
    """All named devices.

    Attributes:
        path: The file they were read from; None when there is none.
        devices: Name to device, in the file's order.
        rules: What becomes of a measurement on any other device under conditions that disturb it.
    """

    path: Path | None = None
    devices: Mapping[str, DeviceEntry] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)

    def rules_of(self, name: str) -> Rules:
        """The rules for a device: those of its table, or those for all."""
        return self.devices[name].rules if name in self.devices else self.rules

    def vocabulary(self) -> Vocabulary:
        """The built-in facts and, after them, the tags and free facts of all devices."""
        words = dict(BUILT_IN)
        for entry in self.devices.values():
            for name, value in {**dict.fromkeys(entry.tags, True), **entry.facts}.items():
                words.setdefault(name, _described(name, value))
        return words

    def parse(self, text: str) -> DeviceSpec:
        """Parse a device spec that may use this inventory's names, tags and facts.

        Raises:
            SpecError: See ``parse_spec``.
        """
        return parse_spec(text, names=tuple(self.devices), vocabulary=self.vocabulary())


def load_inventory(start: Path, *, explicit: Path | None = None) -> Inventory:
    """Read ``edgedevice.toml``, or ``[tool.edgedevice]`` in ``pyproject.toml``, from ``start`` upwards.

    Args:
        start: Folder to search from; the nearest folder that has either wins.
        explicit: Read this file instead; the environment variable ``EDGEDEVICE_CONFIG`` does so too.

    Returns:
        An empty inventory when there is no such file.

    Raises:
        ConfigError: The file is wrong; the message names file, table, key and the nearest known one.
    """
    located = locate(start, explicit=explicit)
    if located is None:
        return Inventory()
    path, table = located
    prefix = "tool.edgedevice." if path.name == PYPROJECT else ""
    for key in table:
        if key not in KEYS:
            nearest = ", ".join(closest_first(key, KEYS))
            raise ConfigError(f"{path}: unknown key {prefix + key!r}", hint=f"known keys, closest first: {nearest}")
    tables = table.get("devices", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: [{prefix}devices] must be a table", hint=f"write [{prefix}devices.NAME]")
    rules = rules_of(f"{path}: [{prefix}validity]", table, Rules())
    devices = {
        name: EntryReader(f"{path}: [{prefix}devices.{name[:80]}]", name, content, base=path.parent, rules=rules).read()
        for name, content in tables.items()
    }
    _check_words(path, devices)
    return Inventory(path, devices, rules)


def _check_words(path: Path, devices: Mapping[str, DeviceEntry]) -> None:
    """Refuse words that mean two things: a fact of two types, or a name that is also a fact."""
    seen: dict[str, tuple[str, FactInfo]] = {}
    for entry in devices.values():
        words: dict[str, Fact] = {**dict.fromkeys(entry.tags, True), **entry.facts}
        for word, value in words.items():
            info = _described(word, value)
            first, before = seen.setdefault(word, (entry.name, info))
            if info.type != before.type:
                raise ConfigError(
                    f"{path}: {word!r} is of type {before.type} for the device {first!r}"
                    f" and of type {info.type} for {entry.name!r}",
                    hint="give it one type everywhere; a tag is a flag",
                )
    if clash := [name for name in devices if name in seen]:
        raise ConfigError(
            f"{path}: {clash[0]!r} is a device and also a tag or fact of {seen[clash[0]][0]!r}",
            hint="rename one of them",
        )


def _described(name: str, value: Any) -> FactInfo:
    if isinstance(value, bool):
        return FactInfo(name, "flag", "Tag or fact from edgedevice.toml.", name)
    if isinstance(value, str):
        return FactInfo(name, "text", "Fact from edgedevice.toml.", f'{name}=="{value}"')
    return FactInfo(name, "number", "Fact from edgedevice.toml.", f"{name}>={value}")
