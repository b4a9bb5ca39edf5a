"""What users have becomes a data set; folders and files of others are read with suspicion."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import GoldenError, InputError
from pytest_edgedevice.evaluation.dataset import Dataset, Sample
from pytest_edgedevice.evaluation.sources import as_dataset, from_arrays, from_folder
from tests.unit.evaluation.conftest import NumpyModel, one_hot

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.values import ModelInfo

INPUTS = one_hot([0, 1, 2])


def listed(data: Dataset, most: int = 2) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Name, label and tags of each sample."""
    return [
        (chunk.id_of(at), chunk.label_of(at), tuple(chunk.tags[at]) if chunk.tags else ())
        for chunk in data.chunks(lambda: most)
        for at in range(chunk.samples)
    ]


@pytest.mark.parametrize("key", ["labels", "label", "y"])
def test_a_mapping_of_arrays_names_its_labels(key: str) -> None:
    data = as_dataset(
        {"x": INPUTS, key: np.array([0, 1, 1]), "ids": ["a", "b", "c"], "tags": ["night rain", "", "day"]}
    )
    assert listed(data) == [("a", 0, ("night", "rain")), ("b", 1, ()), ("c", 1, ("day",))]


def test_an_npz_file_is_a_mapping_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", x=INPUTS, labels=[0, 1, 1])
    data = as_dataset(tmp_path / "digits.npz")
    assert (data.name, data.samples, NumpyModel().evaluate(data).value) == ("digits", 3, 2 / 3)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read data set|has no inputs"):
        as_dataset(tmp_path / "data.npz")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([print], object))
    with pytest.raises(InputError, match="allow_pickle"):
        as_dataset(tmp_path / "data.npz")


@pytest.mark.parametrize(
    "one",
    [
        Sample(INPUTS[0], 4, "a", ("t",)),
        (INPUTS[0], 4, "a", ("t",)),
        {"inputs": INPUTS[0], "label": 4, "id": "a", "tags": ["t"]},
    ],
)
def test_samples_come_in_three_forms(one: Any) -> None:
    assert listed(as_dataset([one])) == [("a", 4, ("t",))]


@pytest.mark.parametrize("one", [5, "text", (), {"image": 1}, (1, 2, 3, 4, 5), np.zeros(3)])
def test_what_is_no_sample_is_refused_by_its_place(one: Any) -> None:
    with pytest.raises(InputError, match="entry 1 of data set"):
        listed(as_dataset([(INPUTS[0], 0), one]))


def test_tags_of_one_text_are_a_mistake() -> None:
    with pytest.raises(InputError, match=r"give a tuple, \('night',\)"):
        listed(as_dataset([(INPUTS[0], 0, "", "night")]))


def test_samples_with_different_inputs_are_refused() -> None:
    with pytest.raises(InputError, match="different names of inputs"):
        listed(as_dataset([({"a": INPUTS[0]}, 0), ({"b": INPUTS[0]}, 0)]))


def test_a_function_is_begun_again_each_time() -> None:
    data = as_dataset(lambda: ((one, 0) for one in INPUTS))
    assert (len(listed(data)), len(listed(data)), data.once) == (3, 3, False)


def test_shapes_may_vary_from_sample_to_sample() -> None:
    (chunk,) = as_dataset([(np.zeros(2), 0), (np.zeros(3), 0)]).chunks(lambda: 8)
    assert [one.shape for one in chunk.inputs] == [(2,), (3,)]


@pytest.mark.parametrize("source", [5, None, object()])
def test_what_is_no_data_set_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match="is no data set"):
        as_dataset(source)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": [0, 1]}, "different numbers of samples"),
        ({"ids": ["a", "a", "b"]}, "the same id"),
        ({"tags": [()]}, "different numbers of samples"),
    ],
)
def test_parts_that_do_not_fit_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        from_arrays(INPUTS, **given)
    with pytest.raises(InputError, match="different numbers"):
        from_arrays({"a": INPUTS, "b": INPUTS[:2]})


@pytest.mark.parametrize(
    ("arrays", "said"), [({"labels": [1]}, "no inputs"), ({"x": [1], "y": [1], "label": [1]}, "which of")]
)
def test_a_mapping_that_cannot_be_told_apart_is_refused(arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        as_dataset(arrays)


class FakeGolden:
    """As a golden set is, without a folder."""

    name = "faces"
    ids = ("a", "b", "c")
    tags: tuple[tuple[str, ...], ...] = ((), ("night",), ())

    @property
    def inputs(self) -> Any:
        return {"x": INPUTS}

    @property
    def references(self) -> Any:
        return {"y": INPUTS * np.float32(2)}

    def check_model(self, info: ModelInfo) -> None:
        if info.name != "net.tflite":
            raise GoldenError("the references are another model's")


def test_references_of_a_golden_are_the_labels() -> None:
    model, golden = NumpyModel(), FakeGolden()
    found = model.evaluate(golden, "max_abs_error")
    assert (found.dataset, found.value, model.evaluate(golden).value) == ("faces", 1, 1)


def test_references_of_a_golden_for_another_model_are_refused() -> None:
    model = NumpyModel()
    model.info = dataclasses.replace(model.info, name="other.tflite")
    with pytest.raises(GoldenError, match="another model"):
        model.evaluate(FakeGolden())


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("a.txt", "b.txt"):
            (tmp_path / name).write_text(name)
        return tmp_path

    def test_a_csv_file_names_files_labels_and_tags(self, folder: Path) -> None:
        (folder / "labels.csv").write_text("file,label,tags\na.txt,3,night rain\nb.txt,cat,\n")
        data = from_folder(folder, lambda path: np.array([len(path.name)], np.float32))
        assert (listed(data), data.samples) == ([("a.txt", 3, ("night", "rain")), ("b.txt", "cat", ())], 2)

    @pytest.mark.parametrize(
        "found",
        [
            {"a.txt": 3, "b.txt": {"label": 4, "id": "two", "tags": ["day"]}},
            [{"file": "a.txt", "label": 3}, {"file": "b.txt", "label": 4, "id": "two", "tags": ["day"]}],
        ],
    )
    def test_a_json_file_does_too(self, folder: Path, found: Any) -> None:
        (folder / "names.json").write_text(json.dumps(found))
        data = from_folder(folder, lambda path: np.zeros(1), labels=folder / "names.json")
        assert listed(data) == [("a.txt", 3, ()), ("two", 4, ("day",))]

    def test_files_are_read_when_it_is_their_turn(self, folder: Path) -> None:
        (folder / "labels.json").write_text('{"a.txt": 0, "b.txt": 1}')
        read: list[str] = []

        def load(path: Path) -> Any:
            read.append(path.name)
            return np.zeros(1)

        chunks = from_folder(folder, load).chunks(lambda: 1)
        next(chunks)
        assert read == ["a.txt"]

    @pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "link/hosts", "", "missing.txt", "a\0b"])
    def test_files_outside_of_the_folder_or_missing_are_refused(self, folder: Path, name: str) -> None:
        (folder / "link").symlink_to("/etc")
        (folder / "labels.json").write_text(json.dumps({name: 0}))
        with pytest.raises(InputError, match=r"labels.json: entry 1: (file|'file')"):
            from_folder(folder, lambda path: np.zeros(1))

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("labels.csv", "name,label\na.txt,1\n"),
            ("labels.csv", "file,label\na.txt\n"),
            ("labels.csv", "file,label\na.txt,1,2\n"),
            ("labels.csv", 'file,label\n"a.txt,1\n'),
            ("labels.csv", "file,label\n"),
            ("labels.csv", "file,label,id\na.txt,1,x\nb.txt,1,x\n"),
            ("labels.json", "{"),
            ("labels.json", "5"),
            ("labels.json", "[5]"),
            ("labels.json", "[" * 100_000),
            ("labels.json", '{"a.txt": NaN}'),
            ("labels.json", '{"a.txt": {"label": 1, "tags": [5]}}'),
        ],
    )
    def test_labels_that_are_malformed_are_refused(self, folder: Path, name: str, content: str) -> None:
        (folder / name).write_text(content)
        with pytest.raises(InputError, match="labels"):
            from_folder(folder, lambda path: np.zeros(1))

    def test_labels_have_to_be_there_and_once(self, folder: Path) -> None:
        with pytest.raises(InputError, match="has neither"):
            from_folder(folder, lambda path: np.zeros(1))
        (folder / "labels.csv").write_text("file\na.txt\n")
        (folder / "labels.json").write_text("{}")
        with pytest.raises(InputError, match="has both"):
            from_folder(folder, lambda path: np.zeros(1))

    def test_a_folder_needs_a_way_to_load_its_files(self, folder: Path) -> None:
        with pytest.raises(InputError, match="is a folder"):
            as_dataset(folder)
        with pytest.raises(InputError, match="is no folder"):
            from_folder(folder / "a.txt", lambda path: np.zeros(1))

    def test_a_file_that_cannot_be_loaded_is_named(self, folder: Path) -> None:
        (folder / "labels.json").write_text('{"a.txt": 0}')
        with pytest.raises(InputError, match=r"load failed on '.*a\.txt': ValueError"):
            list(from_folder(folder, lambda path: np.array(float("no"))).chunks(lambda: 1))

    def test_labels_that_cannot_be_read_are_refused(self, folder: Path) -> None:
        (folder / "labels.csv").write_bytes(b"file\n\xff\xfe")
        with pytest.raises(InputError, match="cannot read the labels"):
            from_folder(folder, lambda path: np.zeros(1))


@pytest.mark.parametrize("what", ["labels", "ids", "tags", "image"])
@pytest.mark.parametrize("value", [5, np.array(5), {1, 2}, (one for one in (1, 2)), "text"])
def test_what_has_no_value_for_each_sample_is_refused(what: str, value: Any) -> None:
    arrays = {"image": np.zeros((2, 3), np.float32), "labels": [0, 1], what: value}
    with pytest.raises(InputError, match=f"{what}'? ?(of the inputs)? must be an array or a list with one value"):
        as_dataset(arrays)


def test_tags_of_any_kind_are_texts() -> None:
    given = [None, "night rain", np.str_("night"), 5, np.int64(5), ("a", 1), np.array(["a", "b"]), np.array("a")]
    wanted = [(), ("night", "rain"), ("night",), ("5",), ("5",), ("a", "1"), ("a", "b"), ("a",)]
    found = as_dataset({"image": np.zeros((8, 3)), "tags": given})
    assert [tags for chunk in found.chunks(lambda: 8) for tags in chunk.tags or ()] == wanted


def test_samples_may_have_no_id_and_tags_that_are_no_texts() -> None:
    samples = [Sample(np.zeros(3), 0, None, None), Sample(np.zeros(3), 0, 7, (1, [2]))]  # type: ignore[arg-type]
    (chunk,) = as_dataset(samples).chunks(lambda: 8)
    assert (chunk.tags, chunk.id_of(0), chunk.id_of(1)) == ([(), ("1", "[2]")], "0", "7")


def test_columns_of_tables_are_told_by_place() -> None:
    class Series:
        """As of a table whose rows are called 5 and 6."""

        def to_numpy(self) -> Any:
            return np.array([1, 2])

    (chunk,) = as_dataset({"image": np.zeros((2, 3)), "labels": Series()}).chunks(lambda: 8)
    assert [chunk.label_of(at) for at in (0, 1)] == [1, 2]


@pytest.mark.parametrize("given", [None, 5])
def test_a_function_that_gives_no_samples_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="the function gave"):
        list(as_dataset(lambda: given).chunks(lambda: 8))


def test_samples_of_one_input_with_and_without_its_name_are_refused() -> None:
    with pytest.raises(InputError, match="different names of inputs"):
        list(as_dataset([({"x": np.zeros(3)}, 0), (np.zeros(3), 0)]).chunks(lambda: 8))
