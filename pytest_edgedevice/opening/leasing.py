"""Lease one of the devices that fit, connect to it, and clean up after a holder that crashed."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_edgedevice.device import TIMEOUT_S, Device, check_seconds
from pytest_edgedevice.errors import (
    DEVICE_FAULTS,
    DeviceBusyError,
    DeviceNotFoundError,
    DeviceQuarantinedError,
    EdgeDeviceError,
    InfraError,
    LeaseError,
    PortRefusedError,
    SpecError,
)
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.leases import Holder, Lease, Quarantine, Waiting, acquire, note_fault, quarantine_of
from pytest_edgedevice.opening.candidates import Candidate, shown
from pytest_edgedevice.opening.catalog import Catalog
from pytest_edgedevice.opening.guarding import guarded
from pytest_edgedevice.opening.showing import showing
from pytest_edgedevice.runners.care import Care, cores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.spec import DeviceSpec, Expression
    from pytest_edgedevice.transports.progress import Progress
    from pytest_edgedevice.values import Fact


class NoneFitsError(DeviceNotFoundError):
    """There are devices of that spec, but none has what is required besides."""


def counts(error: BaseException, asked: DeviceSpec) -> bool:
    """Whether an error counts against the device, and may set it aside.

    An app that somebody opens by hand, on the one device that was asked for, is no fault: whoever reads the hint and
    opens it must not wait for a quarantine to end. In a pool the next test takes another device.

    Args:
        error: What happened while the device was opened or used.
        asked: What was asked for.
    """
    if isinstance(error, PortRefusedError) and not asked.is_pool:
        return False  # where a command opens the app, its errors are others
    return isinstance(error, InfraError) and isinstance(error, DEVICE_FAULTS)


def open_device(
    spec: str = "local",
    *,
    wait_s: float = 0.0,
    timeout_s: float = TIMEOUT_S,
    shared: bool = False,
    requires: Sequence[Expression] = (),
    catalog: Catalog | None = None,
    holder: Holder | None = None,
    on_wait: Callable[[Waiting], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_pause: Callable[[str], None] | None = None,
) -> Device:
    """Lease a device exclusively and connect to it; use it in a ``with`` block.

    Args:
        spec: ``local``, a name from ``edgedevice.toml``, or an expression such as ``"linux and cores>=2"``.
        wait_s: How long to wait while somebody else holds it, seconds.
        timeout_s: Deadline for each exchange with the device, seconds.
        shared: Use it together with others who say so too, for numbers that no neighbour can change; nothing
            can be measured then. Only this machine can be shared; any other device is leased for us alone.
        requires: Expressions that the device must fit besides.
        catalog: What names mean; by default the ``edgedevice.toml`` nearest to the current folder.
        holder: What others read of us while they wait; by default this process.
        on_wait: Called while waiting, with our place and the holder.
        on_progress: Called about once a second, from another thread, while a file takes longer than a second to
            the device; ``str`` of what it gets is a line to show, and its ``over`` says that there is none any more.
        on_pause: Called with a line to show while a measurement waits for a condition to pass, e.g. for the device
            to cool, and with an empty one when that is over.

    Raises:
        SpecError, ConfigError: The spec or the device file cannot be understood.
        DeviceNotFoundError: No such device, or none that fits.
        DeviceQuarantinedError: Whatever fits failed again and again lately.
        DeviceBusyError: Somebody else holds it still; the message names the holder.
        TransportError: The device cannot be reached.
    """
    if not isinstance(spec, str):
        raise SpecError(f"a device spec is a text such as 'local', not {type(spec).__name__}")
    check_seconds("wait_s", wait_s, zero=True)
    check_seconds("timeout_s", timeout_s)
    catalog = catalog or Catalog(load_inventory(Path.cwd()))
    parsed = catalog.parse(spec)
    if (device := catalog.elsewhere(parsed)) is not None:
        # a lease is taken where the device is: its queue, quarantine and cleaning are that host's
        return cast("Device", _checked(device, spec, requires))
    fitting = _fitting(catalog.candidates(parsed), spec, requires)
    ours = [one for one in fitting if one.elsewhere is None]
    if not ours and fitting[0].elsewhere is not None:
        return cast("Device", fitting[0].elsewhere())
    holder = holder or Holder.here()
    deadline = time.monotonic() + wait_s
    untried = list(ours)
    while True:
        left_s = max(deadline - time.monotonic(), 0)
        candidate, lease = _leased(untried, spec, holder, wait_s=left_s, shared=shared, on_wait=on_wait)
        # in a pool nobody waits in one device's own line while another one may be free
        there_s = max(deadline - time.monotonic(), 0) if len(ours) == 1 else 0
        try:
            shown_there = showing(guarded(candidate, lease, there_s, on_wait), on_progress)
            care = Care(catalog.inventory.rules_of(candidate.name), cores_of(candidate.facts), on_pause)
            return _connect(shown_there, lease, parsed, timeout_s, care)
        except DeviceBusyError:
            untried = [one for one in untried if one.identity != candidate.identity]
            if not untried:
                if time.monotonic() >= deadline:
                    raise
                untried = list(ours)


def _checked(device: DeviceLike, spec: str, requires: Sequence[Expression]) -> DeviceLike:
    if not all(wish.matches(device.facts) for wish in requires):
        device.close()
        raise _none_fits(spec, {device.name: device.facts}, requires)
    return device


def _fitting(candidates: Sequence[Candidate], spec: str, requires: Sequence[Expression]) -> list[Candidate]:
    fitting = [one for one in candidates if all(wish.matches(one.facts) for wish in requires)]
    if not fitting:
        raise _none_fits(spec, {one.name: one.facts for one in candidates}, requires)
    return fitting


def _none_fits(spec: str, facts: Mapping[str, Mapping[str, Fact]], requires: Sequence[Expression]) -> NoneFitsError:
    if len(facts) == 1:
        ((name, known),) = facts.items()
        wish = next(one for one in requires if not one.matches(known))
        text = f"{name} does not fit {str(wish)!r}: "
        text += ", ".join(f"{fact}={known.get(fact, 'not known')}" for fact in sorted(wish.facts_used))
        return NoneFitsError(text, hint="see: edgedevice list")
    used = sorted(set().union(*(wish.facts_used for wish in requires)))
    seen = "; ".join(f"{name} ({shown(known, used)})" for name, known in facts.items())
    wishes = " and ".join(repr(str(wish)) for wish in requires)
    return NoneFitsError(f"no device of {spec!r} fits {wishes}. There are: {seen}", hint="see: edgedevice list")


def _leased(
    fitting: Sequence[Candidate],
    spec: str,
    holder: Holder,
    *,
    wait_s: float,
    shared: bool,
    on_wait: Callable[[Waiting], None] | None,
) -> tuple[Candidate, Lease]:
    """Lease one that is healthy; one that fell sick while we waited for it is handed back."""
    while True:
        healthy, sick = _healthy(fitting)
        if not healthy:
            raise _quarantined(spec, sick)
        lease = acquire(
            [one.identity for one in healthy],
            holder=holder,
            wait_s=wait_s,
            on_wait=on_wait,
            shared=shared and all(one.shareable for one in healthy),
            wanted=f"device {spec!r}" + (f" (besides {_reasons(sick)})" if sick else ""),
        )
        candidate = next(one for one in healthy if one.identity == lease.key)
        if _healthy([candidate])[0]:
            return candidate, lease
        lease.release(untouched=True)


def _healthy(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[tuple[Candidate, Quarantine]]]:
    healthy, sick = [], []
    for one in candidates:
        quarantine = quarantine_of(one.identity)
        if quarantine is not None and quarantine.active:
            sick.append((one, quarantine))
        else:
            healthy.append(one)
    return healthy, sick


def _quarantined(spec: str, sick: Sequence[tuple[Candidate, Quarantine]]) -> DeviceQuarantinedError:
    what = f"device {spec!r} cannot be used" if len(sick) == 1 else f"all {len(sick)} devices that fit {spec!r} are"
    what += " sick" if len(sick) > 1 else ""
    names = " or ".join(f"edgedevice release {one.name}" for one, _ in sick[:3])
    return DeviceQuarantinedError(f"{what}: {_reasons(sick)}", hint=f"mend it, then run: {names}")


def _reasons(sick: Sequence[tuple[Candidate, Quarantine]]) -> str:
    return "; ".join(f"{one.name} is {quarantine}" for one, quarantine in sick[:4])


def _connect(candidate: Candidate, lease: Lease, asked: DeviceSpec, timeout_s: float, care: Care) -> Device:
    """Connect to a device that was leased; an error counts against it."""
    try:
        device = _link(candidate, lease, timeout_s, care)
    except BaseException as error:
        _note(candidate, lease, error, asked)
        lease.release(untouched=True)
        raise
    if lease.crashed:
        try:
            device.recover(*lease.crashed)
        except BaseException as error:
            _note(candidate, lease, error, asked)
            with contextlib.suppress(EdgeDeviceError):  # what failed first is what is told
                device.close()
            raise
    return device


def _link(candidate: Candidate, lease: Lease, timeout_s: float, care: Care) -> Device:
    transport = candidate.connect()
    try:
        lease.update(folder=transport.folder)
        return Device(
            transport,
            name=candidate.name,
            facts=candidate.facts,
            lease=lease,
            connect=candidate.connect,
            runner=candidate.runner(),
            timeout_s=timeout_s,
            care=care,
        )
    except BaseException:
        transport.close()
        raise


def _note(candidate: Candidate, lease: Lease, error: BaseException, asked: DeviceSpec) -> None:
    if isinstance(error, EdgeDeviceError) and counts(error, asked):
        who = f" (while opening it for {lease.holder.test})" if lease.holder.test else " (while opening it)"
        with contextlib.suppress(LeaseError):  # a count that cannot be written must not hide the error
            note_fault(candidate.identity, name=candidate.name, reason=error.message.splitlines()[0] + who)
