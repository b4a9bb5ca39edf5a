"""golden.json: every wrong field is named with its place and its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import load_golden

if TYPE_CHECKING:
    from tests.unit.goldens.conftest import Folder

IMAGE = {"color": "RGB"}
SHA = "ab" * 32


def complaint(path: Path) -> str:
    with pytest.raises(GoldenError) as caught:
        load_golden(path)
    assert str(path / "golden.json") in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"schema": None}, ["the key 'schema' is missing"]),
        ({"schema": 2}, ["golden.json: schema: schema 2 is not supported; this release reads schema 1"]),
        ({"schema": True}, ["schema True is not supported"]),
        ({"schema": [1]}, ["schema [1] is not supported"]),
        ({"name": None}, ["the key 'name' is missing"]),
        ({"name": "a/b"}, ["name: 'a/b' cannot name a file"]),
        ({"name": ".."}, ["name: '..'"]),
        ({"name": 3}, ["name: is 3, but a string is needed"]),
        ({"name": " "}, ["name: is empty"]),
        ({"name": "a\nb"}, ["name: ", "cannot be printed"]),
        ({"name": "\ud800"}, ["cannot be printed"]),
        ({"name": "x" * 2000}, ["name: has 2000 characters"]),
        ({"nmae": 1}, ["golden.json: nmae: unknown key", "did you mean 'name'?"]),
        ({"odd key": 1}, ['["odd key"]: unknown key']),
        ({"inputs": {}}, ["inputs: names no input"]),
        ({"inputs": []}, ["inputs: is [], but an object {...} is needed"]),
        ({"inputs": {"": {}}}, ['inputs[""]: is empty']),
        ({"inputs": {"x": {"colour": "RGB"}}}, ["inputs.x.colour: unknown key", "did you mean 'color'?"]),
        ({"inputs": {"x": {"array": 1}}}, ["inputs.x.array: is 1"]),
        ({"inputs": {"x": {"array": "images.npz#image", "scale": 1}}}, ["inputs.x.scale: is for images"]),
        ({"samples": None, "inputs": {"x": {}}}, ["'samples' is missing", "name a file for input 'x'"]),
        ({"samples": []}, ["samples: is empty"]),
        ({"samples": {}}, ["samples: is {}, but a list [...]"]),
        (
            {"samples": [{"id": "a"}, {"id": "b"}, {"id": "a"}]},
            ["samples[2].id: 'a' is the id of samples[0] already"],
        ),
        ({"samples": [{"id": "a/b"}]}, ["samples[0].id: 'a/b' cannot name a file"]),
        ({"samples": [{"id": 1}]}, ["samples[0].id: is 1"]),
        ({"samples": [{}]}, ["samples[0]: the key 'id' is missing"]),
        ({"samples": [{"id": "a", "tag": "x"}]}, ["samples[0].tag: unknown key", "did you mean 'tags'?"]),
        ({"samples": [{"id": "a", "tags": "x"}]}, ["samples[0].tags: is"]),
        ({"samples": [{"id": "a", "file": "x.png"}]}, ["samples[0].file: serves sets with one input"]),
        ({"references": "r.npy"}, ["references: is 'r.npy', but an NPZ file"]),
        (
            {"references": "images.npz"},
            ["references: 'images.npz' is the file of inputs.image.array"],
        ),
        ({"provenance": {"model_sha256": []}}, ["provenance.model_sha256: is empty"]),
        ({"references": "none.npz"}, ["references: 'none.npz' is not a file"]),
        ({"outputs": {"scores": 1}}, ["outputs.scores: is 1"]),
        ({"outputs": {"score": "s"}}, ["outputs: 'score' is no output", "did you mean 'scores'?"]),
        ({"outputs": {"a": "s", "b": "s"}}, ["outputs.b: 's' is the name for 'a' already"]),
        ({"constant_outputs": ["score"]}, ["constant_outputs: 'score' is no output", "'scores'"]),
        ({"provenance": {"model": SHA}}, ["provenance.model: unknown key", "model_sha256"]),
        ({"provenance": {"model_sha256": "ab"}}, ["provenance.model_sha256: is 'ab', but 64 hexadecimal"]),
        ({"provenance": {"model_sha256": [SHA, 5]}}, ["provenance.model_sha256[1]: is 5"]),
        ({"provenance": {"date": "yesterday"}}, ["provenance.date: 'yesterday' is no date"]),
    ],
)
def test_a_wrong_field_is_named_with_its_place(folder: Folder, changes: dict[str, Any], texts: list[str]) -> None:
    text = complaint(folder.write(**changes))
    assert all(one in text for one in texts), text


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"color": "rgb"}, "inputs.x.color: is \"rgb\"\n  hint: known here: 'BGR', 'L', 'RGB'"),
        ({"color": []}, "inputs.x.color: is []"),
        ({"layout": "NWHC"}, "did you mean 'NHWC'?"),
        ({"dtype": "float"}, "did you mean 'float32'?"),
        ({"scale": "1"}, 'inputs.x.scale: is "1", but a number'),
        ({"scale": True}, "inputs.x.scale: is true, but a number"),
        ({"scale": 10**400}, "within float32's range"),
        ({"mean": [1, 2]}, "inputs.x.mean: has 2 values for 3 channels"),
        ({"mean": [1, 2, "x"]}, "inputs.x.mean[2]: is"),
        ({"color": "L", "mean": [1, 2, 3]}, "has 3 values for 1 channels"),
        ({"std": 0}, "inputs.x.std: is 0, and values are divided by it"),
        ({"std": [1, 0, 1]}, "inputs.x.std: is 0"),
        ({"resize": 128}, "inputs.x.resize: is 128, but an object"),
        ({"resize": {"width": 1, "height": 1}}, "inputs.x.resize: the key 'filter' is missing"),
        ({"resize": {"width": 0, "height": 1, "filter": "box"}}, "inputs.x.resize.width: is 0"),
        ({"resize": {"width": 1.5, "height": 1, "filter": "box"}}, "inputs.x.resize.width: is 1.5"),
        ({"resize": {"width": 32768, "height": 32768, "filter": "box"}}, "pixels"),
        ({"resize": {"width": 1, "height": 1, "filter": "linear"}}, "did you mean 'bilinear'?"),
        ({"quantize": {"scale": 0, "zero_point": 0, "dtype": "int8"}}, "quantize.scale: is 0"),
        ({"quantize": {"scale": 1, "zero_point": 200, "dtype": "int8"}}, "whole number from -128 to 127"),
        (
            {"quantize": {"scale": 1, "zero_point": 0, "dtype": "int8"}, "dtype": "uint8"},
            "but quantize gives int8",
        ),
    ],
)
def test_wrong_pre_processing_is_named_with_its_place(folder: Folder, keys: dict[str, Any], text: str) -> None:
    assert text in complaint(folder.write(inputs={"x": keys}))


def test_a_folder_without_a_document_is_an_error_that_says_what_a_golden_is(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match=r"golden\.json: no such file\n.*a golden is a folder"):
        load_golden(tmp_path)


def test_a_path_that_no_file_can_have_is_no_golden() -> None:
    with pytest.raises(GoldenError, match="no such file"):
        load_golden("x" * 5000)


def test_malformed_json_is_reported_with_line_and_column(folder: Folder) -> None:
    (folder.write() / "golden.json").write_text('{"schema": 1,\n "name": }')
    assert "golden.json: line 2, column 10: malformed JSON" in complaint(folder.path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"schema": 1, "schema": 1}', 'the key "schema" stands twice'),
        (b'{"schema": NaN}', "NaN is not JSON"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
        (b"[" * 200_000, "nested too deeply"),
        (b"9" * 5000, "a number that cannot be read"),
        (b"", "line 1, column 1"),
        (b"[]", "but an object {...} is needed"),
    ],
)
def test_a_document_that_is_no_strict_json_object_is_refused(folder: Folder, content: bytes, text: str) -> None:
    (folder.path / "golden.json").write_bytes(content)
    assert text in complaint(folder.path)


def test_a_document_of_excessive_size_is_not_parsed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgedevice.goldens.fields.MAX_JSON_BYTES", 10)
    assert "is larger than" in complaint(folder.write())


def test_a_document_that_cannot_be_read_is_a_golden_error(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied" in complaint(folder.path)


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        ({"id": "a", "files": {"x": "x.npy"}}, "samples[0]: has no file for input 'y'"),
        ({"id": "a", "files": {"x": "x.npy", "z": "y.npy"}}, "samples[0].files.z: unknown key"),
        ({"id": "a"}, "samples[0]: has no file for input 'x'"),
        (
            {"id": "a", "file": "x.npy"},
            "samples[0].file: serves sets with one input that has a file a sample",
        ),
        ({"id": "a", "files": {"x": "x.npy", "y": 1}}, "samples[0].files.y: is 1"),
    ],
)
def test_files_of_a_sample_cover_exactly_the_inputs(folder: Folder, sample: dict[str, Any], text: str) -> None:
    assert text in complaint(folder.write(inputs={"x": {}, "y": {}}, samples=[sample]))


def test_file_and_files_exclude_each_other(folder: Folder) -> None:
    sample = {"id": "a", "file": "x.npy", "files": {"x": "x.npy"}}
    assert "samples[0].file: stands beside 'files'" in complaint(folder.write(inputs={"x": IMAGE}, samples=[sample]))


def test_a_byte_order_mark_is_accepted(folder: Folder) -> None:
    file = folder.write() / "golden.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_golden(folder.path).name == "little"
