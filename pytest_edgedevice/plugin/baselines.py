"""Latencies of earlier runs: compared in each test, added to at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.recording import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pytest_edgedevice.history.baselines import Baselines
    from pytest_edgedevice.records import Record
    from pytest_edgedevice.values import Regression, Timing

BASELINES = pytest.StashKey["Baselines"]()


def comparer(item: pytest.Item) -> Callable[[Any, Timing], Regression | None] | None:
    """What compares a test's latencies with earlier runs; None where no file was named."""
    if settings_of(item.config).baseline is None:
        return None
    known = _known(item.config)

    def compared(model: Any, timing: Timing) -> Regression | None:
        from pytest_edgedevice.history.baselines import key_of
        from pytest_edgedevice.history.regression import compare

        device = item.stash.get(DEVICE, None)
        if not timing.samples_ns or not timing.p50_ms > 0:
            return None
        info = model.info
        key = key_of(
            device.facts if device else {},
            device=model.device_name,
            engine=f"{info.engine} {info.engine_version}".strip(),
            delegate=model.placement.proven,
            threads=info.threads,
            model=info.name,
            sustained=bool(timing.judged_from),
        )
        return compare(timing.p50_ms, known.get(key, []))

    return compared


def _known(config: pytest.Config) -> Baselines:
    """The file's content, read once; nothing where it is only now to be made.

    Raises:
        InfraError: It cannot be read, which says nothing of any model.
    """
    from pytest_edgedevice.errors import InfraError, UsageError
    from pytest_edgedevice.history.baselines import read_baselines

    if BASELINES not in config.stash:
        settings = settings_of(config)
        assert settings.baseline is not None
        absent = settings.update_baseline and not settings.baseline.exists()
        try:
            config.stash[BASELINES] = {} if absent else read_baselines(settings.baseline)
        except UsageError as error:
            hint = error.hint or "mend the line, or make the file anew: --edge-baseline PATH --edge-update-baseline"
            raise InfraError(f"no latency can be compared with earlier ones: {error.message}", hint=hint) from None
    return config.stash[BASELINES]


def update(config: pytest.Config, records: Sequence[Record]) -> str:
    """Add the run's latencies to the file; a sentence that says so.

    Raises:
        EdgeDeviceError: The file cannot be read or written.
    """
    from pytest_edgedevice.history.baselines import update_baselines

    path = settings_of(config).baseline
    assert path is not None
    count = update_baselines(path, records)
    return f"{count} baseline{'s' * (count != 1)} updated in {path}"
