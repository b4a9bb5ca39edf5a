"""``edge_golden`` and ``edge_model``: where files are searched, and how references are written."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
DIGITS = Path(__file__).parents[2] / "examples" / "goldens" / "digits"
USES = """
import numpy as np
def server(inputs):
    images = inputs["image"]
    return {"probabilities": SCALE * images.reshape(len(images), -1)[:, :10].astype("float32")}
def test_a(edge_golden):
    golden = edge_golden("digits"REFERENCE)
    assert golden.references["probabilities"].shape[1] == 10
"""


def uses(*, scale: int = 1, reference: str = ", reference=server") -> str:
    return USES.replace("SCALE", str(scale)).replace("REFERENCE", reference)


@pytest.fixture
def digits(pytester: pytest.Pytester) -> Path:
    """A golden set that may be written to, beside the test."""
    return Path(shutil.copytree(DIGITS, pytester.path / "digits"))


def test_updating_writes_fails_once_and_passes_then(pytester: pytest.Pytester, digits: Path) -> None:
    pytester.makepyfile(uses())
    before = (digits / "references.npz").read_bytes()
    first = pytester.runpytest("--edge-update-goldens")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["golden 'digits': wrote *probabilities*run again without --edge-update-goldens"])
    assert (digits / "references.npz").read_bytes() != before
    pytester.runpytest("--edge-update-goldens").assert_outcomes(passed=1)
    pytester.runpytest().assert_outcomes(passed=1)


def test_without_a_reference_updating_changes_nothing(pytester: pytest.Pytester, digits: Path) -> None:
    pytester.makepyfile(uses(reference=""))
    before = (digits / "references.npz").read_bytes()
    pytester.runpytest("--edge-update-goldens", "-W", "default").assert_outcomes(passed=1, warnings=1)
    assert (digits / "references.npz").read_bytes() == before


@pytest.mark.usefixtures("digits")
def test_a_golden_that_cannot_be_updated_is_said_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(uses(reference="") + "def test_b(edge_golden):\n    edge_golden('digits')")
    result = pytester.runpytest("--edge-update-goldens", "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*GoldenNotUpdatedWarning: golden 'digits': *updated nothing here*no reference=*"])


@pytest.mark.usefixtures("digits")
def test_two_references_that_differ_for_one_golden_are_told_apart(pytester: pytest.Pytester) -> None:
    twice = "lambda inputs: {'probabilities': 2 * server(inputs)['probabilities']}"
    other = f"def test_b(edge_golden):\n    edge_golden('digits', reference={twice})"
    pytester.makepyfile(uses() + other)
    result = pytester.runpytest("--edge-update-goldens")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*GoldenError: golden 'digits' was recorded in this run by *::test_a already*"])


@pytest.mark.usefixtures("digits")
def test_a_golden_that_another_test_updated_needs_no_warning(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(uses() + "def test_b(edge_golden):\n    edge_golden('digits')")
    pytester.runpytest("--edge-update-goldens", "-W", "default").assert_outcomes(failed=1, passed=1, warnings=0)


@pytest.mark.usefixtures("digits")
def test_where_warnings_are_errors_a_golden_that_cannot_be_updated_is_a_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(uses(reference=""))
    pytester.runpytest("--edge-update-goldens", "-W", "error").assert_outcomes(failed=1)


def test_without_the_option_a_reference_writes_nothing(pytester: pytest.Pytester, digits: Path) -> None:
    pytester.makepyfile(uses(scale=3))
    before = (digits / "references.npz").read_bytes()
    pytester.runpytest().assert_outcomes(passed=1)
    assert (digits / "references.npz").read_bytes() == before


@pytest.mark.parametrize("body", ["raise RuntimeError('server is down')", "return {'probabilities': [1.0]}"])
def test_a_reference_that_fails_leaves_the_golden_as_it_was(pytester: pytest.Pytester, digits: Path, body: str) -> None:
    pytester.makepyfile(f"def server(inputs):\n    {body}\n" + uses().replace("def server", "def other"))
    before = {path.name: path.read_bytes() for path in digits.iterdir()}
    pytester.runpytest("--edge-update-goldens").assert_outcomes(failed=1)
    assert {path.name: path.read_bytes() for path in digits.iterdir()} == before


def test_a_golden_without_references_is_a_failure(pytester: pytest.Pytester, digits: Path) -> None:
    (digits / "references.npz").unlink()
    pytester.makepyfile(uses(reference=""))
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *GoldenError: *references.npz*", "E *hint: *"])


def test_a_golden_that_can_detect_nothing_is_a_failure(pytester: pytest.Pytester, digits: Path) -> None:
    pytester.makepyfile(
        "def server(inputs):\n    import numpy as np\n    n = len(inputs['image'])\n"
        "    return {'probabilities': np.zeros((n, 10), 'float32')}\n" + uses().replace("def server", "def other")
    )
    result = pytester.runpytest("--edge-update-goldens")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *GoldenError: *"])


def test_a_golden_that_is_missing_names_every_place(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_goldens = lab/goldens")
    pytester.makepyfile("def test_a(edge_golden):\n    edge_golden('faces')")
    root = pytester.path
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    places = f"{root}, {root}/goldens, {root}/lab/goldens"
    result.stdout.fnmatch_lines(
        [f"E *GoldenError: golden 'faces' does not exist; searched in {places}", "E *hint: *edge_goldens = FOLDER"]
    )


def test_inputs_that_are_kept_away_are_found_in_the_folders_of_the_ini_file(
    pytester: pytest.Pytester, digits: Path
) -> None:
    document = json.loads((digits / "golden.json").read_text())
    content = (digits / "images.npy").read_bytes()
    document["files"] = {"images.npy": hashlib.sha256(content).hexdigest()}
    (digits / "golden.json").write_text(json.dumps(document))
    (pytester.mkdir("away") / "images.npy").write_bytes(content)
    (digits / "images.npy").unlink()
    pytester.makepyfile(uses())
    result = pytester.runpytest("--edge-update-goldens")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *GoldenError: *'images.npy' is not kept with this golden*", "E *hint: *edge_inputs*"]
    )
    pytester.makeini("[pytest]\nedge_inputs = away")
    pytester.runpytest("--edge-update-goldens").assert_outcomes(failed=1)  # once, for it was recorded
    pytester.runpytest().assert_outcomes(passed=1)


def test_models_are_searched_beside_the_test_first_and_in_the_root_last(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_models = zoo")
    inner = pytester.mkpydir("inner")
    places = [inner, inner / "models", pytester.path / "zoo", pytester.path]
    sizes = []
    for place, model in zip(places, ["add_float32", "add_int8", "dynamic", "nan"], strict=True):
        place.mkdir(exist_ok=True)
        shutil.copy(TINY / f"{model}.tflite", place / "m.tflite")
        sizes.append((TINY / f"{model}.tflite").stat().st_size)
    (inner / "test_it.py").write_text(
        "from pathlib import Path\ndef test_a(edge_model):\n    here = Path(__file__).parent\n"
        "    places = [here, here / 'models', here.parent / 'zoo', here.parent]\n"
        f"    for place, size in zip(places, {sizes}):\n"
        "        assert edge_model('m.tflite').info.size_bytes == size\n        (place / 'm.tflite').unlink()\n"
    )
    pytester.runpytest("inner").assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["text", "path"])
def test_an_absolute_path_is_taken_as_it_is(pytester: pytest.Pytester, kind: str) -> None:
    path = repr(str(TINY / "add_float32.tflite"))
    argument = path if kind == "text" else f"Path({path})"
    pytester.makepyfile(f"from pathlib import Path\ndef test_a(edge_model):\n    edge_model({argument})")
    pytester.runpytest().assert_outcomes(passed=1)


def test_an_absolute_path_that_is_missing_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_model):\n    edge_model('/opt/nope.tflite')")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *ModelError: model '/opt/nope.tflite' does not exist", "E *hint: *absolute*"])


def test_options_reach_the_model_and_arguments_override_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_delegate('xnnpack', fallback='allow')\ndef test_a(edge_model):\n"
        "    model = edge_model('partial.tflite')\n"
        "    assert (model.info.threads, model.placement.requested, model.info.engine) == (2, 'xnnpack', 'litert')\n"
        "    model = edge_model('partial.tflite', threads=1, delegate='cpu', fallback='fail')\n"
        "    assert (model.info.threads, model.placement.proven) == (1, 'cpu')\n"
    )
    pytester.runpytest("--edge-threads", "2", "--edge-engine", "litert").assert_outcomes(passed=1)
