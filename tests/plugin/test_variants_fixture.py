"""``edge_variants`` finds the conversions of a model, compares them on the device, and leaves a verdict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = Path(__file__).parents[2] / "fixtures" / "models"
TEST = """
import numpy as np

IMAGES = np.random.default_rng(0).random((40, 8, 8), dtype=np.float32)

def test_it(edge_variants, edge_check, edge_model):
    labels = edge_model("digits_float32.tflite").run(IMAGES).outputs["probabilities"].argmax(axis=1)
    variants = edge_variants({names})
    table = variants.compare({{"images": IMAGES, "labels": labels}}, rounds=1)
    print(table)
    edge_check.variants(table, {limits})
"""


@pytest.fixture(autouse=True)
def models(pytester: pytest.Pytester) -> Path:
    folder = pytester.path / "models"
    folder.mkdir()
    for file in MODELS.glob("digits_*.tflite"):
        shutil.copy(file, folder)
    return folder


def run(pytester: pytest.Pytester, names: str, *arguments: str, limits: str = "max_mb=1") -> pytest.RunResult:
    pytester.makepyfile(TEST.format(names=names, limits=limits))
    return pytester.runpytest_inprocess("--edge-report", "json=out.jsonl", *arguments)


def rows(pytester: pytest.Pytester) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in (pytester.path / "out.jsonl").read_text().splitlines()]
    (found,) = [record for record in records if record["check"] == "variants"]
    return [(row["variant"], row["file"]) for row in found["numbers"]["rows"]]


def test_variants_are_found_by_name_compared_and_leave_a_verdict(pytester: pytest.Pytester) -> None:
    verdict = pytester.path / "edge-verdict.json"
    verdict.write_text('{"edge_verdict": 1, "verdict": "pass"}')
    ran = run(pytester, '"float32", "float16", "weight_int8", "int8"', "--edge-verdict", "edge-verdict.json")
    ran.assert_outcomes(passed=1)
    assert rows(pytester) == [
        ("float32", "digits_float32.tflite"),
        ("float16", "digits_float16.tflite"),
        ("weight_int8", "digits_dynamic_int8.tflite"),
        ("int8", "digits_int8.tflite"),
    ]
    ran.stdout.fnmatch_lines(
        ["*variants of test_it*", "variant*size*speed-up*metric*verdict", "edgedevice: verdict pass, best *"]
    )
    found = json.loads(verdict.read_text())
    assert (found["verdict"], len(found["comparisons"][0]["rows"])) == ("pass", 4)


def test_a_pattern_finds_files_and_names_them_by_what_they_are(pytester: pytest.Pytester) -> None:
    run(pytester, '"digits_*[t3]*8.tflite", "digits_float16.tflite"').assert_outcomes(passed=1)
    assert [name for name, _ in rows(pytester)] == ["dynamic_int8", "int8", "float16"]


def test_files_may_be_named_and_none_may_be_good_enough(pytester: pytest.Pytester, models: Path) -> None:
    shutil.copy(models / "digits_float32.tflite", models / "copy.tflite")
    ran = run(pytester, '"digits_float32.tflite", "copy.tflite"', "--edge-verdict", "v.json", limits="max_mb=0.001")
    ran.assert_outcomes(failed=1)
    assert rows(pytester) == [("float32", "digits_float32.tflite"), ("copy", "copy.tflite")]
    assert json.loads((pytester.path / "v.json").read_text())["verdict"] == "fail"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ('"float32", "int16x8", model="digits"', "model 'digits' has no variant 'int16x8'"),
        ('"float32", "int16x8"', "no model has files for float32, int16x8"),
        ('"float32", "int8", model="nets/{variant}"', "'nets/int8' does not exist"),
        ('"nothing_*.tflite"', "no file matches 'nothing_*.tflite'"),
        ('"nothing.tflite"', "model 'nothing.tflite' does not exist"),
        ("", "edge_variants needs names"),
        ('"int8", "int8"', "edge_variants needs names"),
        ('["int8"]', "edge_variants needs names"),
        ("5, 6", "edge_variants needs names"),
        ('"int8", model=5', "edge_variants needs names"),
        ('"int8", "digits_int8.tflite", model="digits"', "which was named before"),
        ('"int8", model="{variant}{"', "'int8{' does not exist"),
        ('"**x*.tflite"', "'**x*.tflite' is no pattern of files"),
        ('"float16", model="lies"', "'lies_float16.tflite' is float32, not the float16 that was asked for"),
        ('"float32", "int8", model="twice"', "several files may be float32 of 'twice'"),
    ],
)
def test_what_cannot_be_found_or_is_something_else_is_a_clear_error(
    pytester: pytest.Pytester, models: Path, names: str, said: str
) -> None:
    for name in ("lies_float16", "twice_float32", "twice-float32", "twice_int8"):
        shutil.copy(models / "digits_float32.tflite", models / f"{name}.tflite")
    (pytester.path / "nets").mkdir()
    shutil.copy(models / "digits_float32.tflite", pytester.path / "nets" / "float32")
    pytester.makepyfile(f"def test_it(edge_variants):\n    edge_variants({names})\n")
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(failed=1)
    assert said in ran.stdout.str()


def test_several_models_have_to_be_told_apart(pytester: pytest.Pytester, models: Path) -> None:
    shutil.copy(models / "digits_int8.tflite", models / "other_int8.tflite")
    pytester.makepyfile('def test_it(edge_variants):\n    print(edge_variants, edge_variants("int8"))\n')
    ran = pytester.runpytest_inprocess()
    ran.stdout.fnmatch_lines(["*several models have files for int8: add, copy, digits, other", '*model="digits"*'])


def test_loaded_variants_are_a_mapping(pytester: pytest.Pytester, models: Path) -> None:
    pytester.makepyfile(
        f"""
        def test_it(edge_variants):
            found = edge_variants("float32", "int8", model="models/digits_{{variant}}.tflite")
            assert (list(found), len(found), found["int8"].info.variant) == (["float32", "int8"], 2, "int8")
            assert repr(found) == "<edge_variants: float32, int8>" and repr(edge_variants) == "<edge_variants>"
            assert list(edge_variants({str(models)!r} + "/*_int8.tflite")) == ["dynamic_int8", "int8"]
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_files_of_one_kind_keep_names_of_their_own(pytester: pytest.Pytester, models: Path) -> None:
    shutil.copy(models / "digits_int8.tflite", models / "od[d].tflite")
    pytester.makepyfile(
        """
        from pathlib import Path

        def test_it(edge_variants):
            names = "od[d].tflite", Path("digits_int8.tflite"), "digits_*t*8.tflite", "float32"
            found = edge_variants(*names, model="digits")
            assert list(found) == ["int8", "digits_int8", "dynamic_int8", "float32"]
            found = edge_variants("od[d].tflite", "int8", model="digits")
            assert [one.info.name for one in found.values()] == ["od[d].tflite", "digits_int8.tflite"]
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("wrong", ["--edge-report=odd", "--no-such-option", "broken/conftest.py"])
def test_a_run_that_never_begins_leaves_no_old_verdict(pytester: pytest.Pytester, wrong: str) -> None:
    pytester.makeini("[pytest]\nedge_verdict = v.json\n")
    (pytester.path / "v.json").write_text('{"edge_verdict": 1, "verdict": "pass"}')
    (pytester.path / "broken").mkdir()
    (pytester.path / "broken" / "conftest.py").write_text("import nothing_of_that_name\n")
    assert pytester.runpytest_inprocess(wrong, *(["--edge-verdict", "v.json"] if "-no-" in wrong else [])).ret == 4
    assert not (pytester.path / "v.json").exists()


@pytest.mark.parametrize("content", ["{}", "not json", "[" * 9000, "5"])
def test_a_file_that_is_no_verdict_is_never_written_over(pytester: pytest.Pytester, content: str) -> None:
    (pytester.path / "v.json").write_text(content)
    ran = pytester.runpytest_inprocess("--edge-verdict", "v.json")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*'*v.json' is no verdict of ours, and is not written over*"])
    assert (pytester.path / "v.json").read_text() == content


def test_a_verdict_cannot_be_a_folder(pytester: pytest.Pytester) -> None:
    (pytester.path / "v").mkdir()
    ran = pytester.runpytest_inprocess("--edge-verdict", "v")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR


def test_a_verdict_that_cannot_be_written_fails_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    (pytester.path / "file").write_text("")
    ran = pytester.runpytest_inprocess("--edge-verdict", "file/v.json")
    assert ran.ret != 0


def test_a_run_without_device_tests_shows_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nedge_verdict = v.json\n")
    assert pytester.runpytest_inprocess().ret == 0
    assert json.loads((pytester.path / "v.json").read_text())["verdict"] == "inconclusive"


def test_progress_is_shown_past_the_capture(pytester: pytest.Pytester, records: Callable[[], list[object]]) -> None:
    pytester.makepyfile(
        """
        import numpy as np
        from pytest_edgedevice.evaluation import telling

        def test_it(edge_model, edge_check, monkeypatch):
            monkeypatch.setattr(telling, "FIRST_S", 0.0)
            model = edge_model("digits_float32.tflite")
            found = model.evaluate({"image": np.zeros((30, 8, 8), np.float32), "labels": [0] * 30}, resume=False)
            edge_check.accuracy(found)
        """
    )
    ran = pytester.runpytest_inprocess("--edge-report", "json=out.jsonl")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["edgedevice: evaluating digits_float32.tflite on local: * of 30 samples after 0 s*"])
    assert len(records()) == 1
