"""Recording references: all of it, or nothing."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import sys
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import GoldenError, InfraError
from pytest_edgedevice.goldens import load_golden, record_references
from pytest_edgedevice.goldens.framework import guessed

if TYPE_CHECKING:
    from tests.unit.goldens.conftest import Folder

Tree = Callable[[], dict[str, bytes]]
SHA = "ab" * 32
DAY = dt.date(2025, 1, 31)


def double(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"scores": inputs["image"] * 2}


def document(folder: Folder) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder.path / "golden.json").read_text())
    return loaded


def test_a_first_recording_makes_the_golden_complete(folder: Folder) -> None:
    (folder.path / "references.npz").unlink()
    changes = record_references(folder.write(references=None), double, date=DAY, model_sha256=SHA)
    assert changes
    assert str(changes) == "wrote references.npz and golden.json (scores: new; provenance.model_sha256)"
    assert changes.files == ("references.npz", "golden.json")
    assert changes.details == ("scores: new", "provenance.model_sha256")
    assert np.array_equal(load_golden(folder.path).references["scores"], folder.images * 2)


def test_what_is_recorded_twice_is_written_once(folder: Folder, tree: Tree) -> None:
    record_references(folder.write(), double, date=DAY)
    before = tree()
    changes = record_references(folder.path, double, date=DAY + dt.timedelta(days=1))
    assert (bool(changes), str(changes), tree()) == (False, "unchanged", before)


def test_equal_values_give_equal_bytes(folder: Folder, tree: Tree) -> None:
    record_references(folder.write(), double, date=DAY)
    first = tree()
    record_references(folder.path, lambda inputs: {"scores": inputs["image"] * 3}, date=DAY)
    record_references(folder.path, double, date=DAY)
    assert tree() == first


def test_provenance_is_brought_up_to_date(folder: Folder) -> None:
    path = folder.write(provenance={"model_sha256": [SHA], "framework": "mine", "version": "1", "note": "kept"})
    record_references(path, double, date=DAY, framework="numpy")
    assert document(folder)["provenance"] == {
        "model_sha256": [SHA],
        "framework": "numpy",
        "version": np.__version__,
        "note": "kept",
        "date": "2025-01-31",
    }


def test_a_version_that_nobody_can_vouch_for_is_dropped(folder: Folder) -> None:
    record_references(folder.write(provenance={"framework": "our server", "version": "1"}), double, date=DAY)
    assert document(folder)["provenance"] == {"framework": "our server", "date": "2025-01-31"}


def test_the_date_is_todays_by_default(folder: Folder) -> None:
    before = dt.datetime.now(dt.UTC).date()
    record_references(folder.write(), double)
    assert before.isoformat() <= document(folder)["provenance"]["date"] <= dt.datetime.now(dt.UTC).date().isoformat()


def test_the_rest_of_the_document_stays_in_its_order(folder: Folder) -> None:
    folder.write()
    before = document(folder)
    record_references(folder.path, double, date=DAY)
    after = document(folder)
    assert list(after) == [*before, "provenance"]
    assert {key: after[key] for key in before} == before


def test_changed_values_are_described(folder: Folder) -> None:
    record_references(folder.write(), double, date=DAY)

    def moved(inputs: Mapping[str, Any]) -> dict[str, Any]:
        scores = inputs["image"] * 2
        scores[1] += 0.5
        return {"scores": scores, "extra": inputs["image"]}

    assert record_references(folder.path, moved, date=DAY).details == (
        "scores: 1 of 3 samples differ, by at most 0.5",
        "extra: new",
    )
    other = {"extra": np.arange(3)}
    assert record_references(folder.path, lambda _: other, date=DAY).details == (
        "scores: gone",
        "extra: other shape or dtype",
    )


def test_lists_of_arrays_are_kept_one_by_one_where_shapes_vary(folder: Folder) -> None:
    boxes = [np.full((index, 4), float(index)) for index in range(3)]
    record_references(folder.write(), lambda _: {"boxes": boxes}, date=DAY)
    with zipfile.ZipFile(folder.path / "references.npz") as archive:
        assert archive.namelist() == ["boxes/0.npy", "boxes/1.npy", "boxes/2.npy"]
    assert [one.shape for one in load_golden(folder.path).references["boxes"]] == [(0, 4), (1, 4), (2, 4)]


def test_lists_of_equal_shape_become_one_array(folder: Folder) -> None:
    record_references(folder.write(), lambda _: {"x": [[1.0], [2.0], [3.0]]}, date=DAY)
    assert np.array_equal(load_golden(folder.path).references["x"], [[1.0], [2.0], [3.0]])


def test_what_the_callable_raises_is_passed_on_and_nothing_is_written(folder: Folder, tree: Tree) -> None:
    folder.write()
    before = tree()

    def broken(_: Mapping[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("the server's own")

    with pytest.raises(ZeroDivisionError, match="the server's own"):
        record_references(folder.path, broken)
    assert tree() == before


class NoArray:
    def __array__(self, *_: object, **__: object) -> None:
        raise RuntimeError("tensor is on the GPU")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "gave NoneType, not outputs by name"),
        ({}, "gave dict, not outputs by name"),
        ({3: np.arange(3)}, "references: is 3, but a string"),
        ({b"x": np.arange(3)}, "references: is a bytes, but a string"),
        ({"x": np.arange(4)}, r"gave shape \(4,\) for 'x'; the golden has 3 samples"),
        ({"x": np.float32(1)}, r"gave shape \(\) for 'x'"),
        ({"x": [1.0, 2.0]}, "gave 2 arrays of float64 for 'x'"),
        ({"x": [1.0, 2, 3]}, "gave 3 arrays of float64 and int64 for 'x'"),
        ({"x": []}, "gave 0 arrays of nothing for 'x'"),
        ({"x": np.array(["a", "b", "c"])}, "'x' holds <U1"),
        ({"x": NoArray()}, "'x' is no array: tensor is on the GPU"),
        ({"x": np.array([1, 2, np.nan])}, "'x' is not finite in sample 'c'"),
        ({"x": np.zeros(3)}, "'x' has 3 values, all equal"),
        (
            {f"conv/{index}": np.arange(3) for index in range(3)},
            "cannot be told from one output with an array a sample",
        ),
    ],
)
def test_a_result_that_is_no_set_of_references_is_refused_and_nothing_is_written(
    folder: Folder, tree: Tree, result: Any, text: str
) -> None:
    folder.write()
    before = tree()
    with pytest.raises(GoldenError, match=text):
        record_references(folder.path, lambda _: result)
    assert tree() == before


@pytest.mark.parametrize("changes", [{"outputs": {"logits": "x"}}, {"constant_outputs": ["logits"]}])
def test_outputs_that_the_document_names_must_be_produced(folder: Folder, changes: dict[str, Any]) -> None:
    with pytest.raises(GoldenError, match="'logits' is no output of the reference callable"):
        record_references(folder.write(**changes), double)


@pytest.mark.parametrize("call", ["open", "replace"])
def test_a_full_disk_is_the_worlds_fault_and_leaves_the_folder_as_it_was(
    folder: Folder, tree: Tree, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder.write()
    before = tree()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*(("os.fsync", full) if call == "open" else (Path, "replace", full)))
    with pytest.raises(InfraError, match=r"cannot write .*references\.npz.*: No space left on device"):
        record_references(folder.path, double)
    monkeypatch.undo()
    assert tree() == before


def test_file_permissions_are_kept(folder: Folder) -> None:
    (folder.write() / "golden.json").chmod(0o640)
    record_references(folder.path, double)
    assert (folder.path / "golden.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_broken_references_can_be_recorded_again(folder: Folder, content: bytes) -> None:
    (folder.write() / "references.npz").write_bytes(content)
    record_references(folder.path, double)
    load_golden(folder.path).check()


def test_references_are_never_written_outside_the_folder(folder: Folder) -> None:
    with pytest.raises(GoldenError, match="not a plain path"):
        record_references(folder.write(references="../references.npz"), double)


def test_a_wrong_hash_is_refused_before_anything_is_written(folder: Folder, tree: Tree) -> None:
    folder.write()
    before = tree()
    with pytest.raises(GoldenError, match=r"provenance\.model_sha256"):
        record_references(folder.path, double, model_sha256=["123"])
    assert tree() == before


def test_the_callable_cannot_change_the_inputs(folder: Folder) -> None:
    def careless(inputs: Mapping[str, Any]) -> dict[str, Any]:
        image = inputs["image"]
        image *= 2
        return {"scores": image}

    with pytest.raises(ValueError, match="read-only"):
        record_references(folder.write(), careless)


class TestFramework:
    def test_a_function_belongs_to_its_distribution(self) -> None:
        assert guessed(np.sum) == ("numpy", np.__version__)

    def test_a_partial_belongs_to_what_it_wraps(self) -> None:
        assert guessed(functools.partial(np.sum, axis=0))[0] == "numpy"

    def test_a_bound_method_belongs_to_its_objects_class(self) -> None:
        assert guessed(np.random.default_rng().random)[0] == "numpy"

    def test_a_function_of_ones_own_belongs_to_none(self) -> None:
        assert guessed(double) == ("", "")

    def test_a_package_of_ones_own_is_not_taken_for_an_installed_one_of_its_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = types.ModuleType("numpy.mine")
        module.__file__ = "/home/me/project/numpy/mine.py"
        monkeypatch.setitem(sys.modules, "numpy.mine", module)
        monkeypatch.setattr(double, "__module__", "numpy.mine")
        assert guessed(double) == ("", "")

    def test_a_builtin_belongs_to_none(self) -> None:
        assert guessed(os.getpid) == ("", "")
