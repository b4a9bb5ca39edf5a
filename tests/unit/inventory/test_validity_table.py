"""Rules for conditions in the device file: for all devices, and for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.inventory.validity import KEYS
from pytest_edgedevice.validity import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.inventory import Inventory

DEVICE = '[devices.pixel]\nspec = "adb:R5CT"\n'


def inventory_of(folder: Path, text: str) -> Inventory:
    (folder / "edgedevice.toml").write_text(text)
    return load_inventory(folder)


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    found = inventory_of(tmp_path, DEVICE)
    assert (found.rules_of("pixel"), found.rules_of("anybody")) == (Rules(), Rules())


def test_rules_for_all_hold_for_devices_that_the_file_does_not_name_too(tmp_path: Path) -> None:
    found = inventory_of(tmp_path, '[validity]\nbusy = "inconclusive"\n' + DEVICE)
    assert found.rules_of("pixel").busy == found.rules_of("local").busy == "inconclusive"


def test_a_devices_own_rules_win_over_those_for_all(tmp_path: Path) -> None:
    own = '[devices.pixel.validity]\nhot = "wait"\nmax_battery_c = 40\ncool_s = 300\n'
    found = inventory_of(tmp_path, f'[validity]\nbusy = "inconclusive"\nhot = "ignore"\n{DEVICE}{own}')
    wanted = Rules(busy="inconclusive", hot="wait", max_battery_c=40, cool_s=300)
    assert found.rules_of("pixel") == wanted
    assert found.rules_of("other").hot == "ignore"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('hot = "cool"', r"\[devices\.pixel\.validity\] hot is 'cool', which is no rule"),
        ("hot = true", "hot is true or false, which is no rule"),
        ("hot = []", "hot is a list, which is no rule"),
        ('warm = "wait"', "unknown key 'warm'"),
        ("cool_s = -1", "cool_s is -1, not a number from 0 to 3600"),
        ("cool_s = nan", "cool_s is nan, not a number"),
        ("cool_s = inf", "cool_s is inf, not a number"),
        ("cool_s = true", "cool_s is true or false, not a number"),
        (f"max_temperature_c = 1{'0' * 400}", "max_temperature_c is 10000"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        inventory_of(tmp_path, f"{DEVICE}[devices.pixel.validity]\n{line}\n")


@pytest.mark.parametrize("text", ["validity = 3\n", DEVICE + "validity = 3\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"validity\] must be a table, not a number"):
        inventory_of(tmp_path, text)


def test_every_rule_and_limit_has_a_key() -> None:
    assert tuple(Rules.__slots__) == KEYS
