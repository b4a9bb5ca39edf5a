"""Keys of the device file that choose how models are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory import Running, load_inventory

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, lines: str) -> Running:
    (tmp_path / "edgedevice.toml").write_text(f'[devices.desk]\nspec = "local"\n{lines}\n', encoding="utf-8")
    return load_inventory(tmp_path).devices["desk"].running


def test_a_device_without_these_keys_runs_models_as_its_link_does(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Running()


def test_the_users_own_executable_is_read_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    lines = """runner = "command"
    program = "build/engine"
    arguments = ["--manifest", "{manifest}", "-v", "a b"]
    environment = { LOG = "2", EMPTY = "" }
    files = ["build/libvendor.so"]
    time_limit_s = 90"""
    assert read(tmp_path, lines) == Running(
        "command",
        program=tmp_path / "build/engine",
        arguments=("--manifest", "{manifest}", "-v", "a b"),
        environment={"LOG": "2", "EMPTY": ""},
        files=(tmp_path / "build/libvendor.so",),
        time_limit_s=90.0,
    )


@pytest.mark.parametrize("runner", ["native", ""], ids=["named", "by itself"])
def test_a_native_agent_has_its_program_and_its_runtime_beside_the_device_file(runner: str, tmp_path: Path) -> None:
    lines = f'runner = "{runner}"\n' if runner else ""
    found = read(tmp_path, lines + 'agent = "out/agent"\nruntime = "/opt/app.aar"')
    assert (found.agent, found.runtime) == (tmp_path / "out/agent", "/opt/app.aar")


def test_a_runtime_may_be_on_the_device_already(tmp_path: Path) -> None:
    assert read(tmp_path, 'runtime = "device:/vendor/lib64/libx.so"').runtime == "device:/vendor/lib64/libx.so"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ('runner = "nativ"', "runner 'nativ' is unknown"),
        ("runner = 3", "runner must be text, not a number"),
        ('runner = "command"', "has the runner 'command' and no program"),
        ('runner = "benchmark_model"', "has the runner 'benchmark_model' and no program"),
        ('runner = "python"\nruntime = "x.so"', "has 'runtime', which its runner does not know"),
        ('runner = "command"\nprogram = "x"\nagent = "y"', "has 'agent', which its runner does not know"),
        ('arguments = ["-v"]', "has 'arguments', which its runner does not know"),
        ('runtime = "device:lib.so"', "no absolute path without '..'"),
        ('runtime = "device:/a/../lib.so"', "no absolute path without '..'"),
        ('runner = "command"\nprogram = "x"\narguments = "-v"', "arguments must be a list of texts, not text"),
        ('runner = "command"\nprogram = "x"\narguments = [1]', "arguments holds a number"),
        ('runner = "command"\nprogram = "x"\narguments = ["\\u0000"]', "arguments holds"),
        ('environment = ["A=1"]', "environment must be a table, not a list"),
        ('environment = { "A B" = "1" }', "'A B' cannot be a variable"),
        ("environment = { A = 1 }", "the variable A is a number"),
        ('runner = "command"\nprogram = "x"\ntime_limit_s = 0', "time_limit_s is 0"),
        ('runner = "command"\nprogram = "x"\ntime_limit_s = nan', "time_limit_s is nan"),
        ('runner = "command"\nprogram = "x"\ntime_limit_s = true', "time_limit_s is true or false"),
        ('runner = "command"\nprogram = "-x"', "program is '-x'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(lines: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"edgedevice.toml: \[devices.desk\] ") as caught:
        read(tmp_path, lines)
    assert text in str(caught.value)
    assert caught.value.hint
