"""From a spec to an open device: what is asked, opened and leased on the way, and what stays when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from pytest_edgedevice.device import AnotherDeviceError, Device
from pytest_edgedevice.device.reconnecting import connected_again, taken_over
from pytest_edgedevice.errors import (
    AgentDiedError,
    DeviceBusyError,
    DeviceLostError,
    DeviceNotFoundError,
    InfraError,
    LeaseError,
    PortRefusedError,
    SpecError,
    TransportError,
)
from pytest_edgedevice.leases import Holder, Lease, acquire, quarantine_of, who
from pytest_edgedevice.opening import Catalog, NoneFitsError, open_device
from pytest_edgedevice.spec import parse_expression
from pytest_edgedevice.transports.local import LocalTransport, local_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Fact

ADA = Holder(user="ada", pid=4242, test="t.py::test_y", worker="gw1", host="elsewhere")


class Rack(LocalTransport):
    """A device of its own on this machine, whose troubles are set from outside."""

    opened = 0
    trouble: Exception | None = None
    serial = "rack"
    closing: Exception | None = None
    more: Mapping[str, Fact] = {}

    def __init__(self) -> None:
        type(self).opened += 1
        if self.trouble:
            raise self.trouble
        super().__init__()

    def identity(self) -> str:
        return self.serial

    def facts(self) -> Mapping[str, Fact]:
        return {**local_facts(), "local": False, "camera": True, "volts": 5, "colour": "red", **self.more}

    def close(self) -> None:
        super().close()
        if self.closing:
            raise self.closing


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Rack]:
    """The class of a device, with no troubles yet."""
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path))

    class Own(Rack):
        pass

    return Own


class Remote:
    """The least that stands for a device which another host leases."""

    name, identity, shared, recovered = "remote", "far", False, ()
    facts: Mapping[str, Fact] = {"camera": True}

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unused(self, *_: object, **__: object) -> Any:
        raise NotImplementedError

    load = reconnect = waiters = tell_waiters = note_fault = note_health = _unused


def catalog(**devices: Any) -> Catalog:
    return Catalog(contributed=devices)


@pytest.mark.parametrize("text", ["camera", "volts>=5", "colour==red", "name==rack", "camera and linux"])
def test_facts_of_contributed_devices_can_be_asked_for(rack: type[Rack], text: str) -> None:
    with open_device(text, catalog=catalog(rack=rack)) as device:
        assert device.name == "rack"


def test_a_word_that_no_device_knows_is_refused_with_those_that_they_know(rack: type[Rack]) -> None:
    with pytest.raises(SpecError, match="closest first: camera,"):
        catalog(rack=rack).parse("camra")
    with pytest.raises(SpecError, match="known fact"):
        catalog(rack=rack).expression("camra and volts>=5")


def test_a_fact_that_is_no_plain_value_is_no_word(rack: type[Rack]) -> None:
    rack.more = {"lens": None}  # type: ignore[dict-item]
    with pytest.raises(SpecError):
        catalog(rack=rack).parse("lens")


def test_a_built_in_fact_opens_no_contributed_device_to_be_understood(rack: type[Rack]) -> None:
    catalog(rack=rack).parse("linux and cores>=1")
    assert rack.opened == 0


def test_two_errors_while_asking_are_enough(rack: type[Rack]) -> None:
    rack.trouble = TransportError("no power", hint="plug it in")
    known = catalog(rack=rack)
    for text in (
        "^no power",
        "^no power",
        r"^no power \(not tried again after 2 errors in a row\)\n  hint: plug it in",
    ):
        with pytest.raises(TransportError, match=text):
            known.candidates(known.parse("rack"))
    assert rack.opened == 2


def test_one_error_while_asking_is_forgotten_when_it_works(rack: type[Rack]) -> None:
    known = catalog(rack=rack)
    rack.trouble = TransportError("no power")
    for _ in range(3):
        known = catalog(rack=rack)
        with pytest.raises(TransportError):
            known.candidates(known.parse("rack"))
        rack.trouble, before = None, rack.trouble
        assert known.candidates(known.parse("rack"))[0].identity == "rack"
        rack.trouble = before


def test_requirements_that_nothing_fits_are_an_error_of_their_own(rack: type[Rack]) -> None:
    with pytest.raises(NoneFitsError, match="rack does not fit 'volts>=9': volts=5"):
        open_device(
            "rack",
            requires=[parse_expression("volts>=9", vocabulary=catalog(rack=rack).vocabulary())],
            catalog=catalog(rack=rack),
        )


def test_a_device_of_another_host_is_handed_over_as_it_was_opened(rack: type[Rack]) -> None:
    opened: list[Remote] = []

    def factory() -> Remote:
        opened.append(Remote())
        return opened[-1]

    device: Any = open_device("remote", catalog=catalog(remote=factory))
    assert [device] == opened
    assert device.is_open


def test_a_device_of_another_host_that_does_not_fit_is_closed(rack: type[Rack]) -> None:
    remote = Remote()
    with pytest.raises(NoneFitsError, match="remote does not fit"):
        open_device("remote", requires=[parse_expression("cores>=1")], catalog=catalog(remote=lambda: remote))
    assert not remote.is_open


def test_in_a_pool_a_device_of_another_host_is_opened_where_none_of_ours_fits(rack: type[Rack]) -> None:
    opened: list[Remote] = []

    def factory() -> Remote:
        opened.append(Remote())
        return opened[-1]

    device: Any = open_device("camera", catalog=catalog(remote=factory))
    assert device is opened[1]
    assert [one.is_open for one in opened] == [False, True]
    with open_device("camera", catalog=catalog(remote=factory, rack=rack)) as ours:
        assert ours.name == "rack"


def test_an_error_while_connecting_counts_and_hands_the_device_back_as_it_was(rack: type[Rack]) -> None:
    known = catalog(rack=rack)
    known.candidates(known.parse("rack"))
    acquire("rack", holder=ADA, wait_s=0).release(clean=False)
    rack.trouble = TransportError("no power\nat all")
    with pytest.raises(TransportError, match="no power"):
        open_device("rack", catalog=known, holder=Holder(test="t.py::test_z"))
    found = quarantine_of("rack")
    assert found is not None
    assert (found.count, found.reason) == (1, "no power (while opening it for t.py::test_z)")
    with acquire("rack", holder=Holder(), wait_s=0) as lease:
        assert [one.user for one in lease.crashed] == ["ada"]


def test_other_hardware_than_was_leased_is_refused(rack: type[Rack]) -> None:
    known = catalog(rack=rack)
    known.candidates(known.parse("rack"))
    rack.serial = "other"
    with pytest.raises(AnotherDeviceError, match="another device answers for rack now: other, not rack"):
        open_device("rack", catalog=known)
    assert who("rack") is None


def test_ctrl_c_when_the_link_was_just_opened_closes_it(rack: type[Rack], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    links: list[Rack] = []

    def opened() -> Rack:
        links.append(rack())
        return links[-1]

    known = catalog(rack=opened)
    monkeypatch.setattr(Lease, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_device("rack", catalog=known)
    assert [Path(link.folder).exists() for link in links] == [False] * 2


@pytest.mark.parametrize("error", [DeviceNotFoundError("x"), ValueError("x"), PortRefusedError("x")])
def test_what_is_no_fault_of_the_device_does_not_count(rack: type[Rack], error: Exception) -> None:
    known = catalog(rack=rack)
    known.candidates(known.parse("rack"))
    rack.trouble = error
    with pytest.raises(type(error)):
        open_device("rack", catalog=known)
    assert quarantine_of("rack") is None


def test_a_device_that_is_taken_over_says_from_whom_and_what_was_done(rack: type[Rack]) -> None:
    acquire("rack", holder=ADA, wait_s=0).release(clean=False)
    with open_device("rack", catalog=catalog(rack=rack)) as device:
        assert device.recovered[0] == (
            "taken over from ada (pid 4242 on elsewhere, gw1, test t.py::test_y), who crashed"
        )


def test_a_device_that_is_not_well_after_cleaning_stays_dirty_and_the_first_error_is_told(
    rack: type[Rack], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwell(_: Device) -> None:
        raise AgentDiedError("no agent starts")

    acquire("rack", holder=ADA, wait_s=0).release(clean=False)
    known = catalog(rack=rack)
    known.candidates(known.parse("rack"))
    monkeypatch.setattr(Device, "check_health", unwell)
    rack.closing = TransportError("cannot close either")
    with pytest.raises(AgentDiedError, match="no agent starts"):
        open_device("rack", catalog=known)
    found = quarantine_of("rack")
    assert found is not None
    assert found.reason == "no agent starts (while opening it)"
    with acquire("rack", holder=Holder(), wait_s=0) as lease:
        assert "ada" in [one.user for one in lease.crashed]


def test_a_device_that_could_not_be_closed_in_good_order_is_dirty(rack: type[Rack]) -> None:
    known = catalog(rack=rack)
    device = open_device("rack", catalog=known)
    rack.closing = TransportError("the link is gone")
    with pytest.raises(TransportError):
        device.close()
    with acquire("rack", holder=Holder(), wait_s=0) as lease:
        assert lease.dirty is not None


def test_a_device_that_is_booting_is_waited_for_until_it_says_who_it_is(rack: type[Rack]) -> None:
    answers: list[Exception | str] = [TransportError("booting"), "rack"]

    class Booting(rack):  # type: ignore[misc, valid-type]
        def identity(self) -> str:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    with connected_again(Booting, identity="rack", name="rack", wait_s=30):
        assert answers == []


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (TransportError("no power"), "rack did not come back within 0 s: no power"),
        (None, "nobody knows how to connect"),
    ],
)
def test_a_device_that_does_not_come_back_is_lost(rack: type[Rack], trouble: Exception | None, text: str) -> None:
    rack.trouble = trouble
    with pytest.raises(DeviceLostError, match=text):
        connected_again(rack if trouble else None, identity="rack", name="rack", wait_s=0)


def test_a_device_that_came_back_and_stays_held_is_busy_and_not_lost(rack: type[Rack]) -> None:
    rack.trouble = DeviceBusyError("rack is held by ada")
    with pytest.raises(DeviceBusyError, match="ada"):
        connected_again(rack, identity="rack", name="rack", wait_s=0)


def test_an_error_that_is_not_the_links_ends_the_wait(rack: type[Rack]) -> None:
    rack.trouble = InfraError("the license expired")
    with pytest.raises(InfraError, match="license"):
        connected_again(rack, identity="rack", name="rack", wait_s=30)


def test_of_a_record_without_anything_in_it_the_little_is_said() -> None:
    assert taken_over(Holder()) == "taken over from an unknown user (pid unknown), who crashed"


def held_elsewhere(rack: type[Rack], serial: str, *, times: int) -> type[Rack]:
    """A device whose own lock users of another host hold, when it is asked for it so many times."""

    class Guarded(rack):  # type: ignore[misc, valid-type]
        left = times

        def guard(self, *_: object, **__: object) -> tuple[str, ...]:
            type(self).left -= 1
            if type(self).left >= 0:
                raise DeviceBusyError(f"{serial}: held by ada on another host")
            return ("taken over from ada, who crashed", "ended 1 process")

    Guarded.serial = serial
    return Guarded


def test_of_a_pool_the_next_device_is_tried_where_another_host_holds_one(rack: type[Rack]) -> None:
    known = catalog(one=held_elsewhere(rack, "one", times=9), two=held_elsewhere(rack, "two", times=0))
    with open_device("camera", catalog=known) as device:
        assert device.name == "two"
    assert who("one") is None


def test_a_pool_that_other_hosts_hold_is_asked_again_until_the_time_is_over(rack: type[Rack]) -> None:
    known = catalog(one=held_elsewhere(rack, "one", times=2), two=held_elsewhere(rack, "two", times=9))
    with open_device("camera", catalog=known, wait_s=60) as device:
        assert device.name == "one"


@pytest.mark.parametrize("spec", ["one", "camera"])
def test_devices_that_other_hosts_hold_are_busy(rack: type[Rack], spec: str) -> None:
    known = catalog(one=held_elsewhere(rack, "one", times=9), two=held_elsewhere(rack, "two", times=9))
    with pytest.raises(DeviceBusyError, match="held by ada on another host"):
        open_device(spec, catalog=known)
    assert (who("one"), who("two")) == (None, None)


def test_what_the_devices_own_lock_told_is_in_the_report(rack: type[Rack]) -> None:
    with open_device("one", catalog=catalog(one=held_elsewhere(rack, "one", times=0))) as device:
        assert device.recovered == ("taken over from ada, who crashed", "ended 1 process")


def test_a_lock_that_was_removed_under_us_is_told_with_the_next_test(rack: type[Rack], tmp_path: Path) -> None:
    with open_device("rack", catalog=catalog(rack=rack)) as device:
        device.tell_waiters("test_a")
        for lock in tmp_path.glob("rack-*.lock"):
            lock.unlink()
        with pytest.raises(LeaseError, match="was removed or replaced while we held it"):
            device.tell_waiters("test_b")
