from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_edgedevice.errors import ConfigError, SpecError
from pytest_edgedevice.inventory import DeviceEntry, Inventory, load_inventory

KITCHEN = """
[devices.kitchen]
spec = "ssh:pi@kitchen"
tags = ["camera", "slow"]
facts = { price_eur = 60, certified = true, owner = "Ada" }
folder = "/data/edge"
python = "/opt/py/bin/python"
engine = "litert"
"""


@pytest.fixture(autouse=True)
def no_config_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEDEVICE_CONFIG", raising=False)


def write(folder: Path, text: str, *, name: str = "edgedevice.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def entry(folder: Path, body: str) -> DeviceEntry:
    return load_inventory(folder, explicit=write(folder, f"[devices.kitchen]\n{body}")).devices["kitchen"]


def test_every_key_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, KITCHEN)
    inventory = load_inventory(tmp_path)
    kitchen = inventory.devices["kitchen"]
    assert inventory.path == path
    assert str(kitchen.spec) == "ssh:pi@kitchen"
    assert kitchen.tags == ("camera", "slow")
    assert kitchen.facts == {"price_eur": 60, "certified": True, "owner": "Ada"}
    assert (kitchen.folder, kitchen.python, kitchen.engine) == ("/data/edge", "/opt/py/bin/python", "litert")


def test_what_is_left_out_is_none_or_empty(tmp_path: Path) -> None:
    kitchen = entry(tmp_path, 'spec = "local"')
    assert kitchen == DeviceEntry("kitchen", kitchen.spec)


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        ('kind = "ssh"\naddress = "pi@kitchen"', "ssh:pi@kitchen"),
        ('kind = "adb"', "adb"),
        ('spec = "ios:00008030-001A"', "ios:00008030-001A"),
    ],
)
def test_a_device_is_reached_by_spec_or_by_kind_and_address(tmp_path: Path, body: str, spec: str) -> None:
    assert str(entry(tmp_path, body).spec) == spec


def test_known_facts_are_kind_name_tags_and_free_facts(tmp_path: Path) -> None:
    assert entry(tmp_path, 'spec = "adb:X"\ntags = ["slow"]\nfacts.price_eur = 60').known_facts() == {
        "adb": True,
        "name": "kitchen",
        "slow": True,
        "price_eur": 60,
    }


def test_the_vocabulary_gains_tags_and_free_facts_with_their_types(tmp_path: Path) -> None:
    write(tmp_path, KITCHEN)
    words = load_inventory(tmp_path).vocabulary()
    types = {name: words[name].type for name in ("camera", "price_eur", "certified", "owner", "cores")}
    assert types == {
        "camera": "flag",
        "price_eur": "number",
        "certified": "flag",
        "owner": "text",
        "cores": "number",
    }


def test_specs_may_use_names_tags_and_free_facts(tmp_path: Path) -> None:
    write(tmp_path, KITCHEN)
    inventory = load_inventory(tmp_path)
    assert inventory.parse("kitchen").kind == "named"
    expression = inventory.parse("camera and price_eur<100 and owner==Ada").expression
    assert expression is not None
    assert expression.matches(inventory.devices["kitchen"].known_facts())
    with pytest.raises(SpecError, match="closest first: price_eur"):
        inventory.parse("price_euro<100")


def test_without_a_file_there_is_an_empty_inventory(tmp_path: Path) -> None:
    assert load_inventory(tmp_path) == Inventory()


def test_an_empty_file_is_an_empty_inventory_that_ends_the_search(tmp_path: Path) -> None:
    write(tmp_path, KITCHEN)
    path = write(tmp_path / "inner", "")
    assert load_inventory(tmp_path / "inner") == Inventory(path)


def test_the_search_goes_upwards(tmp_path: Path) -> None:
    path = write(tmp_path, KITCHEN)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert load_inventory(deep).path == path
    assert load_inventory(deep / "missing" / "file.py").path == path


def test_a_table_in_pyproject_does_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, '[tool.edgedevice.devices.kitchen]\nspec = "local"', name="pyproject.toml")
    assert load_inventory(tmp_path).path == path


def test_the_nearest_folder_wins(tmp_path: Path) -> None:
    write(tmp_path, KITCHEN)
    near = write(tmp_path / "inner", '[tool.edgedevice.devices.hall]\nspec = "local"', name="pyproject.toml")
    assert load_inventory(tmp_path / "inner").path == near


def test_both_in_one_folder_is_an_error_that_names_both(tmp_path: Path) -> None:
    one = write(tmp_path, KITCHEN)
    two = write(tmp_path, "[tool.edgedevice]", name="pyproject.toml")
    with pytest.raises(ConfigError) as caught:
        load_inventory(tmp_path)
    assert str(one) in caught.value.message
    assert str(two) in caught.value.message


@pytest.mark.parametrize("text", ["[tool.ruff]", "this is [no TOML", 'tool = "edgedevice"'])
def test_a_foreign_pyproject_is_passed_by(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, KITCHEN)
    write(tmp_path / "inner", text, name="pyproject.toml")
    assert load_inventory(tmp_path / "inner").path == path


def test_a_huge_foreign_pyproject_is_passed_by(tmp_path: Path) -> None:
    write(tmp_path, "#" * 2_000_000, name="pyproject.toml")
    assert load_inventory(tmp_path).path is None


def test_an_explicit_file_is_read_instead(tmp_path: Path) -> None:
    write(tmp_path, KITCHEN)
    other = write(tmp_path / "lab", '[devices.hall]\nspec = "local"', name="lab.toml")
    assert list(load_inventory(tmp_path, explicit=other).devices) == ["hall"]


def test_the_environment_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write(tmp_path / "lab", '[tool.edgedevice.devices.hall]\nspec = "local"', name="pyproject.toml")
    monkeypatch.setenv("EDGEDEVICE_CONFIG", str(other))
    assert list(load_inventory(tmp_path).devices) == ["hall"]


@pytest.mark.parametrize("name", ["edgedevice.toml", "pyproject.toml"])
def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_CONFIG", str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"named by the environment variable EDGEDEVICE_CONFIG\) does not exist"):
        load_inventory(tmp_path)


def test_a_named_pyproject_without_the_table_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "[tool.ruff]", name="pyproject.toml")
    with pytest.raises(ConfigError, match=r"has no table \[tool.edgedevice\]"):
        load_inventory(tmp_path, explicit=path)


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "edgedevice.toml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot read .*edgedevice\.toml"):
        load_inventory(tmp_path)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    assert "kitchen" in load_inventory(tmp_path, explicit=write(tmp_path, "\ufeff" + KITCHEN)).devices


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'[devices.a]\nspec = "local\n', "line 2"),
        (b"[devices.a]\n[devices.a]\n", "line 2"),
        (b"# fine\nspec = \xff", "not UTF-8 at line 2"),
        (b"a = " + b"[" * 100_000, "cannot be parsed|no valid TOML"),
        (b"a = " + b"9" * 10_000, "cannot be parsed|no valid TOML"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_toml_names_file_and_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "edgedevice.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_inventory(tmp_path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("device = 1", "unknown key 'device'"),
        ("devices = 1", r"\[devices\] must be a table"),
        ("devices.a = 1", r"\[devices.a\] must be a table, not a number"),
        ("[devices.a]", "says not how to reach the device"),
        ('[devices.a]\naddress = "x"', "says not how to reach the device"),
        ('[devices.a]\nspec = "local"\nkind = "local"', "has 'spec' and also 'kind'"),
        ('[devices.a]\nspec = "usb:1"', r"\[devices.a\] spec: 'usb' is no kind"),
        ('[devices.a]\nspec = "lcoal"', "spec: 'lcoal' is neither"),
        ('[devices.a]\nspec = "linux and cores>=2"', "is an expression"),
        ('[devices.a]\nspec = "ssh"', "names no host"),
        ('[devices.a]\nkind = "ssh"\naddress = "-oProxyCommand=x"', "starting with a dash"),
        ("[devices.a]\nspec = 1", "spec must be text, not a number"),
        ('[devices.a]\nspec = ""', "empty, padded"),
        ('[devices.a]\nspec = "local"\ntag = ["x"]', "unknown key 'tag'"),
        ('[devices.a]\nspec = "local"\ntags = "x"', "tags must be a list of words, not text"),
        ('[devices.a]\nspec = "local"\ntags = [1]', "'1' cannot be a tag"),
        ('[devices.a]\nspec = "local"\ntags = ["a b"]', "'a b' cannot be a tag"),
        ('[devices.a]\nspec = "local"\ntags = ["gpu"]', "the tag 'gpu' already means something"),
        ('[devices.a]\nspec = "local"\ntags = ["and"]', "the tag 'and' already means something"),
        ('[devices.a]\nspec = "local"\nfacts = ["x"]', "facts must be a table, not a list"),
        ('[devices.a]\nspec = "local"\nfacts = { cores = 2 }', "the fact 'cores' already means something"),
        ('[devices.a]\nspec = "local"\nfacts = { x = nan }', "fact 'x' is the number nan"),
        ('[devices.a]\nspec = "local"\nfacts = { x = [1] }', "fact 'x' is a list"),
        ('[devices.a]\nspec = "local"\nfacts = { x = 2020-01-01 }', "fact 'x' is a date or time"),
        ('[devices.a]\nspec = "local"\ntags = ["x"]\nfacts = { x = true }', "'x' is both a tag and a fact"),
        ('[devices.a]\nspec = "local"\nfolder = "edge"', "no absolute path"),
        ('[devices.a]\nspec = "local"\nfolder = "/data/../etc"', "no absolute path"),
        ('[devices.a]\nspec = "local"\nfolder = "/"', "no absolute path"),
        ('[devices.a]\nspec = "local"\npython = "py\\u0000"', "python is"),
        ('[devices.a]\nspec = "local"\npython = "-c"', "python is"),
        ('[devices.a]\nspec = "local"\nengine = "lite rt"', "no name of an engine"),
        ('[devices.a]\nspec = "local"\ncache_mb = -1', "cache_mb is -1, not a whole number from 0 to 1000000"),
        ('[devices.a]\nspec = "local"\ncache_mb = 1000001', "cache_mb is 1000001, not a whole number"),
        ('[devices.a]\nspec = "local"\ncache_mb = 1.5', "cache_mb is 1.5, not a whole number"),
        ('[devices.a]\nspec = "local"\ncache_mb = inf', "cache_mb is inf, not a whole number"),
        ('[devices.a]\nspec = "local"\ncache_mb = true', "cache_mb is true or false, not a whole number"),
        ('[devices.a]\nspec = "local"\ncache_mb = "500"', "cache_mb is text, not a whole number"),
        ('[devices.local]\nspec = "local"', "'local' already means something"),
        ('[devices.linux]\nspec = "local"', "'linux' already means something"),
        ('[devices.not]\nspec = "local"', "'not' already means something"),
        ('[devices."a b"]\nspec = "local"', "'a b' cannot be a device's name"),
        ('[devices.""]\nspec = "local"', "'' cannot be a device's name"),
        ('[devices."-a"]\nspec = "local"', "cannot be a device's name"),
        (
            '[devices.a]\nspec = "local"\nfacts.x = 1\n[devices.b]\nspec = "adb"\nfacts.x = "one"',
            "'x' is of type number for the device 'a' and of type text for 'b'",
        ),
        (
            '[devices.a]\nspec = "local"\ntags = ["b"]\n[devices.b]\nspec = "adb"',
            "'b' is a device and also a tag or fact of 'a'",
        ),
    ],
)
def test_a_mistake_names_file_table_and_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_inventory(tmp_path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="closest first: folder,"):
        entry(tmp_path, 'spec = "local"\nfoldr = "/x"')


def test_a_mistake_in_pyproject_names_the_full_table(tmp_path: Path) -> None:
    write(tmp_path, "[tool.edgedevice]\ndevice = 1", name="pyproject.toml")
    with pytest.raises(ConfigError, match=r"unknown key 'tool\.edgedevice\.device'"):
        load_inventory(tmp_path)


def test_a_table_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "[tool]\nedgedevice = 1", name="pyproject.toml")
    with pytest.raises(ConfigError, match=r"\[tool.edgedevice\] must be a table"):
        load_inventory(tmp_path)


def test_a_relative_explicit_file_is_found_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, KITCHEN)
    monkeypatch.chdir(tmp_path)
    assert load_inventory(Path("/"), explicit=Path(path.name)).path == path


def test_a_device_file_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "edgedevice.toml")
    with pytest.raises(ConfigError, match="is a pipe, not a file"):
        load_inventory(tmp_path)


def test_an_engine_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.a]\nspec = "local"\nengine = "onnx"', encoding="utf-8")
    with pytest.raises(ConfigError, match="engines: litert, tflite"):
        load_inventory(tmp_path)
