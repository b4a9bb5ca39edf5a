"""Who is to blame when outputs are not close: faults planted in devices, delegates, models and goldens, and found."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# pytester forgets what is first imported inside a run, and flatbuffers cannot be loaded twice
import fixtures.recipes.tiny  # noqa: F401
import pytest_edgedevice.blame  # noqa: F401
import tests.peers.board_in_process  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
WRONG_DEVICE = ROOT / "tests" / "peers" / "wrong_device.py"
CONFTEST = """
import os
from pytest_edgedevice.transports.local import LocalTransport, local_facts

class Board(LocalTransport):
    def agent_command(self, agent):
        python, *rest = super().agent_command(agent)
        return [python, WRONG_DEVICE, os.environ.get("FAULT", "none"), os.environ.get("WRONG", "all"), *rest]
    def identity(self):
        return "board-7"
    def facts(self):
        return {**local_facts(), "local": False}

def pytest_edgedevice_devices(config):
    from tests.peers.board_in_process import BoardInProcess
    return {"board": Board, "quick": lambda: BoardInProcess("quick")}
"""
FLOATS = """
import numpy as np
import pytest
from fixtures.recipes.tiny import _chain

X = np.random.default_rng(1).standard_normal((6, 4)).astype("float32") * 3
SQUARES = np.random.default_rng(2).standard_normal((6, 4, 4)).astype("float32")

@pytest.mark.parametrize("fault", ["zero", "nan", "one_element", "swapped", "shuffled", "stuck", "half", "unsteady",
                                   "another_processor"])
def test_device(edge_model, edge_check, monkeypatch, fault):
    monkeypatch.setenv("FAULT", fault)
    run = edge_model("two_outputs.tflite").run({"x": X})
    edge_check.close(run, {"doubled": 2 * X, "negated": -X}, atol=1e-4)

def test_device_transposed(edge_model, edge_check, monkeypatch, tmp_path):
    monkeypatch.setenv("FAULT", "transposed")
    (tmp_path / "m.tflite").write_bytes(_chain("NEG", (1, 4, 4)))
    run = edge_model(tmp_path / "m.tflite").run(SQUARES)
    edge_check.close(run, {"y": -SQUARES}, atol=1e-4)

def test_delegate(edge_model, edge_check, monkeypatch):
    monkeypatch.setenv("FAULT", "zero")
    monkeypatch.setenv("WRONG", "xnnpack")
    run = edge_model("two_outputs.tflite").run({"x": X})
    edge_check.close(run, {"doubled": 2 * X, "negated": -X}, atol=1e-4)

def test_steps(edge_model, edge_check, monkeypatch):
    monkeypatch.setenv("FAULT", "two_steps")
    a = np.arange(-20, 20, dtype="int8").reshape(10, 4)
    run = edge_model("add_int8.tflite").run({"a": a, "b": a})
    monkeypatch.delenv("FAULT")
    good = edge_model("add_int8.tflite").run({"a": a, "b": a})
    monkeypatch.setenv("FAULT", "two_steps")
    edge_check.close(run, dict(good.outputs), atol=1)

def test_stale_golden(edge_model, edge_check):
    run = edge_model("two_outputs.tflite").run({"x": X})
    edge_check.close(run, {"doubled": 2 * X + 0.5, "negated": -X}, atol=1e-4)

def test_changed_after_the_run(edge_model, edge_check):
    import dataclasses
    run = edge_model("two_outputs.tflite").run({"x": X})
    run = dataclasses.replace(run, outputs={"doubled": run.outputs["doubled"][:, :3]})
    edge_check.close(run, {"doubled": X[:, :3]}, atol=1e-4)

def test_other_names(edge_model, edge_check):
    run = edge_model("two_outputs.tflite").run({"x": X})
    edge_check.close(run, {"tripled": X}, atol=1e-4)

def test_made_up(edge_model, edge_check):
    import dataclasses
    run = edge_model("two_outputs.tflite").run({"x": X})
    run = dataclasses.replace(run, inference_ns=(1,) * 6)
    edge_check.close(run, {"doubled": X, "negated": X}, atol=1e-4)
"""
SHARED = """
import shutil
from pathlib import Path
import numpy as np
import pytest
from fixtures.recipes.tflite_writer import aligned, schema
from fixtures.recipes.tiny import _chain
from pytest_edgedevice import dequantized

MODELS, GOLDENS = Path(ROOT, "fixtures/models"), Path(ROOT, "examples/goldens")
X = np.random.default_rng(1).standard_normal((6, 4)).astype("float32") * 3

def converted(folder, spoil=lambda model: None):
    # the int8 digits, with a fault of the converter, beside the float ones
    shutil.copy(MODELS / "digits_float32.tflite", folder)
    model = schema.ModelT.InitFromPackedBuf((MODELS / "digits_int8.tflite").read_bytes(), 0)
    spoil(model)
    (folder / "digits_int8.tflite").write_bytes(aligned(model))
    return folder / "digits_int8.tflite"

def wrong_scale(model):
    affine = model.subgraphs[0].tensors[6].quantization
    affine.scale = affine.scale * 3

def stuck_output(model):
    weights = model.buffers[model.subgraphs[0].tensors[8].buffer]
    weights.data = np.zeros_like(weights.data)

@pytest.mark.parametrize("spoil", [wrong_scale, stuck_output])
def test_conversion(edge_model, edge_golden, edge_check, tmp_path, spoil):
    golden, model = edge_golden(GOLDENS / "digits"), edge_model(converted(tmp_path, spoil))
    run = dequantized(model.run(golden.inputs_for(model.info)))
    edge_check.close(run, dict(golden.references), atol=0.05)

def test_golden_that_was_spoilt(edge_model, edge_golden, edge_check, tmp_path):
    model, golden = edge_model(converted(tmp_path)), edge_golden(GOLDENS / "digits")
    references = {name: np.roll(values, 3, axis=-1) for name, values in golden.references.items()}
    run = dequantized(model.run(golden.inputs_for(model.info)))
    edge_check.close(run, references, atol=0.05)

def test_colours_in_the_other_order(edge_model, edge_golden, edge_check):
    golden = edge_golden(GOLDENS / "faces")
    run = edge_model(MODELS / "face_detector.tflite").run({"input": golden.inputs["input"][..., ::-1].copy()})
    edge_check.close(run, golden, atol=1e-2)

def test_values_of_another_range(edge_model, edge_golden, edge_check):
    golden = edge_golden(GOLDENS / "faces")
    from_0_to_1 = golden.inputs["input"] * np.float32(0.5) + np.float32(0.5)
    run = edge_model(MODELS / "face_detector.tflite").run({"input": from_0_to_1})
    edge_check.close(run, dict(golden.references), atol=1e-2)

def test_delegate_library_that_computes_wrongly(edge_model, edge_check):
    options = {"mode": "negate", "offset": "0.5"}
    run = edge_model("no_batch.tflite", delegate="external:" + LIBRARY, delegate_options=options).run(X)
    edge_check.close(run, {"y": -X}, atol=1e-4)

def test_stale_model(edge_model, edge_check, tmp_path, monkeypatch):
    (tmp_path / "model.tflite").write_bytes(_chain("NEG", (1, 4)))
    (tmp_path / "older.tflite").write_bytes(_chain("RESHAPE", (1, 4)))
    monkeypatch.setenv("STALE", str(tmp_path / "older.tflite"))
    run = edge_model(tmp_path / "model.tflite").run(X)
    edge_check.close(run, {"y": -X}, atol=1e-4)

def test_file_that_has_changed_since(edge_model, edge_check, tmp_path):
    path = tmp_path / "model.tflite"
    shutil.copy(Path(ROOT, "fixtures/tiny/no_batch.tflite"), path)
    run = edge_model(path).run(X)
    path.write_bytes(b"something else")
    edge_check.close(run, {"y": X}, atol=1e-4)
"""
SHARED_BLAMED = {
    "test_conversion[wrong_scale]": "conversion",
    "test_conversion[stuck_output]": "conversion",
    "test_golden_that_was_spoilt": "pre-processing",
    "test_colours_in_the_other_order": "pre-processing",
    "test_values_of_another_range": "pre-processing",
    "test_delegate_library_that_computes_wrongly": "delegate",
    "test_stale_model": "device",
    "test_file_that_has_changed_since": "unknown",
}
BLAMED = {
    "test_device[zero]": "device",
    "test_device[nan]": "device",
    "test_device[one_element]": "device",
    "test_device[swapped]": "device",
    "test_device[shuffled]": "device",
    "test_device[stuck]": "device",
    "test_device[half]": "device",
    "test_device[unsteady]": "device",
    "test_device_transposed": "device",
    "test_delegate": "delegate",
    "test_steps": "device",
    "test_stale_golden": "conversion",
    "test_changed_after_the_run": "unknown",
    "test_other_names": None,
    "test_made_up": None,
}


def found_in(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What is to blame for each failed test; None where nobody looked."""
    return {
        record["test"].partition("::")[2]: record["numbers"].get("blame", {}).get("likely")
        for record in records
        if record["verdict"] == "fail"
    }


@pytest.fixture
def board(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is not this machine, with a real agent that may be wrong."""
    monkeypatch.syspath_prepend(str(ROOT))
    pytester.makeconftest(CONFTEST.replace("WRONG_DEVICE", repr(str(WRONG_DEVICE))))


def test_faults_of_a_device_and_a_delegate_are_told_apart_and_differences_of_processors_are_none(
    pytester: pytest.Pytester, board: None, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(FLOATS)
    result = pytester.runpytest("--device", "quick", "--edge-report", "json=out.jsonl")
    assert found_in(records()) == BLAMED
    result.stdout.fnmatch_lines(["*run again with the same settings it gives something else, so the device is not*"])


def test_the_message_stays_short_and_asks_for_nothing_that_was_done(pytester: pytest.Pytester, board: None) -> None:
    pytester.makepyfile(FLOATS)
    result = pytester.runpytest("--device", "quick", "-k", "test_delegate")
    shown = [line for line in result.outlines if line.startswith("E ")]
    assert len(shown) == 4
    assert "so the delegate 'xnnpack' is the likely cause" in shown[-1]
    assert "run it with delegate" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "text"), [(("--edge-blame", "off"), ""), (("-o", "edge_blame_s=0.001"), "unknown: ")]
)
def test_nobody_looks_where_that_is_off_and_not_for_longer_than_allowed(
    pytester: pytest.Pytester,
    board: None,
    records: Callable[[], list[dict[str, Any]]],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    pytester.makepyfile(FLOATS)
    chosen = ("-k", "test_delegate", "--edge-report", "json=out.jsonl")
    pytester.runpytest("--device", "quick", *chosen, *arguments).assert_outcomes(failed=1)
    (record,) = records()
    assert record["numbers"].get("blame", {}).get("text", "").startswith(text)
    assert ("blame" in record["numbers"]) == bool(text)


def test_a_wrong_agent_is_found_out_on_the_wire(
    pytester: pytest.Pytester, board: None, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(FLOATS)
    pytester.runpytest("--device", "board", "--edge-report", "json=out.jsonl", "-k", "half")
    assert found_in(records()) == {"test_device[half]": "device"}


def test_faults_of_conversions_goldens_inputs_and_delegate_libraries_are_told_apart(
    pytester: pytest.Pytester, board: None, records: Callable[[], list[dict[str, Any]]]
) -> None:
    library = pytester.path / "delegate.so"
    source = ROOT / "tests" / "peers" / "delegate.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", str(library), str(source)], check=True)
    pytester.makepyfile(f"ROOT, LIBRARY = {str(ROOT)!r}, {str(library)!r}\n{SHARED}")
    result = pytester.runpytest("--device", "quick", "--edge-report", "json=out.jsonl")
    assert found_in(records()) == SHARED_BLAMED
    result.stdout.fnmatch_lines(["*the float model digits_float32.tflite on this host agrees*"])
    result.stdout.fnmatch_lines(["*red and blue swapped*the pre-processing is the likely cause"])
