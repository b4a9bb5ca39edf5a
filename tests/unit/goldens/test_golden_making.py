"""Recording whole goldens: all of it or nothing, without the inputs unless somebody asks, and fit for the model."""

from __future__ import annotations

import datetime as dt
import json
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_edgedevice.errors import GoldenError, InfraError, UsageError
from pytest_edgedevice.goldens import Wishes, load_golden, making, record, record_references
from pytest_edgedevice.values import ModelInfo, Quantization, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

X = np.random.default_rng(1).random((3, 2, 4), dtype=np.float32)


def double(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"y": inputs["x"] * 2}


def model(*outputs: TensorSpec, inputs: tuple[TensorSpec, ...] = (), sha256: str = "cd" * 32) -> ModelInfo:
    given = inputs or (TensorSpec("x", "float32", (1, 2, 4)),)
    return ModelInfo("m.tflite", sha256, 5, "float32", given, outputs, "litert", "2", 1)


def y(*shape: int, dtype: str = "float32", name: str = "y") -> TensorSpec:
    return TensorSpec(name, dtype, shape)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    np.savez(folder / "x.npz", x=X)
    np.save(folder / "x.npy", X)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, name in enumerate(("b.png", "a.png", "a.bmp")):
        Image.fromarray(np.full((4, 4, 3), 40 * index + 10, np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("none of them")
    return folder


def document(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "golden.json").read_text())
    return loaded


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestPrivacy:
    def test_inputs_stay_where_they_are(self, data: Path, tmp_path: Path) -> None:
        recorded = record(tmp_path / "g", double, inputs=[data / "x.npz"])
        assert names(tmp_path / "g") == ["golden.json", "references.npz"]
        assert recorded.elsewhere == (data,)
        assert str(data) not in (tmp_path / "g" / "golden.json").read_text()
        with pytest.raises(GoldenError, match=r"'x\.npz' is not kept with this golden, which knows its hash only\n"):
            load_golden(tmp_path / "g")
        with pytest.raises(GoldenError, match="searched in"):
            load_golden(tmp_path / "g", inputs=[tmp_path])
        golden = load_golden(tmp_path / "g", inputs=[tmp_path, data])
        golden.check()
        assert np.array_equal(golden.references["y"], X * 2)

    def test_inputs_are_copied_when_somebody_asks(self, data: Path, tmp_path: Path) -> None:
        recorded = record(tmp_path / "g", double, inputs={"x": data / "x.npy"}, keep_inputs=True)
        assert names(tmp_path / "g") == ["golden.json", "references.npz", "x.npy"]
        assert recorded.elsewhere == ()
        load_golden(tmp_path / "g").check()

    def test_other_inputs_under_the_same_name_are_refused(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        np.savez(data / "x.npz", x=X + 1)
        with pytest.raises(GoldenError, match="is not the file that the references were recorded for"):
            load_golden(tmp_path / "g", inputs=[data]).check()

    def test_inputs_that_lie_in_the_golden_already_stay_there(self, photos: Path) -> None:
        recorded = record(photos, lambda inputs: {"y": inputs["x"].mean((1, 2))}, inputs={"x": photos})
        assert recorded.elsewhere == ()
        load_golden(photos).check()


class TestInputs:
    def test_images_are_samples_in_the_order_of_their_names(self, photos: Path, tmp_path: Path) -> None:
        shape: list[Any] = []

        def server(inputs: Mapping[str, Any]) -> dict[str, Any]:
            shape.append(inputs["x"].shape)
            return {"y": inputs["x"].mean((1, 2))}

        steps = {"resize": {"width": 2, "height": 2, "filter": "box"}, "std": 255}
        record(tmp_path / "g", server, inputs=[f"x={photos}"], preprocess=steps)
        assert shape == [(3, 2, 2, 3)]
        assert [sample["id"] for sample in document(tmp_path / "g")["samples"]] == ["a.bmp", "a.png", "b"]
        assert document(tmp_path / "g")["inputs"]["x"]["std"] == 255

    def test_one_array_of_an_archive(self, data: Path, tmp_path: Path) -> None:
        np.savez(data / "all.npz", pixels=X, labels=np.arange(3))
        record(tmp_path / "g", double, inputs=[f"x={data}/all.npz#pixels"])
        assert document(tmp_path / "g")["inputs"] == {"x": {"array": "all.npz#pixels"}}

    def test_the_models_only_input_needs_no_name(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npy"], models=[model(y(1, 2, 4))])
        assert document(tmp_path / "g")["inputs"] == {"x": {"array": "x.npy"}}

    @pytest.mark.parametrize(
        ("inputs", "said"),
        [
            (["{data}/x.npy"], "do not say for which input"),
            (["x={data}/gone.npy"], "do not exist"),
            (["x={data}/all.npz"], "holds 2 arrays for input 'x'"),
            (["x={data}/all.npz#no"], "has no array 'no'"),
            (["{data}/x.npz", "x={data}/x.npy"], "input 'x' is given twice"),
            (["x={data}/x.txt"], "neither arrays nor a folder of images"),
            (["x={data}/references.npz"], "has the name of one of the golden's own files"),
            (["x={data}/x.npy", "z={data}/other/x.npy"], "have one name"),
            (["x={data}"], "holds no image"),
            (["x={photos}", "z={photos}"], "two inputs are folders"),
        ],
    )
    def test_what_are_no_inputs_is_told(
        self, data: Path, photos: Path, tmp_path: Path, inputs: list[str], said: str
    ) -> None:
        np.savez(data / "all.npz", pixels=X, labels=np.arange(3))
        np.savez(data / "references.npz", x=X)
        (data / "x.txt").write_text("x")
        (data / "other").mkdir()
        np.save(data / "other" / "x.npy", X)
        given = [one.format(data=data, photos=photos) for one in inputs]
        with pytest.raises(GoldenError, match=said):
            record(tmp_path / "goldens" / "g", double, inputs=given)
        assert not (tmp_path / "goldens").exists()

    def test_pre_processing_is_for_images(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(GoldenError, match="pre-processing is for images"):
            record(tmp_path / "g", double, inputs=[data / "x.npz"], preprocess={"mean": 1})

    def test_an_archive_without_arrays_is_no_input(self, data: Path, tmp_path: Path) -> None:
        np.savez(data / "empty.npz")
        with pytest.raises(GoldenError, match="no inputs are given"):
            record(tmp_path / "g", double, inputs=[data / "empty.npz"])


class TestAllOrNothing:
    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            (lambda inputs: {"y": inputs["x"] * np.nan}, "'y' is not finite in sample '0'"),
            (lambda inputs: {"y": np.zeros((3, 2))}, "all equal"),
            (lambda inputs: {"y": np.zeros((2, 2))}, "the golden has 3 samples"),
            (lambda inputs: 5, "gave int, not outputs by name"),
        ],
    )
    def test_answers_that_are_worth_nothing_leave_nothing(
        self, data: Path, tmp_path: Path, answers: Any, said: str
    ) -> None:
        with pytest.raises(GoldenError, match=said) as caught:
            record(tmp_path / "goldens" / "g", answers, inputs=[data / "x.npz"])
        assert ".part" not in caught.value.message
        assert names(tmp_path) == ["data"]

    def test_who_interrupts_leaves_nothing_either(self, data: Path, tmp_path: Path) -> None:
        def interrupted(_: Mapping[str, Any]) -> dict[str, Any]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            record(tmp_path / "goldens" / "g", interrupted, inputs=[data / "x.npz"])
        assert names(tmp_path) == ["data"]

    def test_what_is_there_is_replaced_by_force_only(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        before = (tmp_path / "g" / "references.npz").read_bytes()
        with pytest.raises(GoldenError, match=r"is there already, with golden\.json"):
            record(tmp_path / "g", lambda inputs: {"y": inputs["x"] * 3}, inputs=[data / "x.npz"])
        assert (tmp_path / "g" / "references.npz").read_bytes() == before
        record(tmp_path / "g", lambda inputs: {"y": inputs["x"] * 3}, inputs=[data / "x.npz"], force=True)
        assert np.array_equal(load_golden(tmp_path / "g", inputs=[data]).references["y"], X * 3)
        assert names(tmp_path) == ["data", "g"]

    def test_a_failed_replacement_leaves_the_old_one(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        before = {path.name: path.read_bytes() for path in (tmp_path / "g").iterdir()}
        with pytest.raises(GoldenError, match="all equal"):
            record(tmp_path / "g", lambda _: {"y": np.zeros((3, 2))}, inputs=[data / "x.npz"], force=True)
        assert {path.name: path.read_bytes() for path in (tmp_path / "g").iterdir()} == before

    @pytest.mark.parametrize("turn", range(4))
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_one_that_cannot_be_replaced_whole_stays(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, error: BaseException
    ) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        before = {path.name: path.read_bytes() for path in (tmp_path / "g").iterdir()}
        replace, turns = Path.replace, iter(range(100))

        def failing(self: Path, target: Path) -> Path:
            if next(turns) == turn:
                raise error
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", failing)
        with pytest.raises((InfraError, KeyboardInterrupt)):
            record(tmp_path / "g", lambda inputs: {"y": inputs["x"] * 3}, inputs=[data / "x.npz"], force=True)
        assert {path.name: path.read_bytes() for path in (tmp_path / "g").iterdir()} == before
        assert names(tmp_path) == ["data", "g"]

    def test_one_that_is_killed_while_it_is_replaced_is_no_golden(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """New references beside the old document would speak for another recording."""
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        replace, seen = Path.replace, []

        def watched(self: Path, target: Path) -> Path:
            done = replace(self, target)
            seen.append(names(tmp_path / "g"))
            return done

        monkeypatch.setattr(Path, "replace", watched)
        record(tmp_path / "g", lambda inputs: {"y": inputs["x"] * 3}, inputs=[data / "x.npz"], force=True)
        assert seen[-4:] == [["references.npz"], [], ["references.npz"], ["golden.json", "references.npz"]]

    def test_the_same_again_changes_nothing(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        before = (tmp_path / "g" / "golden.json").read_bytes()

        later = types.SimpleNamespace(now=lambda zone: dt.datetime(2035, 1, 1, tzinfo=zone))
        monkeypatch.setattr(making, "dt", types.SimpleNamespace(datetime=later, UTC=dt.UTC))
        assert not record(tmp_path / "g", double, inputs=[data / "x.npz"], force=True).changes
        assert (tmp_path / "g" / "golden.json").read_bytes() == before

    def test_a_broken_document_is_replaced_by_force(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"])
        (tmp_path / "g" / "golden.json").write_text("broken")
        assert record(tmp_path / "g", double, inputs=[data / "x.npz"], force=True).changes

    def test_a_file_in_its_place(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "g").write_text("")
        with pytest.raises(GoldenError, match="is there already and is no folder"):
            record(tmp_path / "g", double, inputs=[data / "x.npz"], force=True)

    def test_a_full_disk_is_the_worlds_fault(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shutil.copyfile", full)
        with pytest.raises(InfraError, match=r"cannot write .*g: No space left on device"):
            record(tmp_path / "g", double, inputs=[data / "x.npz"], keep_inputs=True)
        assert names(tmp_path) == ["data"]


class TestModels:
    def test_their_hashes_are_noted_and_no_other_is_taken(self, data: Path, tmp_path: Path) -> None:
        recorded = record(tmp_path / "g", double, inputs=[data / "x.npz"], models=[model(y(1, 2, 4))])
        assert recorded.golden.provenance.model_sha256 == ("cd" * 32,)
        with pytest.raises(GoldenError, match="speak for"):
            recorded.golden.check_model(model(y(1, 2, 4), sha256="ef" * 32))

    def test_names_are_mapped_where_somebody_said_so(self, data: Path, tmp_path: Path) -> None:
        fitting = model(y(1, 2, 4, name="out"))
        recorded = record(tmp_path / "g", double, inputs=[data / "x.npz"], output_map={"y": "out"}, models=[fitting])
        assert list(recorded.golden.references) == ["out"]

    @pytest.mark.parametrize("dtype", ["int8", "uint8"])
    def test_quantised_outputs_are_compared_with_real_numbers(self, data: Path, tmp_path: Path, dtype: str) -> None:
        output = TensorSpec("y", dtype, (1, 2, 4), Quantization((0.1,), (0,)))
        record(tmp_path / "g", double, inputs=[data / "x.npz"], models=[model(output)])

    @pytest.mark.parametrize(
        ("info", "said", "hint"),
        [
            (model(y(1, 2, 4, name="out")), "has no output 'y'", "--output-map SERVER=DEVICE"),
            (model(y(1, 2, 4), y(1, name="z")), "no reference for output 'z'", "--output"),
            (model(y(1, 4, 2)), r"output 'y' of m.tflite has shape \[4, 2\] a sample", "--transpose 'y=1,0'"),
            (model(y(1, 8)), r"output 'y' of m.tflite has shape \[8\] a sample", "--reshape 'y=8'"),
            (model(y(1, 2, 4, dtype="int32")), "is int32, but its references are float32", "the same output"),
            (
                model(y(1, 2, 4), inputs=(y(1, 2, 5, name="x"),)),
                "input 'x' of m.tflite has shape",
                "this model's inputs",
            ),
            (model(y(1, 2, 4), inputs=(y(1, 2, 4, name="z"),)), "has no input 'x'", "'z'"),
        ],
    )
    def test_what_does_not_fit_the_model_is_refused(
        self, data: Path, tmp_path: Path, info: ModelInfo, said: str, hint: str
    ) -> None:
        with pytest.raises(GoldenError, match=said) as caught:
            record(tmp_path / "g", double, inputs=[data / "x.npz"], models=[info])
        assert hint in caught.value.hint
        assert names(tmp_path) == ["data"]

    def test_some_outputs_are_enough_where_they_are_named(self, data: Path, tmp_path: Path) -> None:
        info = model(y(1, 2, 4), y(1, name="z"))
        record(tmp_path / "g", double, inputs=[data / "x.npz"], models=[info], wishes=Wishes(outputs=["y"]))


class TestAgain:
    def test_references_of_a_golden_that_is_there(self, data: Path, tmp_path: Path) -> None:
        record(tmp_path / "g", double, inputs=[data / "x.npz"], note="first", constant_outputs=["y"])
        with pytest.raises(GoldenError, match="has references already"):
            record(tmp_path / "g", double, inputs_from=[data])
        triple = record(tmp_path / "g", lambda inputs: {"y": inputs["x"] * 3}, inputs_from=[data], force=True)
        assert str(triple.changes).startswith("wrote references.npz and golden.json (y: 3 of 3 samples differ")
        assert (triple.golden.provenance.note, document(tmp_path / "g")["constant_outputs"]) == ("first", ["y"])

    def test_a_callable_that_records_again_takes_the_old_origin_away(self, data: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "y.npz", y=X * 2)
        record(tmp_path / "g", str(tmp_path / "y.npz"), inputs=[data / "x.npz"])
        record_references(tmp_path / "g", double, inputs=[data])
        assert "source" not in document(tmp_path / "g")["provenance"]

    def test_what_is_for_new_goldens_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(GoldenError, match="nothing but references is recorded"):
            record(tmp_path / "g", double, output_map={"y": "out"})

    def test_a_server_may_be_named(self, data: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "y.npz", y=X * 2)
        recorded = record(tmp_path / "g", str(tmp_path / "y.npz"), inputs=[data / "x.npz"])
        assert (recorded.golden.provenance.framework, recorded.golden.provenance.source["file"]) == ("file", "y.npz")
        with pytest.raises(UsageError, match="is nothing that references"):
            record(tmp_path / "g", "nobody", inputs=[data / "x.npz"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"z.npz": "ab" * 32}, "'z.npz' is no file of an input"),
        ({"x.npz": "ab"}, "64 hexadecimal digits"),
        ([], "an object"),
    ],
)
def test_hashes_of_files_are_checked(data: Path, tmp_path: Path, files: Any, said: str) -> None:
    record(tmp_path / "g", double, inputs=[data / "x.npz"])
    content = document(tmp_path / "g") | {"files": files}
    (tmp_path / "g" / "golden.json").write_text(json.dumps(content))
    with pytest.raises(GoldenError, match=said):
        load_golden(tmp_path / "g", inputs=[data])
