"""A device's table chooses a program of the user, and everything it says reaches the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening.running import runner_of
from pytest_edgedevice.runners.backend import LoadRequest
from tests.unit.runners.benchmark_standin import TINY, tool
from tests.unit.runners.command_standin import program, site

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.backend import Runner


def chosen(folder: Path, *lines: str) -> Runner:
    """What a device file with this table makes."""
    path = folder / "edgedevice.toml"
    path.write_text("\n".join(['[devices.desk]\nspec = "local"', *lines]) + "\n", encoding="utf-8")
    return runner_of(load_inventory(folder, explicit=path).devices["desk"], "local")()


def test_a_command_gets_its_arguments_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("beside")
    seen = "assert os.environ['A'] == '1'; assert sys.argv[2] == 'x'; open(os.path.dirname(sys.argv[0]) + '/data.txt')"
    program(tmp_path, seen)
    runner = chosen(
        tmp_path,
        'runner = "command"\nprogram = "minus"\narguments = ["{manifest}", "x"]',
        'environment = { A = "1" }\nfiles = ["data.txt"]\ntime_limit_s = 50',
    )
    source = tmp_path / "minus.bin"
    source.write_bytes(b"minus")
    with site(tmp_path) as where, runner.load(where, LoadRequest(source)) as model:
        assert model.info.engine == "minus"


def test_the_official_tool_gets_its_flags(tmp_path: Path) -> None:
    tool(tmp_path, "assert '--help' in sys.argv or '--verbose=true' in sys.argv")
    runner = chosen(tmp_path, 'runner = "benchmark_model"\nprogram = "benchmark_model"\narguments = ["--verbose=true"]')
    with site(tmp_path) as where, runner.load(where, LoadRequest(TINY / "add_float32.tflite")) as model:
        assert model.info.engine == "tflite"


def test_a_wrong_template_is_said_when_the_device_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"placeholder '\{modle\}'"):
        chosen(tmp_path, 'runner = "command"\nprogram = "minus"\narguments = ["{modle}"]')


def test_a_program_has_no_engine_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'desk' names the engine 'litert', unknown to its program"):
        chosen(tmp_path, 'runner = "command"\nprogram = "minus"\nengine = "litert"')
