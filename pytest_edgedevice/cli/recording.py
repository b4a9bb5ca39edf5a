"""``edgedevice record``: a golden set from inputs and whatever knows the right answers."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.cli.recording_local import LocalModel, look_at
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.device.loading import model_file
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.goldens import Recorded, Wishes, record
from pytest_edgedevice.goldens.matching import SHORT
from pytest_edgedevice.goldens.servers.opening import open_server
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.opening import open_device

if TYPE_CHECKING:
    import argparse

    from pytest_edgedevice.device import Device
    from pytest_edgedevice.goldens.servers.server import Server
    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.values import Array, ModelInfo

SCHEMA = 1


def record_golden(options: argparse.Namespace) -> None:
    """Record, and print what was recorded.

    Args:
        options: See ``commands.record``.

    Raises:
        EdgeDeviceError: What stood in the way; nothing is written then.
    """
    folder = _folder(options.name)
    preprocess = _preprocess(options.preprocess)
    names = dict(options.output_map)
    wishes = Wishes(
        input_map=dict(options.input_map),
        outputs=options.output,
        transpose=dict(options.transpose),
        reshape=dict(options.reshape),
        batch=options.batch,
    )
    with contextlib.ExitStack() as stack:
        models, server = _opened(options, stack)
        recorded = record(
            folder,
            server,
            inputs=options.inputs,
            preprocess=preprocess,
            output_map=names,
            constant_outputs=options.constant_output,
            wishes=wishes,
            models=models,
            keep_inputs=options.keep_inputs,
            inputs_from=options.inputs_from,
            note=options.note,
            force=options.force,
            on_answers=_tell_progress if sys.stderr is not None and sys.stderr.isatty() else None,
        )
    if options.json:
        print(json.dumps(_as_json(recorded, models), allow_nan=False))
    else:
        _print(recorded, models)


def _folder(name: str) -> Path:
    """``goldens/NAME``, where tests look for it; a path is taken as it is."""
    folder = Path(name) if "/" in name or name in (".", "..") else Path("goldens") / name
    if not name.strip() or not name.isprintable() or len(folder.name) > 200:
        raise UsageError(f"{name[:80]!r} is no name for a golden", hint="use letters and digits, such as faces")
    return folder


def _preprocess(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        steps = json.loads(content)
    except OSError as error:
        raise UsageError(f"--preprocess {text[:80]!r} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--preprocess {text[:80]!r} is no JSON: {error}") from error
    if not isinstance(steps, dict):
        raise UsageError("--preprocess is no JSON object", hint="""such as '{"mean": 127.5, "std": 127.5}'""")
    return steps


def _opened(options: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[list[ModelInfo], Server]:
    """The models that the golden is for, and what answers."""
    paths = [model_file(path) for path in options.model]
    from_tflite = Path(options.source).suffix.lower() == ".tflite"
    source = model_file(options.source) if from_tflite else None
    device: DeviceLike | None = None
    if paths or source:
        device = stack.enter_context(_this_machine(options.wait))
    models = [look_at(device, path) for path in paths] if device else []
    if device and source:
        if options.header_env:
            raise UsageError("a header is for servers with an http:// or https:// address only")
        return models, stack.enter_context(LocalModel(device, source))
    outputs = [spec.name for spec in models[0].outputs] if models else []
    output = next(iter([*options.output, *dict(options.output_map), *(outputs if len(outputs) == 1 else ())]), "")
    server = open_server(options.source, output=output, timeout_s=options.timeout, header_env=options.header_env)
    return models, stack.enter_context(server)


def _tell_progress(answered: int, samples: int) -> None:
    """One line that the next one overwrites; the last one leaves nothing."""
    text = f"{answered} of {samples} samples are answered" if answered < samples else ""
    print(f"\r{text:<60}", end="\r", file=sys.stderr, flush=True)


def _this_machine(wait_s: float) -> Device:
    """Shared: outputs are the same whoever else computes here."""
    tell = partial(print, file=sys.stderr, flush=True)
    holder = Holder.here(test="edgedevice record")
    return open_device(
        "local", wait_s=wait_s, shared=True, holder=holder, on_wait=lambda what: tell(printable(str(what)))
    )


def _print(recorded: Recorded, models: list[ModelInfo]) -> None:
    golden = recorded.golden
    origin = golden.provenance
    # a function or a file of the user's says more than what kind of thing it is
    own = origin.source.get("call") or origin.source.get("file", "")
    source = " ".join(part for part in (origin.framework, origin.version) if part)
    source = own if origin.framework == origin.source.get("kind") else source
    model = origin.source.get("model", "")
    version = origin.source.get("model_version", "")
    told = f", model {model}" + (f" version {version}" if version else "") if model else ""
    verb = "recorded" if recorded.changes else "unchanged:"
    count = "1 sample" if len(golden) == 1 else f"{len(golden)} samples"
    print(printable(f"{verb} {golden.folder}: {count}, answered by {source}{told}"))
    for kind, tensors in (("input", golden.inputs), ("output", golden.references)):
        for name, samples in tensors.items():
            print(printable(f"  {kind} {name}: {_described(samples)}"))
    for info in models:
        print(printable(f"  speaks for {info.name} ({info.sha256[:SHORT]})"))
    if recorded.elsewhere:
        places = " ".join(str(folder.resolve()) for folder in recorded.elsewhere)
        print(
            printable(
                f"  the inputs are not in it, only their hash: tests find them with the ini key edge_inputs = {places}"
            )
        )
    sys.stdout.flush()


def _described(samples: Array | list[Array]) -> str:
    """Shape, dtype and range."""
    whole = np.concatenate([np.ravel(one) for one in samples])
    shape = str(samples.shape) if isinstance(samples, np.ndarray) else f"{len(samples)} arrays of several shapes"
    span = f", {whole.min():.4g} to {whole.max():.4g}" if whole.size and whole.dtype != np.bool_ else ""
    return f"{whole.dtype.name} {shape}{span}"


def _as_json(recorded: Recorded, models: list[ModelInfo]) -> dict[str, Any]:
    golden = recorded.golden
    origin = golden.provenance
    return {
        "schema": SCHEMA,
        "golden": str(golden.folder),
        "changed": bool(recorded.changes),
        "samples": len(golden),
        "inputs": list(golden.inputs),
        "outputs": list(golden.references),
        "models": {info.name: info.sha256 for info in models},
        "framework": origin.framework,
        "framework_version": origin.version,
        "source": dict(origin.source),
        "elsewhere": [str(folder.resolve()) for folder in recorded.elsewhere],
    }
