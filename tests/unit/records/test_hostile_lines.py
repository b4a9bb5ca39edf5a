"""Lines that are JSON, or blank, and still nothing that a record may hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import lines, read_what_is_there
from tests.report_records import record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("digits", ["1e999", "-1e400", "9" * 400 + ".0"])
def test_a_number_that_no_float_holds_is_told_and_the_rest_is_kept(tmp_path: Path, digits: str) -> None:
    whole = json.dumps(record())
    (tmp_path / "r").write_text(f'{whole[:-1]}, "more": {digits}}}\n{whole}\n')
    found = read_what_is_there(tmp_path / "r")
    assert list(found.records) == [record()]
    assert "is a larger number than a record may have" in found.faults[0]


def test_an_endless_whole_number_is_told_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(f'{{"schema": {"9" * 5000}}}\n')
    assert read_what_is_there(tmp_path / "r").faults[0].endswith("not JSON: a whole number of thousands of digits")


def test_a_record_of_a_newer_schema_says_what_would_read_it(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(json.dumps({**record(), "schema": 2}) + "\n")
    assert (
        read_what_is_there(tmp_path / "r")
        .faults[0]
        .endswith("not a record of schema 1, but 2; a newer pytest-edgedevice wrote it, which reads it too")
    )


def test_a_file_of_blank_lines_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_BLANKS", 10)
    (tmp_path / "r").write_text("\n" * 10)
    assert read_what_is_there(tmp_path / "r").records == ()
    (tmp_path / "r").write_text("\n" * 11)
    with pytest.raises(UsageError, match="is no file of records: more than 10 of its lines are blank"):
        read_what_is_there(tmp_path / "r")
