"""What an agent's refusals mean to the host."""

from __future__ import annotations

import pytest

from pytest_edgedevice.errors import EdgeDeviceError, InfraError, ModelError, ProtocolError
from pytest_edgedevice.runners.wording import refusal


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("model", ModelError),
        ("missing", InfraError),
        ("memory", InfraError),
        ("internal", ProtocolError),
        (7, ProtocolError),
    ],
)
def test_a_kind_says_whose_fault_it_is(kind: object, error: type[EdgeDeviceError]) -> None:
    raised = refusal({"kind": kind, "message": "m"}, [], where="desk", operation="load")
    assert type(raised) is error


def test_a_file_that_is_gone_from_the_device_is_told_with_what_to_do() -> None:
    raised = refusal({"kind": "missing", "message": "no blob 12 here"}, [], where="desk", operation="load")
    assert "not in the session's folder any more (no blob 12 here)" in raised.message
    assert "open the device again" in raised.hint


def test_a_refusal_of_the_model_shows_what_the_runtime_said() -> None:
    raised = refusal({"kind": "model", "message": "bad"}, ["bad", "worse"], where="desk", operation="load")
    assert raised.message == "bad\n  stderr: worse"
