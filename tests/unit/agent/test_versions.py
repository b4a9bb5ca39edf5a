"""The version of an engine's package is what importlib.metadata says, told without importing it."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.engines.versions import version_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("some_engine-1.2.dist-info/METADATA", "Name: some-engine\nVersion: 1.2+cpu\n\nVersion: 9\n"),
        ("Some.Engine-1.2.dist-info/METADATA", "Name: Some.Engine\nversion:  1.2\n"),
        ("some_engine-1.2-py3.11.egg-info/PKG-INFO", "Name: some-engine\nVersion: 1.2\n"),
        ("some_engine.egg-info/PKG-INFO", "Name: some-engine\nVersion: 1.2\n"),
    ],
)
def test_it_is_what_the_library_says(site: Path, place: str, text: str) -> None:
    write(site / place, text)
    assert version_of("some-engine") == importlib.metadata.version("some-engine")


@pytest.mark.parametrize("name", ["other-engine", "some-engine-nightly", "some", "engine"])
def test_what_is_not_installed_has_none(site: Path, name: str) -> None:
    write(site / "some_engine-1.2.dist-info/METADATA", "Name: some-engine\nVersion: 1.2\n")
    assert version_of(name) is None


def test_the_first_on_the_path_counts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1", "2"):
        write(site / version / f"some_engine-{version}.dist-info/METADATA", f"Name: some-engine\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(site / folder) for folder in ("missing", "2", "1")])
    assert version_of("some-engine") == "2"


def test_what_is_installed_later_is_found(site: Path) -> None:
    assert version_of("some-engine") is None
    write(site / "some_engine-1.2.dist-info/METADATA", "Name: some-engine\nVersion: 1.2\n")
    os.utime(site, ns=(1, 1))  # two changes within one tick of the clock leave one time
    assert version_of("some-engine") == "1.2"


def test_an_egg_is_looked_into(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site / "some_engine-1.2-py3.11.egg"
    write(folder / "EGG-INFO/PKG-INFO", "Name: some-engine\nVersion: 1.2\n")
    monkeypatch.setattr(sys, "path", [str(folder)])
    assert version_of("some-engine") == importlib.metadata.version("some-engine") == "1.2"


def test_an_archive_is_looked_into_unless_it_is_the_agent(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(site / "packages", "w") as archive:
        archive.writestr("some_engine-1.2.dist-info/METADATA", "Name: some-engine\nVersion: 1.2\n")
    monkeypatch.setattr(sys, "path", ["agent", str(site / "packages")])
    assert version_of("some-engine") == importlib.metadata.version("some-engine") == "1.2"
    assert version_of("other-engine") is None
    monkeypatch.setattr(sys, "path", [str(site / "packages")])
    assert version_of("some-engine") is None


def test_a_folder_without_its_file_is_left_to_the_library(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "some_engine-1.2.dist-info").mkdir()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name} as the library sees it")
    assert version_of("some-engine") == "some-engine as the library sees it"


def test_metadata_without_a_version_is_left_to_the_library(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site / "some_engine-1.2.dist-info/METADATA", "Name: some-engine\n\nVersion: 1\n")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name} as the library sees it")
    assert version_of("some-engine") == "some-engine as the library sees it"


def test_an_agent_imports_no_mail(tmp_path: Path) -> None:
    """What tells the engines of a start must not cost more than they do."""
    code = "import sys; from pytest_edgedevice.agent import engines, main; engines.installed(); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"email", "importlib.metadata", "zipfile", "tempfile", "numpy"} & set(told) == set()
