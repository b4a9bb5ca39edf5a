"""``edgedevice init``: a first test that runs, of the user's own model or of one that comes with the package.

The model runs once on this machine, so that golden, tolerances and budget fit it. Nothing
that is there is overwritten, and nothing is written unless all of it can be.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgedevice.cli.init_trying import Tried, rounded_up, try_out
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import InfraError, ModelError, UsageError
from pytest_edgedevice.goldens import record
from pytest_edgedevice.runners.model_content import is_model

SCHEMA = 1
FIRST = Path(__file__).parent / "first" / "digits.tflite"
DEVICE_FILE = "edgedevice.toml"
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
    tried = try_out(source, wait_s)
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


def _record(place: Path, name: str, tried: Tried) -> None:
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


def _test(name: str, path: str, tried: Tried) -> str:
    tolerance = f", atol={tried.atol:g}" if tried.atol else ""
    size = rounded_up(tried.info.size_bytes / 1e6)
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
