"""``edgedevice init``: a first test that runs, of the user's own model or of one that comes with the package.

The model runs once on this machine, so that golden, tolerances and budget fit it. Nothing
that is there is overwritten, and nothing is written unless all of it can be.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import GoldenError, InfraError, ModelError, UsageError
from pytest_edgedevice.goldens import record
from pytest_edgedevice.opening import open_device
from pytest_edgedevice.runners.model_content import is_model
from pytest_edgedevice.runners.samples import has_batch_axis, random_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array, ModelInfo, Outputs, Run

SCHEMA = 1
FIRST = Path(__file__).parent / "first" / "digits.tflite"
DEVICE_FILE = "edgedevice.toml"
SAMPLES, TRIES = 4, 32
LEAST_BUDGET_MS = 100.0
ROOM = 5
"""The budget is so many times what this machine takes, and the tolerance so many times what its kernels differ by."""
LEAST_ATOL = 1e-5
DEVICES = """\
# Devices by name, for: pytest --device desk
[devices.desk]
spec = "local"                 # this machine; a board would be "ssh:pi@kitchen", a phone "adb:SERIAL"
"""
TEST = '''\
"""The model on a device: right, and fast enough. Written by `edgedevice init`; it is yours now."""


def test_{name}(edge_model, edge_golden, edge_check):
    model = edge_model({path})
    # The inputs of this golden are random, and its references are what the model itself gave on the machine where
    # `edgedevice init` ran, with the engine's built-in kernels. So it shows whether a device or a delegate computes
    # something else, and not whether the model is any good: record real inputs and your server's answers to them with
    # edgedevice record {name} --from SOURCE --inputs FILES --force
    golden = edge_golden({quoted})
    edge_check.close(model.run(golden.inputs), golden{tolerance})
    edge_check.latency(model, p95_ms={budget})  # with room for this machine; write your own budget here
    edge_check.size(model, max_mb={size})
'''


@dataclass(frozen=True, slots=True)
class _Tried:
    """What the model did on this machine.

    Attributes:
        info: The model.
        inputs: Input name to samples.
        outputs: What the built-in kernels made of them.
        constant: Outputs that are the same for every sample.
        atol: A tolerance that holds here between delegates; 0 where all outputs are whole numbers.
        budget_ms: A budget that holds here.
    """

    info: ModelInfo
    inputs: Mapping[str, Array]
    outputs: Outputs
    constant: tuple[str, ...]
    atol: float
    budget_ms: float


def init(model: Path | None, folder: Path, *, wait_s: float, as_json: bool) -> None:
    """Write the files and say what was written.

    Args:
        model: The user's own; None for the package's, which is copied.
        folder: Where to write.
        wait_s: How long to wait for this machine.
        as_json: Print one JSON object instead of text.

    Raises:
        UsageError: One of the files is there already.
        EdgeDeviceError: The model cannot be loaded or run, or gives nothing to compare.
    """
    if model is not None and not is_model(model):
        what = "is a folder of no kind that is a model" if model.is_dir() else "does not exist"
        raise ModelError(f"model {str(model)!r} {what}", hint="name a .tflite file, or none for an example")
    source = model or FIRST
    name = re.sub(r"\W+", "_", source.stem, flags=re.ASCII).strip("_").lower() or "model"
    test, golden, copy = folder / f"test_{name}.py", folder / "goldens" / name, folder / FIRST.name
    _refuse([test, golden] if model else [test, golden, copy])
    tried = _try(source, wait_s)
    try:
        with tempfile.TemporaryDirectory(prefix=".edgedevice-init-", dir=folder) as place:
            _record(Path(place), name, tried)
            path = _shown(model.resolve(), folder) if model else copy.name
            (Path(place) / test.name).write_text(_test(name, path, tried), encoding="utf-8")
            written = _place(Path(place), test, golden, copy=None if model else copy)
        kept = [] if _device_file(folder) else [DEVICE_FILE]
    except OSError as error:
        hint = "work in a folder that you may write to, on a disk with room"
        raise InfraError(f"cannot write into {str(folder)!r}: {error.strerror or error}", hint=hint) from error
    written += [] if kept else [folder / DEVICE_FILE]
    _tell([_shown(one, folder) for one in written], kept, as_json=as_json)


def _refuse(paths: list[Path]) -> None:
    there = [path.name if path.suffix else f"goldens/{path.name}" for path in paths if path.exists()]
    if there:
        hint = "nothing was written; rename or remove it, or work in another folder"
        raise UsageError(f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already", hint=hint)


def _try(path: Path, wait_s: float) -> _Tried:
    with open_device("local", wait_s=wait_s) as device:
        model = device.load(path, delegate="cpu")
        inputs = _inputs(model.info)
        run = model.run(inputs)
        constant = _constant(run)
        others = device.load(path).run(inputs)
        atol = _atol(run, others)
        return _Tried(model.info, inputs, run.outputs, constant, atol, _budget(device.load(path)))


def _inputs(info: ModelInfo) -> dict[str, Array]:
    """Random samples that differ, by input; fewer where the inputs have no room for more."""
    found: dict[bytes, dict[str, Array]] = {}
    for turn in range(TRIES):
        seeds = range(turn * len(info.inputs), (turn + 1) * len(info.inputs))  # or two inputs would be equal
        sample = {
            spec.name: _sample(random_sample(spec, seed=seed), batch=has_batch_axis(spec))
            for spec, seed in zip(info.inputs, seeds, strict=True)
        }
        found.setdefault(b"".join(array.tobytes() for array in sample.values()), sample)
        if len(found) == SAMPLES:
            break
    samples = list(found.values())
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def _sample(sample: Array, *, batch: bool) -> Array:
    return sample[:, 0] if batch else sample


def _constant(run: Run) -> tuple[str, ...]:
    """Outputs that do not depend on the input; the golden has to say so."""
    alike = tuple(
        name
        for name, samples in run.outputs.items()
        if all(np.array_equal(np.asarray(samples[0]), np.asarray(one)) for one in samples)
    )
    if len(alike) == len(run.outputs):
        raise GoldenError(
            f"{run.model.name} answers the same to {run.samples} random inputs, so a golden of them could show nothing",
            hint="record real inputs: edgedevice record NAME --from SOURCE --inputs FILES",
        )
    return alike


def _atol(run: Run, other: Run) -> float:
    """Several times what this machine's default kernels differ by from the built-in ones."""
    floats = [name for name, samples in run.outputs.items() if np.asarray(samples[0]).dtype.kind == "f"]
    differences = [0.0]
    for name in floats:
        for one, another in zip(run.outputs[name], other.outputs[name], strict=True):
            pair = (np.asarray(samples, np.float64) for samples in (one, another))
            differences += np.abs(np.subtract(*pair)).ravel().tolist()
    if not all(map(math.isfinite, differences)):
        raise GoldenError(
            f"{run.model.name} gives values that are not finite for random inputs",
            hint="record real inputs: edgedevice record NAME --from SOURCE --inputs FILES",
        )
    worst = max(differences)
    return _rounded_up(max(worst * ROOM, LEAST_ATOL)) if floats else 0.0


def _budget(model: LoadedModel) -> float:
    timing = model.measure(max_s=1.0)
    return _rounded_up(max(timing.p95_ms * ROOM, LEAST_BUDGET_MS))


def _rounded_up(value: float) -> float:
    """To one digit."""
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.1g}")


def _record(place: Path, name: str, tried: _Tried) -> None:
    """Make the golden in a folder of ours, checked as a test would read it."""
    np.savez(place / "inputs.npz", allow_pickle=False, **dict(tried.inputs))
    record(
        place / name,
        lambda _: dict(tried.outputs),
        inputs=[place / "inputs.npz"],
        constant_outputs=tried.constant,
        models=[tried.info],
        keep_inputs=True,
        note="random inputs; the references are the model's own outputs on the host, by the engine's built-in kernels",
    )


def _test(name: str, path: str, tried: _Tried) -> str:
    tolerance = f", atol={tried.atol:g}" if tried.atol else ""
    size = _rounded_up(tried.info.size_bytes / 1e6)
    return TEST.format(
        name=name,
        quoted=json.dumps(name),
        path=json.dumps(path),
        tolerance=tolerance,
        budget=f"{tried.budget_ms:g}",
        size=f"{size:g}",
    )


def _place(place: Path, test: Path, golden: Path, *, copy: Path | None) -> list[Path]:
    """Put everything where it belongs, the test last: it is what makes the rest count; all of it or nothing."""
    with contextlib.ExitStack() as undo:
        golden.parent.mkdir(exist_ok=True)
        if copy is not None:
            with copy.open("xb") as file:
                undo.callback(copy.unlink)
                file.write(FIRST.read_bytes())
        (place / golden.name).rename(golden)
        undo.callback(shutil.rmtree, golden, ignore_errors=True)
        shutil.move(place / test.name, test)
        undo.pop_all()
    return [*([copy] if copy else []), golden, test]


def _device_file(folder: Path) -> bool:
    """Write the device file, unless there is one."""
    try:
        with (folder / DEVICE_FILE).open("x", encoding="utf-8") as file:
            file.write(DEVICES)
    except FileExistsError:
        return False
    return True


def _shown(path: Path, folder: Path) -> str:
    """A path as the test names it: relative to the test where it lies below its folder."""
    base = folder.resolve()
    return path.resolve().relative_to(base).as_posix() if path.resolve().is_relative_to(base) else str(path)


def _tell(written: list[str], kept: list[str], *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = {"schema": SCHEMA, "written": written, "kept": kept}
        print(json.dumps(told))
        return
    for name in written:
        print(f"written: {printable(name)}")
    for name in kept:
        print(f"kept as it was: {printable(name)}")
    print("now run: pytest")
