"""The device that this worker holds: one at most, from its first use to the end of the session, or until let go.

The session-scoped fixture ``edge_device`` stays open as long as the device is held. ``let_go``
ends that fixture early, with everything of the user's that was built on it.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DEVICE_FAULTS, DeviceBusyError, DeviceNotFoundError, EdgeDeviceError
from pytest_edgedevice.leases import Holder, quarantine_of
from pytest_edgedevice.opening import NoneFitsError, open_device
from pytest_edgedevice.plugin.catalog import catalog, expression_of
from pytest_edgedevice.plugin.investigating import memory_of
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.parametrize import is_shared, required_expressions
from pytest_edgedevice.plugin.recording import add_note
from pytest_edgedevice.plugin.recording_run import record_device
from pytest_edgedevice.plugin.telling import Pauses, Teller, Transfers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.spec import Expression
    from pytest_edgedevice.values import Fact


@dataclass(frozen=True, slots=True)
class Wish:
    """What a test asks of its device.

    Attributes:
        spec: The device spec.
        requires: Expressions of its ``edge_requires`` markers.
        shared: Whether others may use the device at the same time.
    """

    spec: str
    requires: tuple[str, ...]
    shared: bool


class Holding:
    """What this worker holds.

    Attributes:
        device: The device, while the fixture ``edge_device`` is open.
        spec: What it was opened as.
        kept: The device, after the fixture ended early and before it is opened again.
        faulty: Whether a fault of the device was told already: what fails when it is closed is no news.
        gone: Whether the device was lost for good.
        told: How many clauses of ``Device.recovered`` a test's record has taken.
    """

    def __init__(self) -> None:
        self.device: DeviceLike | None = None
        self.spec = ""
        self.kept: DeviceLike | None = None
        self.faulty = False
        self.gone = False
        self.told = 0
        self.finish: Callable[[], None] | None = None
        self.keep = False
        self.in_vain: Wish | None = None

    def close(self, device: DeviceLike) -> None:
        """Hand a device back."""
        with contextlib.suppress(*([EdgeDeviceError] if self.faulty else [])):
            device.close()
        self.faulty = self.gone = False


HOLDING = pytest.StashKey[Holding]()


def holding_of(config: pytest.Config) -> Holding:
    """This worker's only one."""
    return config.stash.setdefault(HOLDING, Holding())


@contextlib.contextmanager
def held(request: pytest.FixtureRequest) -> Iterator[DeviceLike]:
    """Open the device for the fixture ``edge_device``, or take the one that was kept for it."""
    item, holding = request._pyfuncitem, holding_of(request.config)  # noqa: SLF001
    spec = str(getattr(request, "param", None) or settings_of(request.config).devices[0])
    # what failed is cached by pytest as well: it must be possible to end that too
    holding.finish = functools.partial(request._fixturedef.finish, request=request)  # type: ignore[attr-defined] # noqa: SLF001
    device, holding.kept = holding.kept, None  # kept for a repetition of the same test, and so for the same spec
    if device is None:
        device, holding.told, holding.faulty = _open(item, spec, holding), 0, False
    holding.device, holding.spec = device, spec
    try:
        yield device
    finally:
        holding.device, holding.finish = None, None
        if holding.keep:
            holding.kept = device
        else:
            holding.close(device)


def let_go(config: pytest.Config, *, keep: bool = False) -> None:
    """End the fixture ``edge_device`` now, and all of the user's fixtures that depend on it; the next test opens anew.

    Args:
        config: The run's.
        keep: Keep device and lease for the next time that the fixture is opened.

    Raises:
        Exception: Whatever the user's fixtures raise while they end.
    """
    holding = holding_of(config)
    finish, holding.finish = holding.finish, None
    holding.keep = keep
    try:
        if finish is not None:
            finish()
    finally:
        holding.keep = False


def drop_kept(config: pytest.Config) -> None:
    """Hand back a device that was kept for a fixture that nobody opened again."""
    holding = holding_of(config)
    device, holding.kept = holding.kept, None
    if device is not None:
        holding.close(device)


def prepare(item: pytest.Item) -> None:
    """Let go of what does not suit the next test, and forget failures, so that it tries for itself."""
    holding = holding_of(item.config)
    if holding.finish is not None and (holding.device is None or not _suits(holding, item)):
        let_go(item.config)


def _suits(holding: Holding, item: pytest.Item) -> bool:
    device, wish = holding.device, wish_of(item, holding.spec)
    assert device is not None
    if device.shared and not wish.shared:
        return False
    wanted = _expressions(item, wish)
    if fits(device.facts, wanted):
        return True
    known = catalog(item.config)
    spec = known.parse(holding.spec)
    # where no other device fits better, the test is skipped on this one
    return not (spec.is_pool and any(fits(one.facts, wanted) for one in known.candidates(spec)))


def wish_of(item: pytest.Item, spec: str) -> Wish:
    """What a test asks of its device."""
    return Wish(spec, tuple(required_expressions(item)), is_shared(item))


def fits(facts: Mapping[str, Fact], expressions: Sequence[Expression]) -> bool:
    """Whether a device with these facts fits all expressions."""
    return all(one.matches(facts) for one in expressions)


def _expressions(item: pytest.Item, wish: Wish) -> list[Expression]:
    return [expression_of(item.config, text) for text in wish.requires]


def _open(item: pytest.Item, spec: str, holding: Holding) -> DeviceLike:
    """Lease and open a device; a pool that nobody named and that is empty here skips its tests."""
    settings, known, wish = settings_of(item.config), catalog(item.config), wish_of(item, spec)
    with Teller(item.config) as teller:
        try:
            device = open_device(
                spec,
                # who has waited once in vain does not wait again for every test
                wait_s=0 if wish == holding.in_vain else settings.wait_s,
                timeout_s=settings.timeout_s,
                shared=wish.shared,
                requires=_expressions(item, wish),
                catalog=known,
                holder=Holder.here(test=item.nodeid),
                on_wait=teller.tell,
                on_progress=Transfers(item.config),
                on_pause=Pauses(item.config),
            )
        except NoneFitsError as error:
            pytest.skip(error.message)
        except DeviceNotFoundError as error:
            if settings.named or settings.ci or not known.parse(spec).is_pool:
                raise
            pytest.skip(f"{error.message} (not named on the command line, and this is not CI)")
        except DeviceBusyError as error:
            holding.in_vain = wish
            error.name_option("--edge-wait")
            raise
        except DEVICE_FAULTS:
            _note_quarantines(item, spec)
            raise
    holding.in_vain = None
    _watch(item.config, device)
    for text in known.passed_over(known.parse(spec)):
        add_note(item, text)
    return device


def _watch(config: pytest.Config, device: DeviceLike) -> None:
    """Record what it answers and remember what its models are asked, where that was asked for."""
    record_device(config, device)
    if settings_of(config).evidence.blame or settings_of(config).evidence.keep_inputs:
        memory = memory_of(config)
        memory.forget()
        memory.watch(device)


def _note_quarantines(item: pytest.Item, spec: str) -> None:
    """Tell of devices that the error just now has set aside."""
    known = catalog(item.config)
    for one in known.seen(known.parse(spec)):
        found = quarantine_of(one.identity)
        if found is not None and found.active and item.nodeid in found.reason:
            note_quarantine(item, one.name, found.count, found.reason)


def note_quarantine(item: pytest.Item, name: str, count: int, reason: str) -> None:
    """Say at the end of the run that a device was set aside."""
    add_note(
        item,
        f"{name} was quarantined after {count} errors in a row: {reason}; lift it with: edgedevice release {name}",
        bad=True,
    )
