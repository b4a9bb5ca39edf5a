"""What device tests share: the open device, loaded models, the search for files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeviceNotFoundError, EdgeDeviceError, ModelError
from pytest_edgedevice.leases import Holder, Waiting
from pytest_edgedevice.opening import open_device
from pytest_edgedevice.plugin.catalog import catalog, known_devices
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.spec import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_edgedevice.device import Device
    from pytest_edgedevice.plugin.parametrize import DelegateMark
    from pytest_edgedevice.runners.loaded import LoadedModel


@contextlib.contextmanager
def open_for_session(config: pytest.Config, spec: str) -> Iterator[Device]:
    """Lease and open a device; a pool that nobody named and that is empty here skips its tests."""
    settings = settings_of(config)
    known = catalog(config)
    try:
        device = open_device(
            spec,
            wait_s=settings.wait_s,
            timeout_s=settings.timeout_s,
            catalog=known,
            holder=Holder.here(test=_current_test()),
            on_wait=lambda waiting: _tell(config, waiting),
        )
    except DeviceNotFoundError as error:
        if settings.named or settings.ci or not known.parse(spec).is_pool:
            raise
        pytest.skip(f"{error.message} (not named on the command line, and this is not CI)")
    with device:
        yield device


def _current_test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


def _tell(config: pytest.Config, waiting: Waiting) -> None:
    """Say why nothing happens, past pytest's capturing."""
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            reporter.write_line(f"\nedgedevice: {waiting}")


def require(item: pytest.Item, device: Device, expressions: Sequence[str]) -> None:
    """Skip a test whose device does not fit its ``edge_requires`` markers."""
    vocabulary = known_devices(item.config)[0].vocabulary()
    for text in expressions:
        expression = parse_expression(text, vocabulary=vocabulary)
        if not expression.matches(device.facts):
            facts = ", ".join(f"{name}={device.facts.get(name, 'not known')}" for name in sorted(expression.facts_used))
            pytest.skip(f"{device.name} does not fit {text!r}: {facts}")


class ModelLoader:
    """What the fixture ``edge_model`` hands to a test: call it with a model's path."""

    def __init__(self, request: pytest.FixtureRequest, device: Device, delegate: str, mark: DelegateMark) -> None:
        self._request = request
        self._device = device
        self._delegate = delegate
        self._mark = mark
        self._models: list[LoadedModel] = []

    def __repr__(self) -> str:
        return f"<edge_model on {self._device.name}, delegate {self._delegate}>"

    def __call__(
        self,
        path: str | os.PathLike[str],
        *,
        delegate: str | None = None,
        threads: int | None = None,
        engine: str | None = None,
        fallback: str | None = None,
        delegate_options: Mapping[str, Any] | None = None,
    ) -> LoadedModel:
        """Load a model; see ``Device.load``. What is not given comes from markers and options."""
        settings = settings_of(self._request.config)
        chosen = delegate or self._delegate
        if delegate_options is None and chosen.startswith("external:"):
            delegate_options = self._mark.options
        model = self._device.load(
            find(path, self._request, settings.models, habit="models", error=ModelError),
            delegate=chosen,
            threads=settings.threads if threads is None else threads,
            engine=engine or settings.engine,
            fallback=fallback or self._mark.fallback,
            delegate_options=delegate_options,
            timeout_s=max(settings.timeout_s, 1.0) * 2,
        )
        self._models.append(model)
        return model

    def close(self) -> None:
        """End the test's models."""
        with contextlib.ExitStack() as models:
            for model in self._models:
                models.callback(model.close)


def find(
    path: str | os.PathLike[str],
    request: pytest.FixtureRequest,
    folders: Sequence[Path],
    *,
    habit: str,
    error: type[EdgeDeviceError],
) -> Path:
    """Find a file that a test names: beside the test, in its folder ``habit``, in the ini's folders, in the root.

    Raises:
        error: It is in none of them; they are listed.
    """
    what = habit.removesuffix("s")
    if Path(path).is_absolute():
        if not Path(path).exists():
            raise error(f"{what} {str(path)!r} does not exist", hint="that is an absolute path; nothing was searched")
        return Path(path)
    beside = request.path.parent
    places = dict.fromkeys([beside, beside / habit, *folders, request.config.rootpath])
    for place in places:
        if (place / path).exists():
            return place / path
    raise error(
        f"{what} {str(path)!r} does not exist; searched in {', '.join(map(str, places))}",
        hint=f"name its folder in the ini file: edge_{habit} = FOLDER",
    )
