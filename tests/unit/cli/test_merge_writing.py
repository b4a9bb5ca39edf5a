"""``edgedevice merge`` where its files cannot all be written, or would take each other's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.records import read_lines, write_lines
from tests.made_records import latency

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "a.jsonl", [latency()])
    code = main(["merge", "a.jsonl", "--report", "csv=a.jsonl/below", "--report", "junit=a.xml"])
    out, err = capsys.readouterr()
    assert code == 1
    assert "1 record of 1 test kept\nwritten: " in out
    assert (tmp_path / "a.xml").is_file()
    assert err.startswith("edgedevice: cannot write the report ")
    assert "\n  hint: " in err


@pytest.mark.parametrize(
    "arguments", [["--report", "csv=x", "--report", "junit=x"], ["--output", "x", "--report", "csv=./x"]]
)
def test_two_files_in_one_place_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    write_lines(tmp_path / "a.jsonl", [latency()])
    assert main(["merge", "a.jsonl", *arguments]) == 1
    assert "two reports would be written to" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_files_of_records_keep_the_names_that_two_hosts_gave_their_devices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for host in ("a", "b"):
        one = latency(run=host, time=f"2026-01-0{1 + (host == 'b')}T01:00:00.000+00:00")
        write_lines(tmp_path / host, [{**one, "device": {"name": "local", "facts": {"host": host}}}])
    assert main(["merge", "a", "b", "--output", "all"]) == 0
    assert [one["device"]["name"] for one in read_lines(tmp_path / "all")] == ["local", "local"]
    assert "local (a)" in (out := capsys.readouterr().out)
    assert "local (b)" in out
