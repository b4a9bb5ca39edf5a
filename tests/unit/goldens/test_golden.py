"""Loading a golden, selecting from it, and matching it with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import Golden, load_golden
from pytest_edgedevice.values import ModelInfo, Quantization, TensorSpec

if TYPE_CHECKING:
    from tests.unit.goldens.conftest import Folder

SHA, OTHER = "ab" * 32, "cd" * 32


def info(*inputs: TensorSpec, sha256: str = SHA) -> ModelInfo:
    return ModelInfo("m.tflite", sha256, 1, "int8", inputs, (), "litert", "2.1", 1)


def image(dtype: str, scale: float | None = None, name: str = "image") -> TensorSpec:
    return TensorSpec(name, dtype, (1, 2, 2), None if scale is None else Quantization((scale,), (0,)))


def test_inputs_and_references_come_with_samples_along_the_first_axis(folder: Folder) -> None:
    golden = load_golden(folder.write())
    assert np.array_equal(golden.inputs["image"], folder.images)
    assert np.array_equal(golden.references["scores"], folder.images.sum(2))


def test_metadata_is_what_the_document_says(folder: Folder) -> None:
    golden = load_golden(str(folder.write(tags=["all"], provenance={"model_sha256": SHA.upper(), "note": "n"})))
    assert (golden.name, golden.ids, len(golden)) == ("little", ("a", "b", "c"), 3)
    assert golden.tags == (("all", "dark"), ("all", "dark", "odd"), ("all",))
    assert golden.provenance.model_sha256 == (SHA,)
    assert repr(golden) == f"<Golden 'little': 3 samples in {folder.path}>"


def test_samples_of_one_array_are_numbered_where_the_document_names_none(folder: Folder) -> None:
    assert load_golden(folder.write(samples=None)).ids == ("0", "1", "2")


def test_no_values_are_read_before_they_are_wanted(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("read too early")

    monkeypatch.setattr("pytest_edgedevice.goldens.files.Stored.read", refuse)
    assert load_golden(folder.write()).select("odd").ids == ("b",)


def test_arrays_are_read_once_and_cannot_be_changed(folder: Folder) -> None:
    golden = load_golden(folder.write())
    assert golden.inputs["image"] is golden.inputs["image"]
    for samples in (
        golden.inputs["image"],
        golden.references["scores"],
        golden.select("dark").inputs["image"],
    ):
        assert not samples.flags.writeable  # type: ignore[union-attr]


def test_the_mappings_themselves_cannot_be_changed(folder: Folder) -> None:
    with pytest.raises(TypeError):
        load_golden(folder.write()).inputs["image"] = np.zeros(1)  # type: ignore[index]


def test_references_are_known_by_the_devices_names(folder: Folder) -> None:
    assert list(load_golden(folder.write(outputs={"scores": "Identity_1"})).references) == ["Identity_1"]


def test_two_outputs_never_share_a_device_name(folder: Folder) -> None:
    folder.document["outputs"] = {"scores": "boxes"}
    path = folder.refer(scores=folder.images, boxes=folder.images)
    with pytest.raises(GoldenError, match=r"outputs: .* both become 'boxes'"):
        load_golden(path)


def test_selecting_a_tag_slices_inputs_and_references_alike(folder: Folder) -> None:
    part = load_golden(folder.write()).select("dark").select("odd")
    assert part.ids == ("b",)
    assert np.array_equal(part.inputs["image"], folder.images[1:2])
    assert np.array_equal(part.references["scores"], folder.images.sum(2)[1:2])


def test_an_unknown_tag_names_those_there_are(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"samples: none has the tag 'drak'\n  hint: did you mean 'dark'\?"):
        load_golden(folder.write()).select("drak")


def test_a_golden_without_references_says_how_to_record_them(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"(?s)there are none.*reference=.*--edge-update-goldens"):
        load_golden(folder.write(references=None))


def test_the_hint_for_missing_references_knows_whether_a_callable_is_there(folder: Folder) -> None:
    with pytest.raises(GoldenError) as caught:
        load_golden(folder.write(references=None), reference=lambda inputs: inputs)
    assert caught.value.hint == "run once with --edge-update-goldens"


def test_references_of_varying_shape_come_as_a_list(folder: Folder) -> None:
    parts = {f"boxes/{index}": np.full((index + 1, 4), float(index)) for index in range(3)}
    golden = load_golden(folder.refer(**parts))
    assert [one.shape for one in golden.references["boxes"]] == [(1, 4), (2, 4), (3, 4)]
    assert [one.shape for one in golden.select("odd").references["boxes"]] == [(2, 4)]


def test_a_group_of_names_is_taken_as_it_stands_where_outputs_lists_them(folder: Folder) -> None:
    folder.document["outputs"] = {f"conv/{index}": f"conv/{index}" for index in range(3)}
    golden = load_golden(folder.refer(**{f"conv/{index}": folder.images + index for index in range(3)}))
    assert list(golden.references) == ["conv/0", "conv/1", "conv/2"]


def test_names_that_look_like_an_incomplete_group_stand_for_themselves(folder: Folder) -> None:
    golden = load_golden(folder.refer(**{"head/1": folder.images, "head/2": folder.images, "x/a": folder.images}))
    assert sorted(golden.references) == ["head/1", "head/2", "x/a"]


@pytest.mark.parametrize("shape", [(2, 4), (), (4, 3)])
def test_references_for_another_number_of_samples_are_refused(folder: Folder, shape: tuple[int, ...]) -> None:
    with pytest.raises(GoldenError, match=r"reference 'scores' has shape .*, but the golden has 3 samples"):
        load_golden(folder.refer(scores=np.zeros(shape)))


def test_an_empty_references_file_is_refused(folder: Folder) -> None:
    with pytest.raises(GoldenError, match="holds no array"):
        load_golden(folder.refer())


def test_an_input_array_for_another_number_of_samples_is_refused(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"inputs\.image\.array: images\.npz#image has shape .*has 2 samples"):
        load_golden(folder.write(samples=[{"id": "a"}, {"id": "b"}]))


@pytest.mark.parametrize("shape", [(), (0, 2)])
def test_an_input_array_without_samples_is_refused(folder: Folder, shape: tuple[int, ...]) -> None:
    np.savez(folder.path / "images.npz", image=np.zeros(shape))
    with pytest.raises(GoldenError, match="samples run along the first axis"):
        load_golden(folder.write(samples=None))


def two_files(folder: Folder, first: Any, second: Any, **keys: Any) -> Golden:
    for name, value in (("a", first), ("b", second)):
        np.save(folder.path / f"{name}.npy", value)
    folder.document |= {"inputs": {"x": keys}, "samples": [{"id": one, "file": f"{one}.npy"} for one in "ab"]}
    np.savez(folder.path / "references.npz", scores=np.arange(2.0))
    return load_golden(folder.write())


def test_samples_of_one_file_each_are_stacked(folder: Folder) -> None:
    assert two_files(folder, np.zeros((2, 3)), np.ones((2, 3))).inputs["x"].shape == (2, 2, 3)  # type: ignore[union-attr]


def test_samples_of_varying_shape_come_as_a_read_only_list(folder: Folder) -> None:
    samples = two_files(folder, np.zeros(2), np.ones(3)).inputs["x"]
    assert isinstance(samples, list)
    assert not any(one.flags.writeable for one in samples)


def test_samples_may_be_members_of_one_archive(folder: Folder) -> None:
    np.savez(folder.path / "batch.npz", s0=[0], s1=[1, 1], s2=[2, 2, 2])
    samples = [{"id": f"{index}", "file": f"batch.npz#s{index}"} for index in range(3)]
    golden = load_golden(folder.write(inputs={"x": {}}, samples=samples))
    assert [one.tolist() for one in golden.inputs["x"]] == [[0], [1, 1], [2, 2, 2]]


def test_each_sample_of_an_archive_has_its_own_place_in_errors(folder: Folder) -> None:
    samples = [{"id": "a", "file": "images.npz#image"}, {"id": "b", "file": "images.npz#imgae"}]
    with pytest.raises(GoldenError, match=r"samples\[1\]\.file: images\.npz has no array 'imgae'"):
        load_golden(folder.write(inputs={"x": {}}, samples=samples))


def test_samples_of_different_dtypes_are_refused(folder: Folder) -> None:
    golden = two_files(folder, np.zeros(2, np.float32), np.ones(2))
    with pytest.raises(GoldenError, match=r"inputs\.x: its samples have different dtypes: float32, float64"):
        _ = golden.inputs


def test_samples_that_take_too_much_memory_are_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = two_files(folder, np.zeros(2), np.ones(2))
    monkeypatch.setattr("pytest_edgedevice.goldens.samples.MAX_BYTES", 20)
    with pytest.raises(GoldenError, match="take more than 20 bytes"):
        _ = golden.inputs


def test_arrays_never_skip_pre_processing_in_silence(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"samples\[0\]\.file: 'a\.npy' is an array, but input inputs\.x has pre-p"):
        two_files(folder, np.zeros(2), np.ones(2), scale=2)


def test_a_file_of_unknown_kind_names_the_known_ones(folder: Folder) -> None:
    (folder.path / "a.txt").write_text("")
    with pytest.raises(GoldenError, match=r"samples\[0\]\.file: 'a\.txt' is neither an image nor an array"):
        load_golden(folder.write(inputs={"x": {}}, samples=[{"id": "a", "file": "a.txt"}]))


def test_images_and_arrays_of_several_inputs_make_one_sample(folder: Folder) -> None:
    for index in range(3):
        Image.new("RGB", (4, 2), (index, 0, 0)).save(folder.path / f"{index}.png")
    inputs = {
        "photo": {"resize": {"width": 3, "height": 5, "filter": "nearest"}},
        **folder.document["inputs"],
    }
    samples = [{"id": f"{index}", "files": {"photo": f"{index}.png"}} for index in range(3)]
    golden = load_golden(folder.write(inputs=inputs, samples=samples))
    shapes = {name: np.shape(samples) for name, samples in golden.inputs.items()}
    assert shapes == {"photo": (3, 5, 3, 3), "image": (3, 2, 2)}


def test_a_missing_image_is_found_before_any_is_decoded(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"samples\[0\]\.file: 'none\.png' is not a file"):
        load_golden(folder.write(inputs={"x": {}}, samples=[{"id": "a", "file": "none.png"}]))


def test_a_model_among_the_known_hashes_passes(folder: Folder) -> None:
    load_golden(folder.write(provenance={"model_sha256": [OTHER, SHA]})).check_model(info(sha256=SHA.upper()))


def test_a_golden_that_names_no_model_speaks_for_any(folder: Folder) -> None:
    load_golden(folder.write()).check_model(info())


def test_a_stale_model_is_refused_with_both_hashes_and_what_to_do(folder: Folder) -> None:
    golden = load_golden(folder.write(provenance={"model_sha256": OTHER, "date": "2025-01-31"}))
    with pytest.raises(
        GoldenError, match=r"speak for cdcdcdcdcdcd \(recorded 2025-01-31\), but m\.tflite is abababababab"
    ):
        golden.check_model(info())


def test_the_hint_for_a_stale_model_works(folder: Folder) -> None:
    golden = load_golden(folder.write(provenance={"model_sha256": OTHER}))
    with pytest.raises(GoldenError) as caught:
        golden.check_model(info(sha256=SHA.upper()))
    assert caught.value.hint.endswith(f"into provenance.model_sha256 of golden.json: {SHA}")
    load_golden(folder.write(provenance={"model_sha256": [OTHER, SHA]})).check_model(info())


def test_float_inputs_are_quantised_by_the_models_own_parameters(folder: Folder) -> None:
    fitted = load_golden(folder.write()).inputs_for(info(image("int8", 0.01)))["image"]
    assert np.array_equal(fitted, np.rint(folder.images.astype(np.float64) / 0.01).astype(np.int8))


def test_float_inputs_of_varying_shape_are_quantised_one_by_one(folder: Folder) -> None:
    fitted = two_files(folder, np.zeros(2), np.ones(3)).inputs_for(info(image("int8", 0.5, "x")))["x"]
    assert [one.tolist() for one in fitted] == [[0, 0], [2, 2, 2]]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_inputs_for_a_float_model_are_handed_over_unchanged(folder: Folder, dtype: str) -> None:
    golden = load_golden(folder.write())
    assert golden.inputs_for(info(image(dtype)))["image"] is golden.inputs["image"]


def test_an_integer_input_without_quantisation_is_an_error(folder: Folder) -> None:
    with pytest.raises(GoldenError, match="'image' is float32, but the model takes int32 and has no quantisation"):
        load_golden(folder.write()).inputs_for(info(image("int32")))


def test_unusable_quantisation_of_the_model_is_named_with_the_document(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"golden\.json: inputs: tensor 'image' cannot be quantised"):
        load_golden(folder.write()).inputs_for(info(image("int64", 0.5)))


def test_an_input_that_the_model_lacks_names_the_nearest(folder: Folder) -> None:
    with pytest.raises(GoldenError, match=r"has no input 'image'\n  hint: did you mean 'images'\?"):
        load_golden(folder.write()).inputs_for(info(image("float32", name="images")))


def test_an_input_that_the_golden_lacks_is_named(folder: Folder) -> None:
    with pytest.raises(GoldenError, match="there is nothing for input 'mask'"):
        load_golden(folder.write()).inputs_for(info(image("float32"), image("float32", name="mask")))


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        (image("int8", 0.5), True),
        (image("int8", 0.25), False),
        (image("uint8", 0.5), False),
        (image("float32"), False),
    ],
)
def test_a_goldens_own_quantisation_must_be_the_models(folder: Folder, spec: TensorSpec, same: bool) -> None:
    for index in range(3):
        Image.new("RGB", (1, 1), (index * 9, 0, 0)).save(folder.path / f"{index}.png")
    steps = {"quantize": {"scale": 0.5, "zero_point": 0, "dtype": "int8"}}
    samples = [{"id": f"{index}", "file": f"{index}.png"} for index in range(3)]
    golden = load_golden(folder.write(inputs={"image": steps}, samples=samples))
    if same:
        assert golden.inputs_for(info(spec))["image"] is golden.inputs["image"]
    else:
        with pytest.raises(GoldenError, match=r"'image' is quantised to int8 with scale 0.5, zero point 0, but"):
            golden.inputs_for(info(spec))
