"""One ``[devices.NAME]`` table: its keys, their types, and what they may not say."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import SpecError
from pytest_edgedevice.inventory.phones import PhoneReader
from pytest_edgedevice.inventory.running import KEYS as RUNNING_KEYS
from pytest_edgedevice.inventory.running import Running, RunningReader
from pytest_edgedevice.inventory.tables import TableReader, kind_of
from pytest_edgedevice.inventory.validity import rules_of
from pytest_edgedevice.spec import BUILT_IN, KEYWORDS, KINDS, DeviceSpec, closest_first, parse_spec
from pytest_edgedevice.validity import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.values import Fact

KEYS = ("spec", "kind", "address", "tags", "facts", "folder", "python", "engine", "cache_mb", "labels", "delegates",
        "validity", *RUNNING_KEYS)  # fmt: skip
ENGINES = ("litert", "tflite", "coreml")
MOST_CACHE_MB = 1_000_000
_DEVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_RESERVED = frozenset({*KINDS, *KEYWORDS, *BUILT_IN})


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device as its table describes it.

    Attributes:
        name: Its name, to be used as a spec.
        spec: How to reach it: a kind or a kind with an address, never a name or an expression.
        tags: Words that are true of it in expressions.
        facts: The owner's own facts about it.
        folder: Absolute folder on the device for our files; None for the link's default.
        python: Interpreter that runs the agent there; None for the link's default.
        engine: Engine to use when the test names none; None for the device's default.
        cache_mb: How many megabytes of models may stay there between sessions; 0 for none.
        labels: Of the CI runner that the device is attached to.
        delegates: Those that CI runs tests with there; empty leaves them to the tests' markers.
        running: How models are run there.
        rules: What becomes of a measurement there under conditions that disturb it.
    """

    name: str
    spec: DeviceSpec
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    folder: str | None = None
    python: str | None = None
    engine: str | None = None
    cache_mb: int = 0
    labels: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()
    running: Running = field(default_factory=Running)
    rules: Rules = field(default_factory=Rules)

    def known_facts(self) -> dict[str, Fact]:
        """What expressions can be told of it before it was ever opened: kind, name, tags, free facts."""
        return {self.spec.kind: True, "name": self.name, **dict.fromkeys(self.tags, True), **self.facts}


class EntryReader(TableReader):
    """Reads one device's table.

    Args:
        where: File and table path, the beginning of every error text.
        name: The device's name.
        table: Its content, as parsed.
        base: The device file's folder; paths of this host are relative to it.
        rules: What holds for all devices of the file.
    """

    def __init__(self, where: str, name: str, table: Any, *, base: Path, rules: Rules) -> None:
        is_table = isinstance(table, dict)
        super().__init__(where, table if is_table else {})
        self._name = name
        self._base = base
        self._rules = rules
        if not is_table:
            self._fail(
                f"must be a table, not {kind_of(table)}",
                f'write [devices.{name}] and below it spec = "adb:SERIAL"',
            )

    def read(self) -> DeviceEntry:
        """Check everything and build the entry."""
        self._check_name()
        for key in self._table:
            if key not in KEYS:
                nearest = closest_first(key, KEYS)
                self._fail(f"unknown key {key!r}", f"known keys, closest first: {', '.join(nearest)}")
        tags = self._tags()
        facts = self._facts()
        if twice := sorted(set(tags) & set(facts)):
            self._fail(f"{twice[0]!r} is both a tag and a fact", "keep one of them: a tag is a fact that is true")
        spec = self._spec()
        entry = DeviceEntry(
            self._name,
            spec,
            tags=tags,
            facts=facts,
            folder=self._folder(),
            python=self._text("python"),
            engine=self._engine(),
            cache_mb=self._cache_mb(),
            labels=self._plain_texts("labels", '["self-hosted", "kitchen"]'),
            delegates=self._plain_texts("delegates", '["cpu", "gpu"]'),
            running=RunningReader(self._where, self._table, base=self._base, kind=spec.kind).read(),
            rules=rules_of(f"{self._where[:-1]}.validity]", self._table, self._rules),
        )
        PhoneReader(self._where, self._table).check(spec.kind)
        return entry

    def _check_name(self) -> None:
        if not _DEVICE_NAME.fullmatch(self._name):
            self._fail(
                f"{self._name[:80]!r} cannot be a device's name",
                "use at most 64 letters, digits, '_', '-' and '.', the first a letter, a digit or '_'",
            )
        if self._name in _RESERVED:
            self._fail(f"{self._name!r} already means something in a device spec", "give the device another name")

    def _spec(self) -> DeviceSpec:
        text = self._text("spec")
        kind, address = self._text("kind"), self._text("address")
        if text is None:
            if kind is None:
                self._fail(
                    "says not how to reach the device",
                    'add spec = "adb:SERIAL", "ssh:user@host", "ios:UDID" or "local"',
                )
            text = f"{kind}:{address}" if address is not None else kind
        elif kind is not None or address is not None:
            self._fail("has 'spec' and also 'kind' or 'address'", "keep 'spec' alone")
        try:
            spec = parse_spec(text)
        except SpecError as error:
            self._fail(f"spec: {error.message}", error.hint)
        if spec.kind == "expression":
            self._fail(
                f"spec {text!r} is an expression, which may fit several devices",
                "name one device: adb:SERIAL, ssh:user@host, ios:UDID or local",
            )
        if spec.kind == "ssh" and not spec.host:
            self._fail("spec 'ssh' names no host", "write ssh:[user@]host[:port]")
        return spec

    def _tags(self) -> tuple[str, ...]:
        tags = self._table.get("tags", [])
        if not isinstance(tags, list):
            self._fail(f"tags must be a list of words, not {kind_of(tags)}", 'write tags = ["camera"]')
        for tag in tags:
            self._check_word("tag", tag)
        return tuple(dict.fromkeys(tags))

    def _facts(self) -> dict[str, Fact]:
        facts = self._table.get("facts", {})
        if not isinstance(facts, dict):
            self._fail(f"facts must be a table, not {kind_of(facts)}", "write facts = { price_eur = 60 }")
        for name, value in facts.items():
            self._check_word("fact", name)
            if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
                self._fail(f"fact {name!r} is {kind_of(value)}", "write a text, a finite number, true or false")
        return dict(facts)

    def _check_word(self, what: str, word: Any) -> None:
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            self._fail(
                f"{str(word)[:80]!r} cannot be a {what}",
                "use at most 64 letters, digits, '_', '-' and '.', the first a letter or '_'",
            )
        if word in _RESERVED:
            self._fail(f"the {what} {word!r} already means something in expressions", f"give the {what} another name")

    def _folder(self) -> str | None:
        folder = self._text("folder")
        if folder is not None and (not folder.startswith("/") or ".." in folder.split("/") or folder.strip("/") == ""):
            self._fail(f"folder {folder!r} is no absolute path below / without '..'", 'write folder = "/data/edge"')
        return folder

    def _engine(self) -> str | None:
        engine = self._text("engine")
        if engine is not None and engine not in ENGINES:
            self._fail(f"engine {engine!r} is no name of an engine", f"engines: {', '.join(ENGINES)}")
        return engine

    def _plain_texts(self, key: str, example: str) -> tuple[str, ...]:
        texts = self._texts(key)
        for text in texts:
            if not text or text != text.strip() or not text.isprintable() or text.startswith("-"):
                self._fail(
                    f"{key} holds {text[:80]!r}: empty, padded, starting with a dash or with control characters",
                    f"write {key} = {example}",
                )
        return tuple(dict.fromkeys(texts))

    def _cache_mb(self) -> int:
        size = self._table.get("cache_mb", 0)
        if type(size) is not int or not 0 <= size <= MOST_CACHE_MB:
            shown = repr(size) if type(size) in (int, float) else kind_of(size)
            self._fail(
                f"cache_mb is {shown:.80}, not a whole number from 0 to {MOST_CACHE_MB}",
                "write cache_mb = 500 to let models of 500 MB stay there between sessions, or leave the line out",
            )
        return size
