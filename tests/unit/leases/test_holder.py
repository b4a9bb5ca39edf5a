from __future__ import annotations

import getpass
import json
import os
import time
from pathlib import Path

import pytest

from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases import holder as holder_module
from pytest_edgedevice.leases.holder import MAX_RECORD_BYTES, duration, from_record, to_record
from pytest_edgedevice.leases.lockfile import MAX_READ


def test_a_record_reads_back() -> None:
    full = Holder("ada", 12, "lab1", "docker", "gw0", "t.py::t[a b]", "https://ci/1", "run", 1.7e9, 1.8e9, "/tmp/x")
    assert from_record(to_record(full, key="phone")) == full


def test_a_record_always_fits_the_readers_limit() -> None:
    wide = "\U0001f600" * 999
    huge = Holder(wide, 12, wide, wide, wide, wide, wide, wide, folder="\U0001f600" * 1000)
    record = to_record(huge, key=wide)
    assert len(record) < min(MAX_RECORD_BYTES, MAX_READ)
    seen = from_record(record)
    assert seen is not None
    assert (seen.run_id, seen.folder) == (wide[:197] + "...", huge.folder)


@pytest.mark.parametrize("folder", ["/data/local/tmp/" + "x" * 984, "C:\\tmp\\\u00e9 'q' \"d\"", "/tmp/a...", "..."])
def test_a_folder_comes_back_whole(folder: str) -> None:
    seen = from_record(to_record(Holder(folder=folder), key="phone"))
    assert seen is not None
    assert seen.folder == folder


@pytest.mark.parametrize("folder", ["/" + "x" * 1000, "/tmp/\x1b[2J", "/tmp/a\nb", "/tmp/\ud800", "/tmp/\0"])
def test_a_folder_that_would_come_back_as_another_one_does_not_come_back(folder: str) -> None:
    seen = from_record(to_record(Holder(user="ada", folder=folder), key="phone"))
    assert seen == Holder(user="ada")
    by_somebody_else = from_record(json.dumps({"user": "ada", "folder": folder}).encode())
    assert by_somebody_else == Holder(user="ada")


@pytest.mark.parametrize("folder", [None, 3, ["/tmp"], True])
def test_a_folder_that_is_no_text_is_none(folder: object) -> None:
    assert from_record(json.dumps({"folder": folder}).encode()) == Holder()


def test_the_end_of_an_older_record_behind_a_new_one_is_not_read() -> None:
    """Its writer was killed between writing and cutting."""
    new, old = to_record(Holder(folder="/tmp/new"), key="phone"), to_record(Holder(test="x" * 99), key="phone")
    seen = from_record(new + old[len(new) :])
    assert seen is not None
    assert seen.folder == "/tmp/new"


@pytest.mark.parametrize("empty", [b"", b"\n", b"\0\0\0"])
def test_an_empty_record_is_nobody(empty: bytes) -> None:
    assert from_record(empty) is None


def test_here_describes_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "run")
    here = Holder.here(test="t.py::t")
    assert (here.pid, here.user, here.worker, here.run_id) == (os.getpid(), getpass.getuser(), "gw3", "run")
    assert here.test == "t.py::t"
    assert here.age_s is not None


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert Holder.here().user == f"uid {os.getuid()}"


def test_a_user_without_even_a_number_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows without a USERNAME, where there is no module ``pwd`` either."""

    def nameless() -> str:
        raise ImportError("pwd")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.delattr(os, "getuid")
    assert Holder.here().user == ""


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, ""),
        (
            {"GITHUB_RUN_ID": "7", "GITHUB_REPOSITORY": "a/b", "GITHUB_SERVER_URL": "https://gh"},
            "https://gh/a/b/actions/runs/7",
        ),
        ({"CI_JOB_URL": "https://gitlab/1"}, "https://gitlab/1"),
        ({"CI_JOB_URL": "", "BUILD_URL": "https://jenkins/1"}, "https://jenkins/1"),
    ],
)
def test_the_ci_run_is_found_in_the_environment(environment: dict[str, str], url: str) -> None:
    assert holder_module._ci_url(environment) == url


@pytest.mark.parametrize(("marker", "name"), [("/run/.containerenv", "podman"), ("/.dockerenv", "docker"), ("", "lxc")])
def test_the_container_is_told(marker: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == marker)
    monkeypatch.setenv("container", "lxc")
    assert holder_module._container() == name


def test_one_line_says_all() -> None:
    full = Holder("ada", 12, "lab1", "docker", "gw0", "t.py::t", "https://ci/1", since=time.time() - 600)
    assert str(full) == "ada (pid 12 on lab1, docker, gw0), test t.py::t, for 10 min, https://ci/1"
    assert str(Holder()) == "an unknown user (pid unknown)"


def test_a_clock_that_was_set_back_gives_no_negative_age() -> None:
    assert Holder(since=time.time() + 1000).age_s == 0.0


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2.0 h")])
def test_durations_read_like_speech(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_limit_is_real() -> None:
    assert from_record(b" " * MAX_RECORD_BYTES + b"{}") == Holder()
