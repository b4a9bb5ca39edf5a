"""Keys of an iPhone's table: where its app listens, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.inventory.app import App

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, lines: str, *, spec: str = "ios:X") -> App:
    (tmp_path / "edgedevice.toml").write_text(f'[devices.phone]\nspec = "{spec}"\n{lines}\n', encoding="utf-8")
    return load_inventory(tmp_path).devices["phone"].running.app


def test_an_app_may_be_where_every_app_is(tmp_path: Path) -> None:
    assert read(tmp_path, "") == App()


def test_an_app_is_read_with_what_opens_it(tmp_path: Path) -> None:
    lines = """runner = "app"
    port = 9000
    start = ["ios", "launch", "{bundle}", "--udid={udid}"]
    bundle = "com.example.Edge-Agent"
    start_timeout_s = 90"""
    start = ("ios", "launch", "{bundle}", "--udid={udid}")
    assert read(tmp_path, lines) == App(9000, start, "com.example.Edge-Agent", 90.0)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("port = 0", "port is 0, not a whole number from 1 to 65535"),
        ("port = 65536", "port is 65536, not"),
        ("port = 1.5", "port is 1.5, not"),
        ("port = true", "port is true or false, not"),
        ('port = "9"', "port is text, not"),
        ('start = "ios launch"', "start must be a list of texts, not text"),
        ("start = []", "start names no program"),
        ('start = [""]', "start names no program"),
        ("start = [7]", "start holds a number, which is no plain text"),
        ('bundle = "a b"', "bundle 'a b' is no bundle identifier"),
        ('bundle = "a;b"', "bundle 'a;b' is no bundle identifier"),
        ("bundle = 7", "bundle must be text, not a number"),
        ('start = ["x"]\nstart_timeout_s = 0', "start_timeout_s is 0, not a number of seconds up to 3600"),
        ('start = ["x"]\nstart_timeout_s = inf', "start_timeout_s is inf, not a number of seconds"),
        ('start = ["x"]\nstart_timeout_s = "1"', "start_timeout_s is text, not a number of seconds"),
        ("start_timeout_s = 60", "has 'start_timeout_s' and nothing that starts"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, lines: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, lines)
    assert f"[devices.phone] {text}" in raised.value.message


@pytest.mark.parametrize("spec", ["local", "adb:X", "ssh:pi@kitchen"])
@pytest.mark.parametrize("line", ["port = 9000", 'start = ["x"]', 'bundle = "a"', "start_timeout_s = 1"])
def test_only_an_iphone_has_an_app(tmp_path: Path, spec: str, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, line, spec=spec)
    key, kind = line.partition(" ")[0], spec.partition(":")[0]
    assert raised.value.message.endswith(f"has {key!r}, which is for apps on iPhones, and is reached over {kind}")


def test_no_other_link_runs_models_in_an_app(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has the runner 'app', and no app is reached over adb"):
        read(tmp_path, 'runner = "app"', spec="adb:X")
