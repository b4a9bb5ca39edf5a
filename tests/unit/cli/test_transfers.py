"""What commands say of a transfer that takes long: on standard error, so that output stays fit for parsing."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.transfers import Transfers
from pytest_edgedevice.transports.progress import Progress

if TYPE_CHECKING:
    import pytest


def at(elapsed_s: float, *, over: bool = False) -> Progress:
    return Progress("wheel\x1b", 5_000_000, 50_000_000, elapsed_s, over)


def test_a_plain_line_comes_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Transfers()
    for second in range(1, 22):
        tell(at(float(second)))
    tell(at(22.0, over=True))
    tell(at(1.0))
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split("after ")[1].split(",")[0] for line in said.err.splitlines()] == ["1 s", "11 s", "21 s", "1 s"]
    assert "\x1b" not in said.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_line_is_rewritten_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    tell = Transfers()
    tell(at(1.0))
    tell(at(2.0))
    tell(at(3.0, over=True))
    _, first, second, wiped, rest = terminal.getvalue().split("\r")
    assert (len(first), len(second), len(wiped), rest) == (39, 39, 39, "")
    assert first.startswith("sending wheel")
    assert wiped.strip() == ""
    assert "\n" not in terminal.getvalue()
