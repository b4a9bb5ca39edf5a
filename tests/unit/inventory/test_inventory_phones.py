"""What a phone's table may not ask for: refused with the file, before any phone is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory import load_inventory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.inventory import DeviceEntry


def read(folder: Path, spec: str, line: str) -> DeviceEntry:
    (folder / "edgedevice.toml").write_text(f'[devices.red]\nspec = "{spec}"\n{line}\n', encoding="utf-8")
    return load_inventory(folder).devices["red"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('runner = "native"', "is to run models by 'native', and an iPhone runs nothing but apps"),
        ('runner = "command"\nprogram = "x"', "is to run models by 'command'"),
        ('folder = "/x"', "has 'folder', which means nothing to an app on an iPhone"),
        ('python = "python3"', "has 'python', which"),
        ("cache_mb = 1", "has 'cache_mb', which"),
        ('agent = "x"', "has 'agent', which"),
        ('runtime = "device:/x.so"', "has 'runtime', which"),
        ('environment = { A = "b" }', "has 'environment', which"),
    ],
)
def test_what_an_app_cannot_have_is_refused(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, "ios:X", line)
    assert f"edgedevice.toml: [devices.red] {text}" in raised.value.message


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('python = "/usr/bin/python3"', "is to run models by Python"),
        ('runner = "python"', "is to run models by Python"),
        ("cache_mb = 500", "is to keep models between sessions, and nothing stays on a phone"),
    ],
)
def test_what_an_android_phone_cannot_have_is_refused(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, "adb:R5", line)
    assert f"edgedevice.toml: [devices.red] {text}" in raised.value.message


@pytest.mark.parametrize("line", ['runner = "app"', "cache_mb = 0", "environment = {}"])
def test_what_asks_for_nothing_is_read(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, "ios:X", line).spec.kind == "ios"
