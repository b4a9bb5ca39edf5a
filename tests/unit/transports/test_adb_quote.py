"""Every argument reaches a program as written, whatever the shell: the one place where a text for a shell is made."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.adb.quote import MOST_ARGUMENT_BYTES, quoted, words
from tests.phones.shells import Shell, shells

if TYPE_CHECKING:
    from pathlib import Path

ODD = ["", "-n", "--", "-", "~", "*", "$HOME", "`id`", "$(id)", "a\\", "\\'", "!x", "#", "\n", "\t", "\u00e9\U0001f600"]
BYTES = [os.fsdecode(bytes([value])) for value in range(1, 256)]


@pytest.mark.parametrize("shell", shells(), ids=str)
def test_every_byte_and_every_sign_that_means_something_survives(shell: Shell, tmp_path: Path) -> None:
    arguments = [*ODD, *BYTES, "".join(BYTES), "'" * 100]
    line = words(["printf", "%s\\0", *arguments])
    tools = {**os.environ, **shell.environment(tmp_path / "tools")}
    done = subprocess.run([*shell.command, "-c", line], capture_output=True, check=True, timeout=30, env=tools)
    assert done.stdout == b"".join(os.fsencode(one) + b"\0" for one in arguments)


@given(st.lists(st.binary(max_size=40).map(lambda raw: os.fsdecode(raw.replace(b"\0", b""))), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_arguments_survive(arguments: list[str]) -> None:
    line = words(["printf", "%s\\0", "first", *arguments])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=30)
    assert done.stdout.split(b"\0")[1:-1] == [os.fsencode(one) for one in arguments]


def test_a_nul_is_refused_as_no_program_can_be_given_one() -> None:
    with pytest.raises(TransportError, match="holds a NUL"):
        quoted("a\0b")


def test_an_argument_that_no_system_takes_is_refused() -> None:
    assert quoted("x" * MOST_ARGUMENT_BYTES)
    with pytest.raises(TransportError, match="131072 bytes long"):
        quoted("x" * (MOST_ARGUMENT_BYTES + 1))


def test_a_list_that_no_system_takes_is_refused() -> None:
    with pytest.raises(TransportError, match=r"13 arguments are .* bytes long"):
        words(["x" * 120_000] * 13)


@pytest.mark.parametrize("arguments", [[], [""]])
def test_there_must_be_a_program(arguments: list[str]) -> None:
    with pytest.raises(TransportError, match="no program to run"):
        words(arguments)
