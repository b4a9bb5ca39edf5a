"""What command line, environment and ini file add up to, checked.

Precedence: command line, environment, ini file, default. Knows nothing of what
a device spec means: that needs the device file, and waits for a device test.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.evidence_options import BLAME_S, KEPT, SWITCH
from pytest_edgedevice.plugin.options import (
    DEFAULT_DEVICE,
    DELEGATES,
    ENVIRONMENT,
    LONG_FORM,
    PARSER,
    RECONNECT_S,
    SHORT_FORM,
    TIMEOUT_S,
    WAIT_CI_S,
    WAIT_S,
)
from pytest_edgedevice.plugin.reading import choice, count, file, home_of, ini_folder, one, seconds, several, whole
from pytest_edgedevice.reports.renderers import Report, parse_report, refuse_one_place_for_two

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ("litert", "tflite", "coreml")
POLICIES = ("fail", "warn", "xfail")
HOLDS = ("session", "test")
REGRESSIONS = ("warn", "fail", "off")
HISTORY, HISTORY_RUNS, HISTORY_DAYS = ".edgedevice", 200, 365
RECORDING_SUFFIX = ".npz"


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """What becomes of a comparison.

    Attributes:
        blame: Whether to look for the cause of a failure.
        blame_s: How long for each, seconds.
        keep: ``failing``, ``all`` or ``none``: which comparisons' tensors to write.
        keep_dir: Folder for them; None for ``.edgedevice/kept`` in the root folder.
        keep_inputs: Whether to write inputs too.
        record_run: Records file beside which a recording for ``replay:`` is made; None makes none.
    """

    blame: bool
    blame_s: float
    keep: str
    keep_dir: Path | None
    keep_inputs: bool
    record_run: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for.

    Attributes:
        devices: Device specs; more than one make a matrix.
        origin: Where they come from: the option, the environment variable or the ini key; empty for the default.
        named: Whether they were named on the command line or in the environment.
        delegates: Delegates that override the markers; empty leaves the choice to them.
        engine: Engine; empty for the device's own choice.
        threads: Threads for the engine's kernels.
        wait_s: How long to wait for a device that somebody else holds.
        hold: ``session``, or ``test`` to hand a device over between tests when somebody waits for it.
        reconnect_s: How long to wait for a device that was lost; 0 does not wait, and repeats no test.
        timeout_s: Deadline of each exchange with the device.
        reports: Files to write from the records, each with its renderer.
        update_goldens: Write references from the tests' ``reference`` callables.
        config: Device file; None searches for ``edgedevice.toml``.
        baseline: File of earlier latencies; None compares with none.
        update_baseline: Add this run's latencies to it.
        on_inconclusive: ``fail``, ``warn`` or ``xfail``.
        verdict: File for the run's verdict; None writes none.
        history: Folder of the history; None keeps none.
        history_named: Whether the user named that folder.
        history_runs: Runs that the history keeps.
        history_days: Days that it keeps them.
        regression: ``warn``, ``fail`` or ``off``.
        models, goldens: Folders to search for model files and golden sets.
        inputs: Folders with inputs that goldens know by their hash only.
        evidence: What becomes of a comparison.
        ci: Whether this is a CI run.
    """

    devices: tuple[str, ...]
    origin: str
    named: bool
    delegates: tuple[str, ...]
    engine: str
    threads: int
    wait_s: float
    hold: str
    reconnect_s: float
    timeout_s: float
    reports: tuple[Report, ...]
    update_goldens: bool
    config: Path | None
    baseline: Path | None
    update_baseline: bool
    on_inconclusive: str
    verdict: Path | None
    history: Path | None
    history_named: bool
    history_runs: int
    history_days: int
    regression: str
    models: tuple[Path, ...]
    goldens: tuple[Path, ...]
    inputs: tuple[Path, ...]
    evidence: EvidenceSettings
    ci: bool


def read_settings(config: pytest.Config) -> Settings:
    """Add up options, environment and ini.

    Raises:
        pytest.UsageError: A value cannot be used; the message names it and what it may be.
    """
    ci = os.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")
    devices, origin = _devices(config)
    return Settings(
        devices=devices,
        origin=origin,
        named=origin in (LONG_FORM, SHORT_FORM, ENVIRONMENT),
        delegates=_delegates(config),
        engine=choice(config, "edge_engine", ENGINES, default=""),
        threads=whole(config, "edge_threads", 1),
        wait_s=seconds(config, "edge_wait", WAIT_CI_S if ci else WAIT_S, least=0),
        hold=choice(config, "edge_hold", HOLDS, default="session"),
        reconnect_s=seconds(config, "edge_reconnect", RECONNECT_S, least=0),
        timeout_s=seconds(config, "edge_timeout", TIMEOUT_S, least=0.001),
        reports=_reports(config),
        update_goldens=bool(config.getoption("edge_update_goldens")),
        config=file(config, "edge_config"),
        baseline=_baseline(config),
        update_baseline=bool(config.getoption("edge_update_baseline")),
        on_inconclusive=choice(config, "edge_inconclusive", POLICIES, default="fail"),
        verdict=file(config, "edge_verdict"),
        history=_history(config),
        history_named=bool(config.getoption("edge_history") or config.getini("edge_history")),
        history_runs=count(config, "edge_history_runs", HISTORY_RUNS),
        history_days=count(config, "edge_history_days", HISTORY_DAYS),
        regression=choice(config, "edge_regression", REGRESSIONS, default="warn"),
        models=tuple(config.getini("edge_models")),
        goldens=tuple(config.getini("edge_goldens")),
        inputs=tuple(config.getini("edge_inputs")),
        evidence=_evidence(config),
        ci=ci,
    )


def _devices(config: pytest.Config) -> tuple[tuple[str, ...], str]:
    """Specs and where they come from."""
    environment = [part.strip() for part in os.environ.get(ENVIRONMENT, "").split(",") if part.strip()]
    sources = (
        (SHORT_FORM if PARSER in config.stash else LONG_FORM, config.getoption("edge_device")),
        (ENVIRONMENT, environment),
        ("edge_device in the ini file", config.getini("edge_device")),
    )
    for origin, specs in sources:
        if specs:
            return tuple(dict.fromkeys(specs)), origin
    return (DEFAULT_DEVICE,), ""


def _delegates(config: pytest.Config) -> tuple[str, ...]:
    names, where = several(config, "edge_delegate")
    for name in names:
        library = name.removeprefix("external:")
        if name not in DELEGATES and (library == name or not library):
            raise pytest.UsageError(f"{where}: {name!r} is not one of {', '.join(DELEGATES)}, external:PATH")
    return tuple(dict.fromkeys(names))


def _reports(config: pytest.Config) -> tuple[Report, ...]:
    texts, where = several(config, "edge_report")
    if not texts:
        return ()
    from pytest_edgedevice.errors import UsageError  # its absence tells that nothing of ours can have been raised

    base = config.invocation_params.dir if where.startswith("--") else ini_folder(config)
    try:
        found = tuple(dict.fromkeys(parse_report(text, base) for text in texts))
        refuse_one_place_for_two(found)
    except UsageError as error:
        raise pytest.UsageError(f"{where}: {error}") from error
    return found


def _baseline(config: pytest.Config) -> Path | None:
    path, update = file(config, "edge_baseline"), bool(config.getoption("edge_update_baseline"))
    if path is None and update:
        raise pytest.UsageError("--edge-update-baseline needs a file: --edge-baseline PATH")
    if path is not None and not (path.is_file() or (update and not path.exists())):
        what = "is no file" if path.exists() else "is not there; --edge-update-baseline makes it"
        raise pytest.UsageError(f"--edge-baseline: {str(path)!r} {what}")
    return path


def _is_folder(path: Path) -> bool:
    """Whether no file can have that name; one that is too long for the system is told when it is opened."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _evidence(config: pytest.Config) -> EvidenceSettings:
    keep, inputs = choice(config, "edge_keep", KEPT, default="none"), bool(config.getoption("edge_keep_inputs"))
    if inputs and keep == "none":
        raise pytest.UsageError("--edge-keep-inputs keeps nothing by itself: add --edge-keep failing, or all")
    given = config.getoption("edge_record_run")
    recording = config.invocation_params.dir / str(given) if given else None
    if recording is not None and (_is_folder(recording) or recording.suffix == RECORDING_SUFFIX):
        raise pytest.UsageError(f"--edge-record-run: {str(recording)!r} cannot be the records' file; e.g. run.jsonl")
    if recording is not None and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--edge-record-run records one process: leave -n out")
    return EvidenceSettings(
        blame=choice(config, "edge_blame", SWITCH, default="on") == "on",
        blame_s=seconds(config, "edge_blame_s", BLAME_S, least=0.001),
        keep=keep,
        keep_dir=file(config, "edge_keep_dir"),
        keep_inputs=inputs,
        record_run=recording,
    )


def _history(config: pytest.Config) -> Path | None:
    """Folder of the history: as named, or in the root folder."""
    text, where = one(config, "edge_history", "")
    if text == "off":
        return None
    named = file(config, "edge_history")
    if named is not None and named.exists() and not named.is_dir():
        raise pytest.UsageError(f"{where}: {str(named)!r} is no folder")
    return named or home_of(config) / HISTORY
