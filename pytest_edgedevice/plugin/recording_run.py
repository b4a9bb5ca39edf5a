"""``--edge-record-run``: what the device answered in this run, for ``--device replay:PATH``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.options import settings_of

if TYPE_CHECKING:
    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.replay import Recorder

RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()


def record_device(config: pytest.Config, device: DeviceLike) -> None:
    """Record from now on what a device answers, where that was asked for.

    Raises:
        InfraError: The file cannot be written.
    """
    path = settings_of(config).evidence.record_run
    if path is None:
        return
    from pytest_edgedevice.replay import Recorder, recording_of

    if RECORDER not in config.stash:
        recorder = config.stash[RECORDER] = Recorder(recording_of(path))
        config.add_cleanup(recorder.abandon)
    config.stash[RECORDER].watch(device)


def finish_recording(config: pytest.Config) -> str:
    """Put the recording in its place; a sentence for the end of the run, empty where there is none.

    Raises:
        InfraError: It cannot be written.
    """
    recorder, path = config.stash.get(RECORDER, None), settings_of(config).evidence.record_run
    if recorder is None or path is None:
        return ""
    from pytest_edgedevice import __version__

    recorder.finish(version=__version__, time=datetime.now(UTC).isoformat(timespec="seconds"))
    return f"recorded; run the same tests without the device: pytest --device replay:{path}"
