"""The files in ``fixtures/`` are what their README says, byte for byte and when they run."""

from __future__ import annotations

import hashlib
import platform
import re
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image

from fixtures.recipes import digits, digits_onnx, face_detector, face_variants, table, tiny
from fixtures.recipes.tflite_writer import Model, options

Array = npt.NDArray[Any]

FIXTURES = table.FIXTURES
README = table.README.read_text(encoding="utf-8")
LIMIT_BYTES = 3_000_000
FACE_LOGIT_LIMIT = 80.0  # MediaPipe clips there before its sigmoid, so that exp cannot overflow

RUN_IN_A_CHILD = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
print("prepared", flush=True)
for detail, value in zip(interpreter.get_input_details(), sys.argv[2:]):
    interpreter.set_tensor(detail["index"], np.full(detail["shape"], int(value), detail["dtype"]))
interpreter.invoke()
"""


def load(name: str) -> Any:
    interpreter = Interpreter(str(FIXTURES / "tiny" / f"{name}.tflite"))
    interpreter.allocate_tensors()
    return interpreter


def invoke(interpreter: Any, *inputs: Array) -> list[Array]:
    """Feed by tensor order, resizing where a shape differs; read by tensor order."""
    details = interpreter.get_input_details()
    for detail, value in zip(details, inputs, strict=True):
        if tuple(detail["shape"]) != value.shape:
            interpreter.resize_tensor_input(detail["index"], value.shape, strict=True)
    interpreter.allocate_tensors()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def row(*values: float, dtype: str = "float32") -> Array:
    return np.array([values], dtype)


def executed(name: str) -> list[str]:
    """Operators of the prepared graph, with one DELEGATE for each piece that XNNPACK took."""
    return [operator["op_name"] for operator in load(name)._get_ops_details()]


class TestFiles:
    def test_the_readme_table_is_current(self) -> None:
        assert table.table() in README

    @pytest.mark.parametrize("name", table.files())
    def test_each_hash_in_the_readme_is_that_of_the_file(self, name: str) -> None:
        (line,) = (line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
        assert hashlib.sha256((FIXTURES / name).read_bytes()).hexdigest() in line

    def test_a_file_of_unknown_origin_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            table.about("photos/found_somewhere.png")

    def test_everything_together_stays_small(self) -> None:
        files = (path for path in FIXTURES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        assert sum(path.stat().st_size for path in files) < LIMIT_BYTES

    def test_what_others_made_is_in_the_notice(self) -> None:
        notice = (FIXTURES / "NOTICE").read_text(encoding="utf-8")
        foreign = [name for name in table.files() if name.startswith("photos/")] + ["models/face_detector.tflite"]
        assert [name for name in foreign if name not in notice] == []

    def test_there_is_no_tiny_file_without_a_recipe(self) -> None:
        assert {path.stem for path in tiny.TINY.iterdir()} == set(tiny.RECIPES)

    @pytest.mark.parametrize("name", tiny.RECIPES)
    def test_a_tiny_recipe_makes_the_committed_bytes(self, name: str) -> None:
        assert tiny.RECIPES[name]() == (tiny.TINY / f"{name}.tflite").read_bytes()

    @pytest.mark.parametrize("variant", digits.VARIANTS)
    def test_the_digit_recipe_makes_the_committed_bytes(self, variant: str) -> None:
        made = digits.VARIANTS[variant](digits.load_weights())
        assert made == (digits.MODELS / f"digits_{variant}.tflite").read_bytes()

    def test_the_recipe_for_the_face_detector_in_float32_makes_the_committed_bytes(self) -> None:
        made = face_variants.float32_model(face_detector.TARGET.read_bytes())
        assert made == (face_variants.MODELS / "face_detector_float32.tflite").read_bytes()

    @pytest.mark.parametrize("variant", ["float32", "dynamic_int8"])
    def test_conversions_of_the_face_detector_find_the_astronaut_too(self, variant: str) -> None:
        interpreter = Interpreter(str(face_variants.MODELS / f"face_detector_{variant}.tflite"))
        _, logits = invoke(interpreter, face_variants.calibration()[0]["input"])
        assert logits.max() > 0

    def test_the_onnx_recipe_makes_the_committed_bytes(self) -> None:
        assert digits_onnx.model(digits.load_weights()) == digits_onnx.TARGET.read_bytes()

    def test_the_face_detector_is_the_one_its_recipe_fetches(self) -> None:
        content = face_detector.TARGET.read_bytes()
        assert hashlib.sha256(content).hexdigest() == face_detector.SHA256

    def test_constants_are_aligned_in_the_file(self) -> None:
        model = Model()
        marks = [np.frombuffer(bytes([value]) * 24, np.uint8) for value in (0xA1, 0xB2, 0xC3)]
        for value in marks:
            model.main.constant("constant", value)
        content = model.to_bytes()
        assert [content.index(value.tobytes()) % 16 for value in marks] == [0, 0, 0]

    def test_an_option_that_the_schema_lacks_is_an_error(self) -> None:
        with pytest.raises(AttributeError, match=r"SoftmaxOptions has no field 'gamma'; it has .*beta"):
            options("SoftmaxOptions", gamma=1.0)


class TestElementTypes:
    @pytest.mark.parametrize("dtype", tiny.COPIED_DTYPES)
    def test_a_copy_returns_the_bytes_it_was_given(self, dtype: str) -> None:
        size_bytes = 4 * np.dtype(dtype).itemsize
        pattern = b"\x01\x00\x00\x01" if dtype == "bool" else bytes(range(140, 140 + size_bytes))
        value = np.frombuffer(pattern, dtype).reshape(tiny.ROW)
        (output,) = invoke(load(f"copy_{dtype}"), value)
        assert (output.dtype, output.tobytes()) == (np.dtype(dtype), pattern)

    @pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
    def test_a_sum_is_exact(self, dtype: str) -> None:
        (total,) = invoke(load(f"add_{dtype}"), row(1, 2, 3, -4, dtype=dtype), row(5, 5, 5, 5, dtype=dtype))
        assert total.tolist() == [[6, 7, 8, 1]]
        assert total.dtype == np.dtype(dtype)

    @pytest.mark.parametrize("dtype", tiny.QUANTIZED)
    def test_a_quantised_sum_is_exact_in_real_numbers(self, dtype: str) -> None:
        affine = tiny.QUANTIZED[dtype]
        interpreter = load(f"add_{dtype}")
        zero = affine.zero_point
        a, b = (row(*(zero + step for step in steps), dtype=dtype) for steps in ((1, 2, 3, -4), (5, 5, 5, 5)))
        (total,) = invoke(interpreter, a, b)
        assert (total.astype(int) - zero).tolist() == [[6, 7, 8, 1]]
        assert interpreter.get_output_details()[0]["quantization"] == (affine.scale, affine.zero_point)

    def test_the_string_model_announces_strings(self) -> None:
        assert load("string").get_input_details()[0]["dtype"] is np.bytes_


class TestShapes:
    def test_a_dynamic_image_may_have_any_size(self) -> None:
        image = np.arange(30, dtype=np.float32).reshape(1, 2, 5, 3)
        (doubled,) = invoke(load("dynamic"), image)
        assert np.array_equal(doubled, image + image)

    def test_a_dynamic_image_announces_what_varies(self) -> None:
        assert load("dynamic").get_input_details()[0]["shape_signature"].tolist() == [1, -1, -1, 3]

    def test_a_dynamic_batch_takes_several_samples(self) -> None:
        batch = np.arange(12, dtype=np.float32).reshape(3, 4)
        assert np.array_equal(invoke(load("dynamic_batch"), batch)[0], batch + batch)

    @pytest.mark.parametrize("mask", [(0, 1, 0, 1), (1, 1, 1, 1)])
    def test_an_output_shape_follows_the_values(self, mask: tuple[int, ...]) -> None:
        (indices,) = invoke(load("dynamic_output"), np.array(mask, bool))
        assert np.array_equal(indices, np.argwhere(mask))

    def test_the_runtime_does_not_hand_out_an_empty_output(self) -> None:
        interpreter = load("dynamic_output")
        with pytest.raises(ValueError, match="Invalid tensor size"):
            invoke(interpreter, np.zeros(4, bool))
        assert interpreter.get_output_details()[0]["shape"].tolist() == [0, 1]

    def test_an_output_grows_to_the_size_asked_for(self) -> None:
        (ones,) = invoke(load("grow"), np.array([100_000], np.int32))
        assert np.array_equal(ones, np.ones(100_000, np.float32))

    def test_a_tensor_may_lack_the_batch_dimension(self) -> None:
        assert invoke(load("no_batch"), np.array([1, 2, 3, 4], np.float32))[0].tolist() == [-1, -2, -3, -4]

    def test_a_tensor_may_be_a_scalar(self) -> None:
        (output,) = invoke(load("scalar"), np.array(3, np.float32))
        assert (output.shape, float(output)) == ((), -3.0)


class TestNames:
    def test_two_outputs_of_one_shape_come_in_another_order_than_their_names(self) -> None:
        interpreter = load("two_outputs")
        by_position = invoke(interpreter, row(1, 2, 3, 4))
        by_name = interpreter.get_signature_runner()(x=row(1, 2, 3, 4))
        assert np.array_equal(by_name["doubled"], by_position[1])
        assert np.array_equal(by_name["negated"], by_position[0])
        assert list(interpreter.get_signature_list()["serving_default"]["outputs"]) == ["doubled", "negated"]

    def test_two_inputs_of_one_shape_come_in_another_order_than_their_names(self) -> None:
        by_position = invoke(load("two_inputs"), row(1, 2, 3, 4), row(5, 5, 5, 5))[0]
        runner = load("two_inputs").get_signature_runner()
        by_name = runner(minuend=row(5, 5, 5, 5), subtrahend=row(1, 2, 3, 4))["difference"]
        assert by_name.tolist() == by_position.tolist() == [[4, 3, 2, 1]]

    def test_two_signatures_name_two_graphs(self) -> None:
        interpreter = load("two_signatures")
        assert sorted(interpreter.get_signature_list()) == ["double", "negate"]
        assert interpreter.get_signature_runner("negate")(y=row(1, 2, 3, 4))["negated"].tolist() == [[-1, -2, -3, -4]]

    def test_a_model_may_have_tensor_names_only(self) -> None:
        interpreter = load("no_signature")
        assert interpreter.get_signature_list() == {}
        assert interpreter.get_input_details()[0]["name"] == "x_tensor"

    def test_a_model_may_have_no_names_at_all(self) -> None:
        interpreter = load("unnamed")
        assert interpreter.get_signature_list() == {}
        assert [detail["name"] for detail in interpreter.get_input_details()] == [""]


class TestPlacement:
    @pytest.mark.parametrize(
        ("name", "operators"),
        [
            ("add_float32", ["ADD", "DELEGATE"]),
            ("partial", ["NEG", "CUMSUM", "NEG", "DELEGATE", "DELEGATE"]),
            ("undelegated", ["CUMSUM"]),
        ],
    )
    def test_xnnpack_takes_what_the_name_says(self, name: str, operators: list[str]) -> None:
        assert executed(name) == operators

    @pytest.mark.parametrize("name", ["partial", "undelegated"])
    def test_it_is_a_cumulative_sum_wherever_it_runs(self, name: str) -> None:
        assert invoke(load(name), row(1, 2, 3, 4))[0].tolist() == [[1, 3, 6, 10]]


class TestTrouble:
    def test_a_custom_operator_is_refused_by_name(self) -> None:
        with pytest.raises(RuntimeError, match="unresolved custom op: EdgeDeviceUnknown"):
            load("custom_op")

    def test_a_model_may_load_and_then_fail_to_run(self) -> None:
        interpreter = load("invoke_fails")
        with pytest.raises(RuntimeError, match="failed to invoke"):
            interpreter.invoke()

    def test_a_square_root_is_nan_where_its_input_is_negative(self) -> None:
        (root,) = invoke(load("nan"), row(4, -4, 0, -0.5))
        assert np.isnan(root).tolist() == [[False, True, False, True]]

    def test_counting_takes_as_many_rounds_as_asked_for(self) -> None:
        assert invoke(load("slow"), np.array([1000], np.int32))[0].tolist() == [1000]

    def test_a_graph_that_contains_itself_kills_the_process_while_it_loads(self) -> None:
        child = run_in_a_child("crash_on_load", "1")
        assert (child.returncode, child.stdout) == (-signal.SIGSEGV, "")

    @pytest.mark.parametrize(
        ("a", "b", "exit_code"),
        # other processors define this division
        [("7", "2", 0), ("-2147483648", "-1", -signal.SIGFPE if platform.machine() == "x86_64" else 0)],
    )
    def test_one_division_kills_the_process_while_it_runs(self, a: str, b: str, exit_code: int) -> None:
        child = run_in_a_child("crash", a, b)
        assert (child.returncode, child.stdout) == (exit_code, "prepared\n")


class TestState:
    @pytest.mark.parametrize("name", ["stateful", "stateful_resource"])
    def test_it_adds_to_the_run_before(self, name: str) -> None:
        interpreter = load(name)
        assert [self.step(interpreter) for _ in range(3)] == [1, 2, 3]

    @pytest.mark.parametrize("resolver", OpResolverType.__members__)
    @pytest.mark.parametrize(("name", "after_reset"), [("stateful", 1), ("stateful_resource", 3)])
    def test_resetting_variables_empties_tensors_but_not_resources(
        self, name: str, after_reset: int, resolver: str
    ) -> None:
        interpreter = Interpreter(
            str(tiny.TINY / f"{name}.tflite"), experimental_op_resolver_type=OpResolverType[resolver]
        )
        interpreter.allocate_tensors()
        self.step(interpreter)
        self.step(interpreter)
        interpreter.reset_all_variables()
        assert self.step(interpreter) == after_reset

    @pytest.mark.parametrize("name", ["stateful", "stateful_resource"])
    def test_a_new_interpreter_starts_empty(self, name: str) -> None:
        self.step(load(name))
        assert self.step(load(name)) == 1

    def step(self, interpreter: Any) -> float:
        return float(invoke(interpreter, np.ones((1, 1), np.float32))[0][0, 0])


class TestDigits:
    @pytest.mark.parametrize("variant", digits.VARIANTS)
    def test_the_classifier_is_as_accurate_as_the_readme_says(self, variant: str) -> None:
        stated = re.search(rf"digits_{variant}\.tflite.*accuracy ([\d.]+) % of 360", README)
        assert stated is not None
        images, labels = digits.data(held_out=True)
        assert len(images) == 360
        assert np.mean(classify(variant, images).argmax(1) == labels) >= float(stated[1]) / 100

    def test_float32_agrees_with_the_server(self) -> None:
        images = digits.test_images()
        server = digits.reference({"image": images})["probabilities"]
        assert np.abs(classify("float32", images) - server).max() < 1e-5

    def test_int8_is_close_to_the_server_but_not_equal(self) -> None:
        images = digits.test_images()
        server = digits.reference({"image": images})["probabilities"]
        assert 1e-3 < np.abs(classify("int8", images) - server).max() < 0.1

    def test_the_stored_weights_are_scored_as_the_server_scores_them(self) -> None:
        images, labels = digits.data(held_out=True)
        assert digits.server().score(images.reshape(len(images), -1), labels) >= 0.96

    def test_the_test_images_show_each_digit_four_times(self) -> None:
        assert digits.test_images().shape == (40, 8, 8)
        assert np.bincount(digits.test_labels()).tolist() == [4] * 10


class TestFaces:
    def test_the_detector_finds_the_astronaut(self) -> None:
        assert face_score("astronaut") >= 0.9

    @pytest.mark.parametrize("name", ["cat", "coffee", "rocket"])
    def test_the_detector_finds_no_face_where_there_is_none(self, name: str) -> None:
        assert face_score(name) < 0.5

    @pytest.mark.parametrize("path", sorted((FIXTURES / "photos").iterdir()), ids=lambda path: path.name)
    def test_no_photo_has_the_models_input_size(self, path: Any) -> None:
        with Image.open(path) as image:
            assert (image.mode, max(image.size)) == ("RGB", 256)


def run_in_a_child(name: str, *values: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN_IN_A_CHILD, str(tiny.TINY / f"{name}.tflite"), *values]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def classify(variant: str, images: Array) -> Array:
    """Probabilities (n, 10) as float, whatever the variant computes in."""
    interpreter = Interpreter(str(digits.MODELS / f"digits_{variant}.tflite"))
    runner = interpreter.get_signature_runner("serving_default")
    if variant != "int8":
        return np.concatenate([runner(image=image[None])["probabilities"] for image in images])
    steps = np.rint(images / digits.IMAGE.scale) + digits.IMAGE.zero_point
    outputs = [runner(image=image[None])["probabilities"] for image in steps.astype(np.int8)]
    probability = digits.PROBABILITY
    return probability.scale * (np.concatenate(outputs).astype(np.float32) - probability.zero_point)


def face_score(name: str) -> float:
    """The best anchor's score for a photo, in 0..1."""
    with Image.open(FIXTURES / "photos" / f"{name}.png") as photo:
        resized = photo.resize((128, 128), Image.Resampling.BILINEAR)
    interpreter = Interpreter(str(face_detector.TARGET))
    _, logits = invoke(interpreter, np.asarray(resized, np.float32)[None] / 127.5 - 1)
    assert logits.shape == (1, 896, 1)
    return float(1 / (1 + np.exp(-np.clip(logits.max(), -FACE_LOGIT_LIMIT, FACE_LOGIT_LIMIT))))
