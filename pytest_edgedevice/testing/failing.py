"""How a device must fail: by type, with the reason and with what to do next; part of ``DeviceContract``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import AgentDiedError, DelegateError, InputError, ModelError
from pytest_edgedevice.testing.cases import case
from pytest_edgedevice.testing.running import listed, rows
from pytest_edgedevice.testing.surroundings import Agents, DeviceSurroundings

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike

ROW = rows(1)
WRONG_INPUTS: list[tuple[Any, str, str]] = [
    ({"a": ROW}, "input 'b' is missing", ""),
    ({"a": ROW, "bb": ROW}, "no input 'bb'", "did you mean 'b'"),
    ({"a": ROW, "b": ROW[:, :3]}, r"'b' needs shape \(n, 4\)", ""),
    ({"a": ROW, "b": ROW[0]}, "'b' needs shape", "needs the sample axis too"),
    ({"a": ROW, "b": ROW.astype("f8")}, "'b' needs float32, got float64", "cast it"),
    ({"a": ROW, "b": ROW.astype(str)}, "'b' needs float32, got <U", "give numbers"),
    ({"a": ROW, "b": rows(2)}, "different numbers of samples", ""),
    ({"a": ROW[:0], "b": ROW[:0]}, "no samples to run", ""),
    ([], "no samples to run", ""),
    (ROW, "the model has 2 inputs", ""),
]
WRONG_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"threads": 0}, "threads"),
    ({"threads": True}, "threads"),
    ({"fallback": "maybe"}, "fallback"),
    ({"engine": 5}, "engine"),
    ({"timeout_s": float("nan")}, "timeout_s"),
    ({"delegate_options": {"a": "b"}}, "delegate_options"),
]
BROKEN = [
    ("custom_op.tflite", "EdgeDeviceUnknown"),
    ("string.tflite", "string"),
]


class FailingContract(DeviceSurroundings):
    """Errors."""

    def test_what_is_no_model_is_a_models_fault(self, device: DeviceLike, tmp_path: Path) -> None:
        """The error names the file."""
        (tmp_path / "folder.tflite").mkdir()
        (tmp_path / "empty.tflite").write_bytes(b"")
        (tmp_path / "rubbish.tflite").write_bytes(b"rubbish" * 99)
        for name in ("missing", "folder", "empty", "rubbish"):
            with case(name):
                with pytest.raises(ModelError, match=rf"{name}\.tflite") as caught:
                    device.load(tmp_path / f"{name}.tflite")
                assert type(caught.value) is ModelError
                assert caught.value.hint or name == "empty"

    def test_a_model_that_the_engine_refuses_is_a_models_fault(self, device: DeviceLike, models: Path) -> None:
        """With the engine's reason."""
        for name, reason in BROKEN:
            with case(name):
                with pytest.raises(ModelError, match=name) as caught:
                    device.load(models / name)
                assert type(caught.value) is ModelError
                assert reason in caught.value.message

    def test_an_inference_that_fails_is_a_models_fault(self, device: DeviceLike, models: Path) -> None:
        """It loads well."""
        with device.load(models / "invoke_fails.tflite", delegate="cpu") as model:
            x = np.ones((1, 4), np.float64)
            with pytest.raises(ModelError) as caught:
                model.run({"a": x, "b": x})
        assert type(caught.value) is ModelError

    def test_inputs_that_do_not_fit_are_refused_and_the_model_goes_on(self, device: DeviceLike, models: Path) -> None:
        """By name, and with what would do."""
        with device.load(models / "add_float32.tflite") as model:
            for inputs, message, hint in WRONG_INPUTS:
                with case(inputs):
                    with pytest.raises(InputError, match=message) as caught:
                        model.run(inputs)
                    assert type(caught.value) is InputError
                    assert hint in caught.value.hint
                    assert listed(model.run({"a": ROW, "b": ROW}), "sum") == [[0.0, 2.0, 4.0, 6.0]]

    def test_an_argument_without_such_a_value_is_refused(
        self, device: DeviceLike, models: Path, agents: Agents
    ) -> None:
        """By name, before anything starts."""
        for options, name in WRONG_ARGUMENTS:
            with case(options):
                with pytest.raises(InputError, match=name):
                    device.load(models / "add_float32.tflite", **options)
                assert agents.count() == 0

    def test_what_a_delegate_leaves_over_is_an_error_that_lists_it(
        self, device: DeviceLike, models: Path, agents: Agents
    ) -> None:
        """And no agent stays behind."""
        with pytest.raises(DelegateError, match=r"took 2 of 3 operators of 'partial\.tflite'; .*CUMSUM x1") as caught:
            device.load(models / "partial.tflite", delegate="xnnpack")
        assert 'fallback="allow"' in caught.value.hint
        assert agents.count() == 0

    def test_a_delegate_that_is_not_there_is_an_error_that_names_it(self, device: DeviceLike, models: Path) -> None:
        """And the device goes on."""
        for prefix, name in (("", "warp"), ("external:", "/no/such/library.so")):
            with case(prefix + name), pytest.raises(DelegateError, match=name):
                device.load(models / "add_float32.tflite", delegate=prefix + name)
        device.load(models / "add_float32.tflite").close()

    def test_a_model_that_kills_the_runtime_is_told_and_can_do_no_more_harm(
        self, device: DeviceLike, models: Path, agents: Agents, death: str
    ) -> None:
        """Neither to other models nor to the next."""
        with device.load(models / "no_batch.tflite") as other:
            with pytest.raises(AgentDiedError, match=f"crash_on_load.*{death}"):
                device.load(models / "crash_on_load.tflite", delegate="cpu")
            assert agents.count() == 1
            assert listed(other.run(ROW), other.info.outputs[0].name) == (-ROW).tolist()
        device.load(models / "no_batch.tflite").close()

    def test_an_agent_that_was_killed_is_told_and_the_model_can_be_loaded_again(
        self, device: DeviceLike, models: Path, agents: Agents
    ) -> None:
        """Every later call says so too."""
        with device.load(models / "no_batch.tflite") as model:
            agents.kill()
            for use in (lambda: model.run(ROW), lambda: model.run(ROW), model.measure):
                with pytest.raises(AgentDiedError):
                    use()
        with device.load(models / "no_batch.tflite") as model:
            assert listed(model.run(ROW), model.info.outputs[0].name) == (-ROW).tolist()
