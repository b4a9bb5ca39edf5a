"""``edgedevice record``: what it makes, what it prints, and what it says of misuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.recipes import digits
from pytest_edgedevice.cli import main
from pytest_edgedevice.cli import recording as command
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.goldens import load_golden

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("agents")
FIXTURES = Path(__file__).parents[3] / "fixtures"
FLOAT = str(FIXTURES / "models" / "digits_float32.tflite")
INT8 = str(FIXTURES / "models" / "digits_int8.tflite")
FROM_FUNCTION = ("--from", "serving.py:halves", "--inputs", "image=images.npy")
FROM_FILE = ("--from", "answers.npz", "--inputs", "image=images.npy")
SERVING = """
import numpy as np

def halves(inputs):
    image = inputs["image"]
    return {"first": image[:, :4].sum(axis=(1, 2)), "second": image[:, 4:].max(axis=(1, 2)) > 0.9}

def ragged(inputs):
    return {"boxes": [np.full((1 + index, 4), index, np.float32) for index in range(len(inputs["image"]))]}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    images = digits.test_images()
    np.save(tmp_path / "images.npy", images)
    answers = digits.reference({"image": images})["probabilities"]
    np.savez(tmp_path / "answers.npz", probabilities=answers)
    np.save(tmp_path / "answers.npy", answers)
    (tmp_path / "serving.py").write_text(SERVING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recorded(desk: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, and gives what it prints."""

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["record", *arguments]) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return run


def test_a_function_answers_and_the_inputs_stay_away(recorded: Callable[..., str], desk: Path) -> None:
    sums = np.load(desk / "images.npy")[:, :4].sum(axis=(1, 2))
    assert recorded("halves", "--inputs", "image=images.npy", "--from", "serving.py:halves") == (
        "recorded goldens/halves: 40 samples, answered by serving.py:halves\n"
        "  input image: float32 (40, 8, 8), 0 to 1\n"
        f"  output first: float32 (40,), {sums.min():.4g} to {sums.max():.4g}\n"
        "  output second: bool (40,)\n"
        f"  the inputs are not in it, only their hash: tests find them with the ini key edge_inputs = {desk}\n"
    )


def test_a_float_model_on_this_machine_answers_for_its_conversion(recorded: Callable[..., str]) -> None:
    said = recorded("tflite", "--inputs", "images.npy", "--from", FLOAT, "--model", INT8, "--keep-inputs")
    assert "answered by litert" in said
    assert "speaks for digits_int8.tflite (d7fec5cf6d10)" in said
    golden = load_golden("goldens/tflite")
    assert [one[:12] for one in golden.provenance.model_sha256] == ["515e315e12a8", "d7fec5cf6d10"]
    assert golden.provenance.source["kind"] == "tflite"
    assert "delegate cpu" in golden.provenance.source["platform"]
    expected = digits.reference({"image": digits.test_images()})["probabilities"]
    assert np.abs(np.asarray(golden.references["probabilities"]) - expected).max() < 1e-5


@pytest.mark.parametrize("file", ["answers.npz", "answers.npy"])
def test_answers_of_a_file_need_no_name_where_the_model_has_one_output(recorded: Callable[..., str], file: str) -> None:
    said = recorded("file", "--inputs", "image=images.npy", "--from", file, "--model", FLOAT)
    assert f"answered by {file}\n" in said
    assert list(load_golden("goldens/file", inputs=["."]).references) == ["probabilities"]


def test_programs_get_one_object(recorded: Callable[..., str], desk: Path) -> None:
    arguments = ("--inputs", "image=images.npy", "--from", "serving.py:halves", "--json")
    found: dict[str, Any] = json.loads(recorded("./elsewhere/halves", *arguments))
    assert found["golden"] == "elsewhere/halves"
    assert (found["changed"], found["samples"], found["inputs"]) == (True, 40, ["image"])
    assert (found["outputs"], found["elsewhere"]) == (["first", "second"], [str(desk)])
    assert found["source"]["call"] == "serving.py:halves"
    assert json.loads(recorded("./elsewhere/halves", *arguments, "--force"))["changed"] is False


def test_a_terminal_shows_how_far_it_is_and_is_left_clean(
    recorded: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["record", "far", *FROM_FUNCTION, "--batch", "30"]) == 0
    lines = [line.strip() for line in capsys.readouterr().err.split("\r")]
    assert [line for line in lines if line] == ["30 of 40 samples are answered"]
    assert lines[-1] == ""


def test_outputs_of_several_shapes_are_told_as_such(recorded: Callable[..., str]) -> None:
    said = recorded("boxes", "--inputs", "image=images.npy", "--from", "serving.py:ragged")
    assert "output boxes: float32 40 arrays of several shapes, 0 to 39" in said


def test_images_are_processed_as_a_file_says(recorded: Callable[..., str], desk: Path) -> None:
    (desk / "steps.json").write_text('{"resize": {"width": 8, "height": 8, "filter": "box"}, "std": 255}')
    (desk / "mean.py").write_text("def mean(inputs):\n    return {'mean': inputs['photo'].mean(axis=(1, 2))}\n")
    photos = f"photo={FIXTURES / 'photos'}"
    recorded("photos", "--inputs", photos, "--preprocess", "steps.json", "--from", "mean.py:mean")
    golden = load_golden("goldens/photos", inputs=[FIXTURES / "photos"])
    assert (golden.ids, golden.inputs["photo"].shape) == (("astronaut", "cat", "coffee", "rocket"), (4, 8, 8, 3))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "serving.py:halves"], "no such file"),
        (["--from", "serving.py:gone", "--inputs", "image=images.npy"], "has no 'gone'"),
        (["--from", "gone.tflite", "--inputs", "image=images.npy"], "model 'gone.tflite' does not exist"),
        (["--from", FLOAT, "--header-env", "X", "--inputs", "images.npy"], "a header is for servers"),
        (["--from", "answers.npy", "--inputs", "image=images.npy"], "--output NAME"),
        (["--from", "a:b", "--preprocess", "{broken", "--inputs", "x"], "is no JSON"),
        (["--from", "a:b", "--preprocess", "gone.json", "--inputs", "x"], "cannot be read: No such file"),
        (["--from", "a:b", "--preprocess", "list.json", "--inputs", "x"], "is no JSON object"),
        ([*FROM_FILE, "--model", INT8, "--output-map", "probabilities=p"], "has no output 'p'"),
    ],
)
def test_misuse_is_told_in_a_sentence_and_writes_nothing(
    recorded: Callable[..., str], desk: Path, arguments: list[str], said: str
) -> None:
    (desk / "list.json").write_text("[]")
    error = recorded("golden", *arguments, code=1)
    assert error.startswith("edgedevice: ")
    assert said in error
    assert not (desk / "goldens").exists()


@pytest.mark.parametrize("name", ["", " ", "a\x1b", "x" * 300])
def test_a_name_that_no_folder_has(recorded: Callable[..., str], name: str) -> None:
    assert "is no name for a golden" in recorded(name, "--from", "a:b", code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--output-map", "a"],
        ["--input-map", "=a"],
        ["--transpose", "x=a,b"],
        ["--transpose", "1,2"],
        ["--reshape", "x="],
        ["--batch", "0"],
        ["--batch", "many"],
        ["--timeout", "0"],
        ["--timeout", "1e9"],
    ],
)
def test_options_that_cannot_be(desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["record", "golden", "--from", "a:b", *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_who_waits_too_long_is_told_how_to_wait_longer(
    recorded: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, shared: bool, **__: object) -> None:
        assert shared
        raise DeviceBusyError("device 'local' is held", hint="wait longer with wait_s=SECONDS")

    monkeypatch.setattr(command, "open_device", busy)
    error = recorded("golden", "--from", FLOAT, "--inputs", "images.npy", code=1)
    assert "wait longer with --wait SECONDS" in error
