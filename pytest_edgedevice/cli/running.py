"""``edgedevice run``: how fast and how right a model is on a device, in every way to run it; no test file needed."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.arguments import waiting
from pytest_edgedevice.cli.running_inputs import read_inputs
from pytest_edgedevice.cli.running_sweep import CORE_ML_MODELS, Row, Wishes, sweep
from pytest_edgedevice.cli.running_table import heading, layout, legend, lines
from pytest_edgedevice.cli.text import printable, printable_lines
from pytest_edgedevice.cli.transfers import Transfers
from pytest_edgedevice.device.loading import model_file
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.opening import Catalog, open_device
from pytest_edgedevice.runners.model_content import size_of

if TYPE_CHECKING:
    import argparse

SCHEMA = 1


@dataclass(slots=True)
class _Swept:
    """What came of one device; with an error, the rows are those before it."""

    spec: str
    rows: list[Row] = dataclasses.field(default_factory=list)
    error: EdgeDeviceError | None = None


def run(options: argparse.Namespace) -> bool:
    """Print the rows of every device; whether one of them ran.

    Args:
        options: See ``commands.run``.

    Raises:
        EdgeDeviceError: There is no such model, or its inputs cannot be read.
    """
    path = model_file(options.model)
    wishes = Wishes(
        delegates=[name for given in options.delegate or [("all",)] for name in given],
        threads=options.threads,
        engine=options.engine,
        inputs=read_inputs(Path(options.input)) if options.input else None,
        runs=options.runs,
        core_ml=options.engine == "coreml" or path.suffix in CORE_ML_MODELS,
    )
    catalog = Catalog(load_inventory(Path.cwd(), explicit=options.config))
    swept = []
    for spec in dict.fromkeys(options.device or ["local"]):
        one = _Swept(spec)
        swept.append(one)
        shown = None if options.json else _Shown(path, wishes, first=len(swept) == 1)
        try:
            _sweep(one, path, wishes, catalog=catalog, wait_s=options.wait, shown=shown)
        except EdgeDeviceError as error:
            one.error = error
        if shown:
            shown.end(one)
    if options.json:
        print(json.dumps(_as_json(path, options.input, swept), allow_nan=False))
    return any(row.state == "ran" for one in swept for row in one.rows)


def _sweep(one: _Swept, path: Path, wishes: Wishes, *, catalog: Catalog, wait_s: float, shown: _Shown | None) -> None:
    say = shown.say if shown else (lambda _text: None)

    def tell(text: object) -> None:
        say("")
        if str(text):
            print(printable(str(text)), file=sys.stderr, flush=True)

    say(f"opening {one.spec}")
    with waiting():
        device = open_device(
            one.spec,
            wait_s=wait_s,
            catalog=catalog,
            holder=Holder.here(test="edgedevice run"),
            on_wait=tell,
            on_pause=tell,
            on_progress=Transfers(),
        )
    try:
        with device:
            for row in sweep(device, path, wishes, begins=lambda what: say(f"running {what}")):
                one.rows.append(row)
                if shown:
                    shown.row(row, device.name)
    finally:
        say("")  # also before the word of who was interrupted


class _Shown:
    """One device's table on the terminal; what is done now stands on standard error until the next line."""

    def __init__(self, path: Path, wishes: Wishes, *, first: bool) -> None:
        self._path = path
        self._inputs = "random inputs" if wishes.inputs is None else "given inputs"
        self._live = sys.stderr is not None and sys.stderr.isatty()
        terminal = sys.stdout is not None and sys.stdout.isatty()
        self._layout = layout(wishes.ways(), width=max(shutil.get_terminal_size().columns, 40) if terminal else 0)
        self._before: Row | None = None
        self._first = first

    def say(self, text: str) -> None:
        """What is done now; nothing but on a terminal, where it is overwritten."""
        if self._live:
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r{printable(text)[:columns]:<{columns}}", end="\r", file=sys.stderr, flush=True)

    def row(self, row: Row, device: str) -> None:
        """One more row, with the heading above the first."""
        self.say("")
        if self._before is None:
            self._head(row, device)
        for line in lines(row, self._layout, before=self._before):
            print(line.rstrip(), flush=True)
        self._before = row

    def _head(self, row: Row, device: str) -> None:
        size = size_of(self._path)
        shown = f"{size / 1e6:.2f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
        about = [f"{self._path.name} ({shown}{', ' + row.info.variant if row.info else ''}) on {device}"]
        about += [f"{row.info.engine} {row.info.engine_version}"] if row.info else []
        print(("" if self._first else "\n") + printable(", ".join([*about, self._inputs])) + "\n")
        print(heading(self._layout), flush=True)

    def end(self, one: _Swept) -> None:
        """Close the table, and tell what ended it before its time."""
        self.say("")
        for number, line in enumerate(legend(one.rows, self._layout)):
            print(("\n" if not number else "") + line)
        if one.error is not None:
            sys.stdout.flush()
            print(f"edgedevice: {printable_lines(str(one.error))}", file=sys.stderr, flush=True)


def _as_json(path: Path, inputs: str | None, swept: list[_Swept]) -> dict[str, Any]:
    devices = []
    for one in swept:
        error = None if one.error is None else {"message": one.error.message, "hint": one.error.hint}
        devices.append({"device": one.spec, "error": error, "rows": [_row(row) for row in one.rows]})
    model = {"name": path.name, "size_bytes": size_of(path)}
    return {"schema": SCHEMA, "version": __version__, "model": model, "inputs": inputs or "random", "devices": devices}


def _row(row: Row) -> dict[str, Any]:
    """A row without the model's tensors and the outputs; numbers that JSON does not know are null."""
    told: dict[str, Any] = {"delegate": row.delegate, "threads": row.threads, "state": row.state}
    if row.state != "ran":
        return {**told, "sentence": row.sentence, "hint": row.hint}
    assert row.info is not None
    assert row.timing is not None
    timing = row.timing
    told |= {name: getattr(row.info, name) for name in ("engine", "engine_version", "variant", "sha256")}
    names = ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "load_ms", "first_ms", "steady", "drift", "batch")
    told |= {name: getattr(timing, name) for name in names}
    told |= {"runs": len(timing.samples_ns), "samples_ns": list(timing.samples_ns), "emulated": row.emulated}
    told["disturbances"] = [_plain(one) for one in timing.disturbances]
    told |= {"speed_up": row.speed_up, "placement": _plain(row.placement), "error": _plain(row.deviation)}
    told["resources"] = _plain(row.resources)
    return {name: _finite(value) for name, value in told.items()}


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else dataclasses.asdict(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
