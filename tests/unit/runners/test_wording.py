"""What the end of an agent means, in words."""

from __future__ import annotations

import signal

import pytest

from pytest_edgedevice.runners.wording import death


@pytest.mark.parametrize(
    ("status", "operation", "how", "hint"),
    [
        (-signal.SIGKILL, "run", "died by SIGKILL during 'run'", "for lack of memory"),
        (-signal.SIGILL, "load", "died by SIGILL during 'load'", "an instruction that this processor lacks"),
        (-signal.SIGSEGV, "run", "died by SIGSEGV during 'run'", 'delegate="reference"'),
        (-signal.SIGSEGV, "start", "died by SIGSEGV during 'start'", ""),
        (-77, "facts", "died by signal 77", ""),
        (3, "run", "ended with exit code 3", ""),
        (None, "run", "closed its stream", ""),
    ],
)
def test_an_end_is_named_and_explained_where_that_is_possible(
    status: int | None, operation: str, how: str, hint: str
) -> None:
    error = death(status, ["last words"], where="kitchen", operation=operation)
    assert f"the agent on kitchen {how}" in error.message
    assert "stderr: last words" in error.message
    assert (hint in error.hint) if hint else not error.hint
