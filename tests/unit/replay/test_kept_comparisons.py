"""Both sides of a comparison in a file, and the comparison made again without a device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks.blamed import compared
from pytest_edgedevice.checks.close_text import failure_text
from pytest_edgedevice.cli.main import main
from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.metrics import cosine, psnr, steps, topk, within
from pytest_edgedevice.metrics.noise import Mse
from pytest_edgedevice.replay import keep, read_kept
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, Run, TensorSpec
from tests.unit.replay.test_hostile_recordings import described, rewritten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.checks.blamed import Compared

SPECS = (TensorSpec("y", "float32", (1, 4)), TensorSpec("q", "int8", (1, 4), Quantization((0.5,), (3,))))
INFO = ModelInfo("m.tflite", "ab" * 32, 100, "float32", (), SPECS, "litert", "2.3", 1)
PLACEMENT = Placement("cpu", "cpu", 1, 1, 0, {}, "counted")
ABOUT = {"test": "test_a.py::test_it", "version": "1", "time": "now"}
REFERENCE = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)
DEVICE = REFERENCE.copy()
DEVICE[7, 2] += 1
DEVICE[3, 1] += 0.5


class Golden:
    name = "faces"
    ids = tuple(f"photo {at}" for at in range(10))
    references: Mapping[str, Any] = {"y": REFERENCE}

    def check_model(self, info: ModelInfo) -> None: ...


def found_of(outputs: Any = None, reference: Any = None, **arguments: Any) -> Compared:
    outputs = {"y": DEVICE} if outputs is None else outputs
    run = Run(outputs, 10, (1,) * 10, INFO, PLACEMENT, "pixel")
    reference = {"y": REFERENCE} if reference is None else reference
    return compared(run, reference, **arguments)


def kept(tmp_path: Path, found: Compared, **more: Any) -> Path:
    path = tmp_path / "kept" / "it.npz"
    keep(path, found, names=list(found.references), inputs=more.pop("inputs", None), about=ABOUT, **more)
    return path


@pytest.mark.parametrize("reference", [{"y": REFERENCE}, Golden()], ids=["mapping", "golden"])
def test_the_comparison_from_the_file_says_the_same(tmp_path: Path, reference: Any) -> None:
    found = found_of(reference=reference, atol=0.1)
    again = read_kept(kept(tmp_path, found)).compare()
    assert failure_text(again) == failure_text(found.result) != ""
    assert read_kept(tmp_path / "kept" / "it.npz").compare(atol=1.1).passed


def test_another_runs_outputs_may_be_the_reference(tmp_path: Path) -> None:
    steps = np.arange(40, dtype=np.int8).reshape(10, 4)
    other = Run({"q": steps + 9}, 10, (1,) * 10, INFO, PLACEMENT, "other")
    found = found_of({"q": steps}, other, atol=1)
    again = read_kept(kept(tmp_path, found)).compare()
    assert failure_text(again) == failure_text(found.result) != ""


def test_samples_of_varying_shape_are_kept_one_by_one(tmp_path: Path) -> None:
    ragged = [np.ones(at + 1, np.float32) for at in range(10)]
    found = found_of({"y": ragged}, {"y": [one + 1 for one in ragged]}, atol=0.1)
    assert failure_text(read_kept(kept(tmp_path, found)).compare()) == failure_text(found.result)


@pytest.mark.parametrize("reference", [{"y": REFERENCE}, Golden()], ids=["mapping", "golden"])
def test_what_is_too_large_keeps_the_worst_samples_and_says_so(tmp_path: Path, reference: Any) -> None:
    file = kept(tmp_path, found_of(reference=reference, atol=0.1), most_bytes=70)
    read = read_kept(file)
    assert read.cut.startswith("2 of 10 samples, the worst, within")
    assert np.array_equal(read.run.outputs["y"], DEVICE[[3, 7]])
    text = failure_text(read.compare())
    assert ("'photo 7'" if isinstance(reference, Golden) else "sample '7'") in text


def test_inputs_are_kept_only_where_they_are_given(tmp_path: Path) -> None:
    found = found_of(atol=0.1)
    assert read_kept(kept(tmp_path, found)).inputs == {}
    read = read_kept(kept(tmp_path, found, inputs={"x": REFERENCE}))
    assert np.array_equal(read.inputs["x"], REFERENCE)


def test_an_argument_that_no_file_can_hold_is_asked_for(tmp_path: Path) -> None:
    found = found_of(atol=0.1)
    path = kept(tmp_path, found)
    changed = rewritten(path, tmp_path / "a.npz", described(lambda told: told.update(unkept=["metric"])))
    with pytest.raises(UsageError, match="made with a metric of its own, which no file can hold"):
        read_kept(changed).compare()
    assert not read_kept(changed).compare(metric=None, atol=0.1).passed
    assert not read_kept(changed).compare(atol=0.1, rtol=None).passed


class Own(Mse):
    """A metric that the table does not have."""


ASKED: list[Any] = [
    cosine(at_least=0.99999, over="set"),
    cosine,
    [topk(k=2, margin=0.01), within(atol=0.01, share=np.float64(0.01))],
    {"y*": [psnr(at_least=90, peak=4.0), "snr"], "*": steps(scale=0.5)},
]


@pytest.mark.parametrize("metric", ASKED, ids=["metric", "class", "several", "patterns"])
def test_metrics_are_kept_with_their_fields(tmp_path: Path, metric: Any) -> None:
    found = found_of(metric=metric)
    again = read_kept(kept(tmp_path, found)).compare()
    assert failure_text(again) == failure_text(found.result) != ""


def test_a_metric_of_ones_own_is_in_no_file(tmp_path: Path) -> None:
    read = read_kept(kept(tmp_path, found_of(metric=Own(at_most=0.001))))
    assert read.unkept == ("metric",)
    with pytest.raises(UsageError, match="a metric of its own"):
        read.compare()


@pytest.mark.parametrize(
    "told",
    [
        {"$metric": "Metric"},
        {"$metric": ["cosine"]},
        {"$metric": "cosine", "at_least": "x"},
        {"y": [{"$metric": "cosine", "__class__": 1}]},
    ],
    ids=str,
)
def test_a_metric_that_no_test_could_make_is_refused(tmp_path: Path, told: Any) -> None:
    asked = described(lambda all_told: all_told["arguments"].update(metric=told))
    changed = rewritten(kept(tmp_path, found_of(atol=0.1)), tmp_path / "a.npz", asked)
    with pytest.raises(UsageError, match="cannot be read"):
        read_kept(changed)


@pytest.mark.parametrize(
    "change",
    [
        {"members": {}},
        {"members": {"device": {"y": "device.0"}, "reference": {}, "inputs": {}, "more": {}}},
        {"members": {"device": {"y": "device.0"}, "reference": {"y": ["device.0"]}, "inputs": {}}},
        {"model": None},
        {"arguments": 7},
        {"ids": "photo"},
        {"reference_model": {}},
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_is_said(tmp_path: Path, change: dict[str, Any]) -> None:
    changed = rewritten(
        kept(tmp_path, found_of(atol=0.1)), tmp_path / "a.npz", described(lambda told: told.update(change))
    )
    with pytest.raises(UsageError, match="cannot be read"):
        read_kept(changed)


def test_an_argument_of_a_later_version_is_said(tmp_path: Path) -> None:
    change = described(lambda told: told["arguments"].update(shade="blue"))
    with pytest.raises(UsageError, match="does not know"):
        read_kept(rewritten(kept(tmp_path, found_of(atol=0.1)), tmp_path / "a.npz", change)).compare()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(InfraError, match="cannot write"):
        kept(tmp_path, found_of(atol=0.1))
    with pytest.raises(ValueError, match="no dtype of numbers"):
        keep(tmp_path / "a.npz", found_of(atol=0.1), names=["y"], inputs={"x": np.array(["a"] * 10)}, about=ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 1, "output 'y' differs from its reference in 2 of 40 elements"),
        (("--atol", "1.1"), 0, "close: 40 elements in 1 outputs"),
        (("--rtol", "1e9"), 0, "close: 40"),
        (("--output", "y"), 1, "output 'y' differs"),
        (("--output", "z"), 1, "the device has no 'z'"),
    ],
)
def test_the_command_compares_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, text: str
) -> None:
    path = kept(tmp_path, found_of(atol=0.1))
    assert main(["replay", str(path), *arguments]) == code
    said = capsys.readouterr()
    assert text in said.out + said.err
    assert "test_a.py::test_it: m.tflite (abababababab) on pixel, delegate cpu" in said.out or "z" in arguments


def test_the_command_says_what_was_cut_and_gives_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kept(tmp_path, found_of(atol=0.1), most_bytes=70)
    assert main(["replay", str(path)]) == 1
    assert "kept: 2 of 10 samples" in capsys.readouterr().out
    assert main(["replay", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["model"], told["device"], told["delegate"]) == (1, "m.tflite", "pixel", "cpu")
    assert told["kept"].startswith("2 of 10 samples")
    assert (told["passed"], told["test"], told["numbers"]["samples"]) == (False, "test_a.py::test_it", 2)


@pytest.mark.parametrize("arguments", [(), ("a.npz", "--atol", "-1"), ("a.npz", "--rtol", "nan")])
def test_the_command_refuses_misuse(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])
    assert ended.value.code == 2
