"""Everything that specs can name, and which devices fit one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceNotFoundError, InfraError, MissingExtraError, SpecError
from pytest_edgedevice.inventory import Inventory
from pytest_edgedevice.opening import boards, iphones, phones, recordings
from pytest_edgedevice.opening.candidates import Candidate, Factory, contributed, entered, here, shown
from pytest_edgedevice.opening.failures import Failures
from pytest_edgedevice.spec import DeviceSpec, Expression, FactInfo, Vocabulary, parse_expression, parse_spec
from pytest_edgedevice.transports.base import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.values import Fact

REACHED = {"ssh": boards.reached, "adb": phones.reached, "ios": iphones.reached}
"""Kinds of links whose devices are connected to and asked what they are."""
INSISTED = {"adb": phones.insisted, "ios": iphones.insisted}
"""Pools of which somebody named the kind: who finds none raises why."""
ATTACHED = {"adb": (phones.WORDS, phones.pool), "ios": (iphones.WORDS, iphones.pool)}
"""Pools that any expression may draw from, and the facts for which they are insisted on."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that specs can name: the inventory, and devices that plugins contribute.

    A contributed device is opened once, when its facts are asked for the first time, and remembered.

    Attributes:
        inventory: Devices of ``edgedevice.toml``.
        contributed: Name to a function that opens the link to it, or the device itself behind another host's lease.
    """

    inventory: Inventory = field(default_factory=Inventory)
    contributed: Mapping[str, Factory] = field(default_factory=dict)
    _known: dict[str, Candidate] = field(default_factory=dict, compare=False, repr=False)
    _failures: Failures = field(default_factory=Failures, compare=False, repr=False)

    def parse(self, text: str) -> DeviceSpec:
        """Understand a device spec with all names and facts that are known here.

        Facts of contributed devices count too; the devices are opened only if nothing else explains the text.

        Raises:
            SpecError: See ``parse_spec``.
        """
        if text in self.contributed:
            return DeviceSpec("named", name=text)
        try:
            return self.inventory.parse(text)
        except SpecError:
            if not self.contributed:
                raise
        names = (*self.inventory.devices, *self.contributed)
        return parse_spec(text, names=names, vocabulary=self.vocabulary())

    def expression(self, text: str) -> Expression:
        """Understand an expression over facts, those of contributed devices included.

        Raises:
            SpecError: See ``parse_expression``.
        """
        try:
            return parse_expression(text, vocabulary=self.inventory.vocabulary())
        except SpecError:
            if not self.contributed:
                raise
        return parse_expression(text, vocabulary=self.vocabulary())

    def vocabulary(self) -> Vocabulary:
        """The facts of the inventory, and those of all contributed devices that can be opened."""
        words = dict(self.inventory.vocabulary())
        for one in self._reachable():
            for name, value in one.facts.items():
                if isinstance(value, str | int | float):
                    words.setdefault(name, _described(name, value))
        return words

    def candidates(self, spec: DeviceSpec) -> list[Candidate]:
        """The devices that fit a spec, in the order in which they should be tried.

        Raises:
            DeviceNotFoundError: None does; the message says what there is.
            InfraError: It is a contributed one that cannot be opened.
        """
        if spec.kind == "expression":
            return self._matching(spec)
        if spec.kind in REACHED:
            return [self._reach(str(spec), spec)] if spec.address else self._pool(spec.kind)
        if (recording := self._recording(spec)) is not None:
            return [recordings.replayed(str(spec), recording)]
        if spec.kind != "named":
            return [here()]
        if spec.name in self.contributed:
            return [self._look(spec.name)]
        return [self._entered(self.inventory.devices[spec.name])]

    def all(self, words: Collection[str] = phones.WORDS | iphones.WORDS) -> list[Candidate]:
        """Every device that this version can open, and that can be opened now.

        Args:
            words: Facts that matter: where one is a phone's, an adb server is started for its sake, or a usbmuxd
                insisted on, and it is remembered why there are none.
        """
        named = [entered(entry) for entry in self._of_kind("local")]
        return [here(), *named, *self._reachable_boards(), *self._attached(words), *self._reachable()]

    def _matching(self, spec: DeviceSpec) -> list[Candidate]:
        assert spec.expression is not None
        used = sorted(spec.expression.facts_used)
        known = self.all(used)
        fitting = [one for one in known if spec.expression.matches(one.facts)]
        if fitting:
            return fitting
        seen = [f"{one.name} ({shown(one.facts, used)})" for one in known]
        seen += [f"{name} (cannot be opened: {error.message})" for name, error in self._failures.last().items()]
        raise DeviceNotFoundError(
            f"no device matches {str(spec)!r}. There are: {'; '.join(seen)}", hint="see: edgedevice list"
        )

    def elsewhere(self, spec: DeviceSpec) -> DeviceLike | None:
        """Open the device that a spec names, if it is leased elsewhere or a recording; None for what is leased here.

        Raises:
            InfraError: It cannot be opened.
        """
        if (recording := self._recording(spec)) is not None:
            return recording()
        known = self._known.get(spec.name)
        if spec.name not in self.contributed or (known is not None and known.elsewhere is None):
            return None
        with self._failures.of(spec.name):
            opened = self.contributed[spec.name]()
            if isinstance(opened, Transport):
                self._known[spec.name] = contributed(spec.name, opened, self.contributed[spec.name])
                return None
            return opened

    def _recording(self, spec: DeviceSpec) -> Callable[[], DeviceLike] | None:
        """Opens the recording that a spec names; None where it names something else."""
        entry = self.inventory.devices.get(spec.name)
        there = entry.spec if entry else spec
        if there.kind != "replay" or spec.name in self.contributed:
            return None
        return recordings.opener(there, entry, base=self.inventory.path.parent if self.inventory.path else None)

    def passed_over(self, spec: DeviceSpec) -> list[str]:
        """What a pool could not take although it is attached, a clause each with the remedy."""
        words = spec.expression.facts_used if spec.expression else ()
        if spec.is_pool and (spec.kind == "adb" or not phones.WORDS.isdisjoint(words)):
            return phones.passed_over()
        return []

    def seen(self, spec: DeviceSpec) -> list[Candidate]:
        """The devices that fit a spec, as far as that is known without opening one."""
        if spec.name in self.contributed:
            return [self._known[spec.name]] if spec.name in self._known else []
        entry = self.inventory.devices.get(spec.name)
        if (entry.spec if entry else spec).kind in REACHED:
            return [
                one
                for key, one in self._known.items()
                if key in (spec.name, str(spec)) or (spec.is_pool and one.facts.get(spec.kind) is True)
            ]
        return self.candidates(spec)

    def _entered(self, entry: DeviceEntry) -> Candidate:
        return self._reach(entry.name, entry.spec, entry) if entry.spec.kind in REACHED else entered(entry)

    def _of_kind(self, kind: str) -> list[DeviceEntry]:
        return [entry for entry in self.inventory.devices.values() if entry.spec.kind == kind]

    def _pool(self, kind: str) -> list[Candidate]:
        if kind == "ssh":
            return self._boards()
        return INSISTED[kind](self._of_kind(kind), self._reach, self._failures)

    def _boards(self) -> list[Candidate]:
        """Every board of the device file that can be reached.

        Raises:
            DeviceNotFoundError: It names none.
            TransportError: None of them can be reached; the first one's error.
        """
        named = self._of_kind("ssh")
        if not named:
            raise DeviceNotFoundError(
                "the device file names no board that is reached over SSH", hint="write ssh:[user@]host[:port]"
            )
        return self._reachable_boards() or [self._entered(named[0])]

    def _reachable_boards(self) -> list[Candidate]:
        return boards.pool(self._of_kind("ssh"), self._entered)

    def _attached(self, words: Collection[str]) -> list[Candidate]:
        """Phones of all kinds that can be used now; why there are none is remembered where one is wished for."""
        found: list[Candidate] = []
        for kind, (own, pool) in ATTACHED.items():
            wanted = not own.isdisjoint(words)
            try:
                found += pool(self._of_kind(kind), self._reach, start=wanted)
            except (InfraError, MissingExtraError) as error:
                if wanted:
                    self._failures.note(kind, error)
        return found

    def _reach(self, key: str, spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
        if key not in self._known:
            with self._failures.of(key):
                self._known[key] = REACHED[spec.kind](spec, entry)
        return self._known[key]

    def _reachable(self) -> list[Candidate]:
        found = []
        for name in self.contributed:
            try:
                found.append(self._look(name))
            except InfraError:
                continue  # kept in _failures, and told where nothing else fits
        return found

    def _look(self, name: str) -> Candidate:
        if name not in self._known:
            with self._failures.of(name):
                self._known[name] = contributed(name, self.contributed[name](), self.contributed[name])
        return self._known[name]


def _described(name: str, value: Fact) -> FactInfo:
    if isinstance(value, bool):
        return FactInfo(name, "flag", "Fact of a contributed device.", name)
    if isinstance(value, str):
        return FactInfo(name, "text", "Fact of a contributed device.", f'{name}=="{value}"')
    return FactInfo(name, "number", "Fact of a contributed device.", f"{name}>={value}")
