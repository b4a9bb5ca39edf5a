"""What can compute references: functions, stored answers and ONNX twins, and what is said of those that cannot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from fixtures.recipes import digits, digits_onnx
from pytest_edgedevice.errors import GoldenError, MissingExtraError, ModelError, UsageError
from pytest_edgedevice.goldens import Wishes
from pytest_edgedevice.goldens.servers.asking import Asking
from pytest_edgedevice.goldens.servers.call import CallableServer, find_callable
from pytest_edgedevice.goldens.servers.onnx import OnnxTwin
from pytest_edgedevice.goldens.servers.opening import open_server
from pytest_edgedevice.goldens.servers.stored import StoredAnswers

if TYPE_CHECKING:
    from pathlib import Path

SERVING = """
from beside import FACTOR

class Model:
    def predict(self, inputs):
        return {"y": inputs["x"] * FACTOR}

model = Model()
number = 5

def broken(inputs):
    return inputs["absent"]
"""
X = np.ones((2, 3), np.float32)


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "beside.py").write_text("FACTOR = 3\n")
    (tmp_path / "serving.py").write_text(SERVING)
    (tmp_path / "cannot.py").write_text("import nothing_of_that_name\n")
    monkeypatch.chdir(tmp_path)
    modules = ("beside", "serving", "cannot", "_edgedevice_serving", "_edgedevice_cannot")
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "serving.py"


class TestFunctions:
    @pytest.mark.parametrize("place", ["serving.py", "serving"])
    def test_a_function_is_found_with_what_lies_beside_it(self, serving: Path, place: str) -> None:
        before = list(sys.path)
        server = find_callable(f"{place}:model.predict")
        assert server.answer({"x": X}, ())["y"].tolist() == [[3, 3, 3]] * 2
        assert server.origin().source["call"] == f"{place}:model.predict"
        assert len(server.origin().source["sha256"]) == 64
        assert sys.path == before

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("serving.py:absent", "'serving.py' has no 'absent'"),
            ("serving.py:model.absent", "has no 'model.absent'"),
            ("serving.py:number", "has a value that cannot be called as 'number'"),
            ("serving.py:", "names no function"),
            ("gone.py:f", "'gone.py' does not exist"),
            ("cannot.py:f", "'cannot.py' cannot be imported: ModuleNotFoundError: .*nothing_of_that_name"),
            ("nothing_there:f", "'nothing_there' cannot be imported: ModuleNotFoundError"),
        ],
    )
    def test_what_is_no_function_is_told(self, serving: Path, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            find_callable(text)

    def test_its_own_error_is_told_with_its_place(self, serving: Path) -> None:
        with pytest.raises(GoldenError, match=r"serving\.py:broken raised KeyError: 'absent' \(serving\.py, line 12\)"):
            find_callable("serving.py:broken").answer({"x": X}, ())

    def test_our_own_errors_pass_through(self) -> None:
        def refuse(_: Any) -> dict[str, Any]:
            raise ModelError("no")

        with pytest.raises(ModelError, match=r"^no$"):
            CallableServer(refuse).answer({}, ())

    def test_a_librarys_function_tells_its_version(self) -> None:
        call: Any = np.sum
        assert CallableServer(call).origin().version == np.__version__


class TestStoredAnswers:
    def test_an_archive_has_an_output_a_member(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "y.npz", a=X, b=X * 2)
        server = StoredAnswers(tmp_path / "y.npz")
        assert {name: one.shape for name, one in server.answer({}, ()).items()} == {"a": (2, 3), "b": (2, 3)}
        assert server.origin().source["file"] == "y.npz"

    def test_a_single_array_needs_a_name(self, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", X)
        with pytest.raises(GoldenError, match="has no name for its array"):
            StoredAnswers(tmp_path / "y.npy")
        assert list(StoredAnswers(tmp_path / "y.npy", output="y").answer({}, ())) == ["y"]

    def test_pickles_are_never_loaded(self, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.array([{}]), allow_pickle=True)
        with pytest.raises(GoldenError, match="holds object"):
            StoredAnswers(tmp_path / "y.npy", output="y")


class TestOnnx:
    def test_the_twin_answers_as_the_server_does(self) -> None:
        images = digits.test_images()
        twin = OnnxTwin(digits_onnx.TARGET)
        found = Asking(twin, Wishes(batch=7))({"image": images})["probabilities"]
        assert np.abs(found - digits.reference({"image": images})["probabilities"]).max() < 1e-6
        origin = twin.origin()
        assert (origin.framework, origin.source["file"]) == ("onnxruntime", "digits_twin.onnx")
        assert origin.source["providers"] == "CPUExecutionProvider"
        assert len(origin.model_sha256) == 64

    def test_a_twin_with_its_channels_first_is_met_half_way(self, tmp_path: Path) -> None:
        node = helper.make_node("Relu", ["input:0"], ["output:0"])
        tensors = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 4, 5]) for name in ("input:0", "output:0")
        ]
        graph = helper.make_graph([node], "g", tensors[:1], tensors[1:])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        (tmp_path / "twin.onnx").write_bytes(made.SerializeToString())
        images = np.random.default_rng(0).random((2, 4, 5, 3), np.float32)
        twin = OnnxTwin(tmp_path / "twin.onnx")
        with pytest.raises(GoldenError) as caught:
            Asking(twin, Wishes(input_map={"x": "input:0"}))({"x": images})
        assert "--transpose 'x=2,0,1'" in caught.value.hint
        wishes = Wishes(input_map={"x": "input:0"}, transpose={"x": (2, 0, 1), "output:0": (1, 2, 0)})
        assert np.array_equal(Asking(twin, wishes)({"x": images})["output:0"], images)

    def test_a_broken_file_is_the_models_error(self, tmp_path: Path) -> None:
        (tmp_path / "twin.onnx").write_bytes(b"no model" * 1000)
        with pytest.raises(ModelError, match=r"twin\.onnx is not taken by ONNX Runtime") as caught:
            OnnxTwin(tmp_path / "twin.onnx")
        assert "\n" not in caught.value.message

    def test_an_output_that_it_does_not_have(self) -> None:
        with pytest.raises(ModelError, match=r"failed under ONNX Runtime .*nothing"):
            OnnxTwin(digits_onnx.TARGET).answer({"image": digits.test_images()}, ["nothing"])

    def test_without_the_runtime_the_command_that_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(MissingExtraError) as caught:
            OnnxTwin(digits_onnx.TARGET)
        assert caught.value.hint == "pip install 'pytest-edgedevice[onnx]'"


class TestOpening:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("gone.onnx", "'gone.onnx' does not exist"),
            ("gone.npz", "'gone.npz' does not exist"),
            ("nothing", "'nothing' is nothing that references can be recorded from"),
            ("http://host/no/model", "is no address of a model"),
        ],
    )
    def test_what_is_nothing_is_told(self, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            open_server(text)

    def test_a_header_is_for_addresses_only(self) -> None:
        with pytest.raises(UsageError, match="a header is for servers"):
            open_server("server.py:f", header_env="X")

    def test_the_kind_is_told_by_the_ending(self, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", X)
        with open_server(str(tmp_path / "y.npy"), output="y") as stored, open_server(str(digits_onnx.TARGET)) as twin:
            assert (type(stored), type(twin)) == (StoredAnswers, OnnxTwin)
