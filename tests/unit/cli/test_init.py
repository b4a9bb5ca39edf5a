"""``edgedevice init``: what it writes passes, finds a wrong model, and takes nobody's place."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_edgedevice.cli import init_trying, main
from pytest_edgedevice.cli.init import FIRST
from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.values import ModelInfo, Placement, Run

pytestmark = pytest.mark.usefixtures("agents")
FIXTURES = Path(__file__).parents[3] / "fixtures"
TINY = FIXTURES / "tiny"


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what was written, without the plugins of others, whose import takes longer than the tests do."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_edgedevice.plugin"]
    more = ["--rootdir", str(folder), "--edge-inconclusive", "warn", "--device", "desk"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, *more], cwd=folder, env=alone, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_first_test_passes_at_once_and_fails_with_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--wait", "60"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written: digits.tflite",
        "written: goldens/digits",
        "written: test_digits.py",
        "written: edgedevice.toml",
        "now run: pytest",
    ]
    ran = run_tests(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    shutil.copy(FIXTURES / "models" / "digits_int8.tflite", tmp_path / "digits.tflite")
    ran = run_tests(tmp_path)
    assert (ran.returncode, "1 failed" in ran.stdout) == (1, True), ran.stdout


def test_models_of_ones_own_get_goldens_and_tests_that_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    for name, also in (("two_inputs", ["edgedevice.toml"]), ("add_int8", [])):
        shutil.copy(TINY / f"{name}.tflite", tmp_path / "models" / f"My-{name}.tflite")
        assert main(["init", f"models/My-{name}.tflite", "--json", "--wait", "60"]) == 0
        written = json.loads(capsys.readouterr().out)["written"]
        assert written == [f"goldens/my_{name}", f"test_my_{name}.py", *also]
        text = (tmp_path / f"test_my_{name}.py").read_text()
        assert f'edge_model("models/My-{name}.tflite")' in text
        assert "not whether the model is any good" in text
        provenance = json.loads((tmp_path / "goldens" / f"my_{name}" / "golden.json").read_text())["provenance"]
        assert "the model's own outputs on the host" in provenance["note"]
    ran = run_tests(tmp_path)
    assert (ran.returncode, "2 passed" in ran.stdout) == (0, True), ran.stdout


def test_the_model_that_comes_along_is_that_of_the_fixtures() -> None:
    assert FIRST.read_bytes() == (FIXTURES / "models" / "digits_float32.tflite").read_bytes()


@pytest.mark.parametrize("there", ["test_digits.py", "goldens/digits", "digits.tflite"])
def test_nothing_that_is_there_is_overwritten(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / there
    place.parent.mkdir(exist_ok=True)
    place.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert main(["init"]) == 1
    assert f"{there} is there already" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert place.read_text() == "mine"


def test_a_device_file_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.mine]\nspec = "local"\n')
    assert main(["init", "--wait", "60"]) == 0
    assert "kept as it was: edgedevice.toml" in capsys.readouterr().out
    assert "mine" in (tmp_path / "edgedevice.toml").read_text()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing", "does not exist"),
        ("crash", "inference failed"),
    ],
)
def test_a_model_that_gives_no_golden_leaves_nothing(
    name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["init", str(TINY / f"{name}.tflite"), "--wait", "60"]) == 1
    err = capsys.readouterr().err
    assert text in err
    assert err.startswith("edgedevice: ")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_no_model_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path)]) == 1
    assert f"model {str(tmp_path)!r} is a folder of no kind that is a model" in capsys.readouterr().err


def test_a_model_elsewhere_is_named_by_its_whole_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(TINY / "add_float32.tflite"), "--wait", "60"]) == 0
    assert f'edge_model("{TINY}/add_float32.tflite")' in (tmp_path / "test_add_float32.py").read_text()


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "goldens").touch()
    assert main(["init", "--wait", "60"]) == 1
    assert "cannot write into" in capsys.readouterr().err


def test_a_disk_that_is_full_in_the_middle_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "move", full)
    assert main(["init", "--wait", "60"]) == 1
    assert "cannot write into" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*digits*"))
    assert not list(tmp_path.glob(".edgedevice-init-*"))


def ran(**outputs: list[float]) -> Run:
    info = ModelInfo("m.tflite", "a" * 64, 640, "float32", (), (), "litert", "2.1.0", 1)
    arrays = {name: np.array(values, np.float32) for name, values in outputs.items()}
    return Run(arrays, 2, (1, 1), info, Placement("cpu", "cpu", 1, 1, 1, {}, ""), "local")


def test_outputs_that_never_change_are_named_in_the_golden_unless_all_are() -> None:
    assert init_trying._constant(ran(anchors=[1, 1], scores=[1, 2])) == ("anchors",)
    with pytest.raises(GoldenError, match="answers the same to 2 random inputs"):
        init_trying._constant(ran(anchors=[1, 1]))


def test_the_tolerance_has_room_for_what_kernels_differ_by_here() -> None:
    assert init_trying._atol(ran(y=[1, 2]), ran(y=[1, 2.5])) == 3.0
    assert init_trying._atol(ran(y=[1, 2]), ran(y=[1, 2])) == 1e-5
    with pytest.raises(GoldenError, match="values that are not finite"):
        init_trying._atol(ran(y=[1, 2]), ran(y=[1, float("nan")]))


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.011, 0.02), (0.02, 0.02), (1e-5, 1e-5), (101.0, 200.0), (100.0, 100.0), (9.1, 10.0)]
)
def test_limits_are_rounded_up_to_one_digit(value: float, rounded: float) -> None:
    assert init_trying.rounded_up(value) == rounded
