"""A test whose device was lost is repeated once, from fresh fixtures, when the same device is back.

The repetition takes place within the phase that failed, so that pytest and
everything that is plugged into it see one test with one report a phase,
whatever else repeats tests or ends the run early.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeviceLostError, InfraError
from pytest_edgedevice.plugin.blame import expected_by_name, fault_in
from pytest_edgedevice.plugin.health import count, forget, settle
from pytest_edgedevice.plugin.holding import holding_of, let_go, prepare
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.outcomes import note_setup, use
from pytest_edgedevice.plugin.recording import OUTCOME, RECORDS, REPEATED, add_note, note_error
from pytest_edgedevice.plugin.telling import telling

if TYPE_CHECKING:
    from collections.abc import Generator

QUIETLY = (Exception, pytest.fail.Exception, pytest.skip.Exception)


def setup(item: pytest.Item) -> Generator[None, Any, None]:
    """Around a device test's setup."""
    prepare(item)
    try:
        yield
    except BaseException as error:
        _note_use(item)
        if not _is_back(item, error):
            raise
    else:
        note_setup(item)
        return
    _set_up_again(item)


def call(item: pytest.Item) -> Generator[None, Any, None]:
    """Around a device test's own code."""
    try:
        yield
    except BaseException as error:
        if not _is_back(item, error):
            raise
    else:
        return
    _set_up_again(item)
    item.runtest()


def teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, None]:
    """Around a device test's teardown; what it means for the device is settled at its end."""
    failed: BaseException | None = None
    try:
        yield from _torn_down(item, nextitem)
    except BaseException as error:
        failed = error
        raise
    finally:
        settle(item, nextitem, failed)


def _torn_down(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, None]:
    try:
        yield
    except BaseException as error:
        # of a test that has failed already the report is out: to repeat it would change nothing
        if item.stash.get(OUTCOME, "passed") != "passed" or not _is_back(item, error):
            raise
    else:
        return
    try:
        _set_up_again(item)
        item.runtest()
    finally:
        item.session._setupstate.teardown_exact(nextitem)  # noqa: SLF001


def _note_use(item: pytest.Item) -> None:
    """Note the device of a test whose setup failed after the device was opened."""
    device = holding_of(item.config).device
    if device is not None and "edge_device" in getattr(item, "fixturenames", ()):
        use(item, device)


def _is_back(item: pytest.Item, error: BaseException) -> bool:
    """Whether a test lost its device, which is back now, and everything is ready to repeat the test."""
    holding = holding_of(item.config)
    lost, device = fault_in(error, (DeviceLostError,)), holding.device
    wait_s = settings_of(item.config).reconnect_s
    if lost is None or device is None or not wait_s or REPEATED in item.stash or _is_expected(item, lost):
        return False
    said = lost.message
    note_error(item, lost)
    count(item, device, lost)
    try:
        with telling(item.config, lambda waited_s: _waiting(device.name, said, wait_s, waited_s)):
            device.reconnect(wait_s=wait_s)
    except InfraError as failed:
        holding.gone = True
        lost.message = f"{said}; {failed.message}"
        return False
    item.stash[REPEATED] = said
    _forget(item)
    add_note(item, f"{item.nodeid} was repeated, for {device.name} was lost and came back: {said}")
    return True


def _is_expected(item: pytest.Item, error: BaseException) -> bool:
    return any(expected_by_name(error, mark.kwargs.get("raises")) for mark in item.iter_markers("xfail"))


def _waiting(name: str, said: str, wait_s: float, waited_s: float) -> str:
    waited = f"; waited {waited_s:.0f} s" if waited_s else ""
    return f"{name} was lost ({said}); keeping it, and waiting {wait_s:g} s for it to come back{waited}"


def _forget(item: pytest.Item) -> None:
    """End everything that the first attempt built; what fails there is a consequence of the loss."""
    with contextlib.suppress(*QUIETLY):
        item.session._setupstate.teardown_exact(item.parent)  # type: ignore[arg-type]  # noqa: SLF001
    with contextlib.suppress(*QUIETLY):
        let_go(item.config, keep=True)
    forget(item)
    item.stash[RECORDS] = []
    item.stash[OUTCOME] = "passed"
    holding_of(item.config).faulty = False


def _set_up_again(item: pytest.Item) -> None:
    item._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001 - fresh fixtures, as pytest's own runner does it
    item.session._setupstate.setup(item)  # noqa: SLF001
    note_setup(item)
