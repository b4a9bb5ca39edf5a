"""``edgedevice matrix``: CI jobs out of the device file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli import main

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
[devices.kitchen]
spec = "ssh:pi@kitchen"
labels = ["self-hosted", "kitchen"]
delegates = ["cpu", "xnnpack"]

[devices.pixel]
spec = "adb:R5CT"
labels = ["self-hosted", "phones"]

[devices.desk]
spec = "local"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edgedevice.toml"
    path.write_text(FILE)
    return path


def jobs(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["matrix", *arguments]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1  # a step's output is one line
    content = json.loads(out)
    found: list[dict[str, Any]] = content["include"] if "include" in content else content["jobs"]
    return found


@pytest.mark.usefixtures("config")
def test_every_device_with_labels_is_a_job_a_delegate(capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs(capsys, "--format", "github") == [
        {"name": "kitchen cpu", "device": "kitchen", "delegate": "cpu", "labels": ["self-hosted", "kitchen"]},
        {"name": "kitchen xnnpack", "device": "kitchen", "delegate": "xnnpack", "labels": ["self-hosted", "kitchen"]},
        {"name": "pixel", "device": "pixel", "delegate": "", "labels": ["self-hosted", "phones"]},
    ]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--device", "pixel"], ["pixel"]),
        (["--device", "", "--delegate", ""], ["kitchen cpu", "kitchen xnnpack", "pixel"]),
        (["--delegate", "gpu", "--delegate", "gpu"], ["kitchen gpu", "pixel gpu"]),
        (["--device", "pixel", "--delegate", "external:/data/libx.so"], ["pixel external:/data/libx.so"]),
    ],
)
def test_the_inputs_of_a_manual_trigger_choose(
    capsys: pytest.CaptureFixture[str], arguments: list[str], names: list[str]
) -> None:
    assert [job["name"] for job in jobs(capsys, *arguments)] == names


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("form", [["--json"], ["--format", "json"]])
def test_other_programs_get_an_object_of_ours(capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    assert len(jobs(capsys, *form)) == 3


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--device", "kichen"], "no device is called 'kichen'\n  hint: devices of the file, closest first: kitchen"),
        (["--device", "desk"], "the device 'desk' has no labels, so no runner is known for it"),
        (["--delegate", "gpuu"], "'gpuu' is no delegate\n  hint: delegates, closest first: gpu"),
        (["--delegate", "external:"], "'external:' is no delegate"),
    ],
)
def test_what_cannot_be_a_job_is_said(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert main(["matrix", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "there is no device file"),
        ('[devices.a]\nspec = "local"', "no device of the device file has labels"),
        ('[devices.a]\nspec = "local"\nlabels = "x"', "labels must be a list of texts, not text"),
        ('[devices.a]\nspec = "local"\nlabels = [" x"]', "labels holds ' x': empty, padded"),
        ('[devices.a]\nspec = "local"\ndelegates = ["-x"]', "delegates holds '-x'"),
        ('[devices.a]\nspec = "local"\nlabels = ["x"]\ndelegates = ["warp"]', "'warp' is no delegate"),
    ],
)
def test_a_device_file_that_makes_no_jobs_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, text: str
) -> None:
    if content is not None:
        (tmp_path / "edgedevice.toml").write_text(content)
    assert main(["matrix"]) == 1
    assert text in capsys.readouterr().err


def test_more_jobs_than_github_takes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = (f'[devices.d{number}]\nspec = "local"\nlabels = ["x"]\n' for number in range(257))
    (tmp_path / "edgedevice.toml").write_text("".join(tables))
    assert main(["matrix"]) == 1
    assert "that makes 257 jobs; 256 are the most" in capsys.readouterr().err
