"""What device tests share: loaded models, requirements, the search for files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_edgedevice.errors import DelegateImpossibleError, EdgeDeviceError, InputError, ModelError
from pytest_edgedevice.plugin.catalog import expression_of
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.parametrize import is_shared
from pytest_edgedevice.plugin.recording import LOADED

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike
    from pytest_edgedevice.plugin.parametrize import DelegateMark


def require(item: pytest.Item, device: DeviceLike, expressions: Sequence[str]) -> None:
    """Skip a test whose device does not fit its ``edge_requires`` markers."""
    for text in expressions:
        expression = expression_of(item.config, text)
        if not expression.matches(device.facts):
            facts = ", ".join(f"{name}={device.facts.get(name, 'not known')}" for name in sorted(expression.facts_used))
            pytest.skip(f"{device.name} does not fit {text!r}: {facts}")


class ModelLoader:
    """What the fixture ``edge_model`` hands to a test: call it with a model's path."""

    def __init__(self, request: pytest.FixtureRequest, device: DeviceLike, delegate: str, mark: DelegateMark) -> None:
        self._request = request
        self._device = device
        self._delegate = delegate
        self._mark = mark
        self._models: list[LoadedModelLike] = []

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
    ) -> LoadedModelLike:
        """Load a model; see ``Device.load``. What is not given comes from markers and options."""
        settings = settings_of(self._request.config)
        chosen = delegate or self._delegate
        if delegate_options is None and chosen.startswith("external:"):
            delegate_options = self._mark.options
        try:
            model = self._device.load(
                find(path, self._request, settings.models, habit="models", error=ModelError),
                delegate=chosen,
                threads=settings.threads if threads is None else threads,
                engine=engine or settings.engine,
                fallback=fallback or self._mark.fallback,
                delegate_options=delegate_options,
            )
        except DelegateImpossibleError as error:
            if delegate is not None:  # the test's own wish, and not one of the matrix of devices and delegates
                raise
            pytest.skip(error.message)
        self._models.append(model)
        self._request.node.stash[LOADED] = True
        if is_shared(self._request.node):
            _forbid_measuring(model)
        return model

    def close(self) -> None:
        """End the test's models."""
        with contextlib.ExitStack() as models:
            for model in self._models:
                models.callback(model.close)


def _forbid_measuring(model: LoadedModelLike) -> None:
    """In a shared test nothing is measured, also where this worker happens to have the device for itself."""

    def measure(*_: Any, **__: Any) -> NoReturn:
        raise InputError(
            f"a test with the marker edge_shared measures nothing: {model.device_name} may be shared with others",
            hint="measure in a test without that marker",
        )

    model.measure = measure  # type: ignore[method-assign]


def places_of(request: pytest.FixtureRequest, folders: Sequence[Path], *, habit: str) -> list[Path]:
    """Where files that a test names are searched, in order."""
    beside = request.path.parent
    return list(dict.fromkeys([beside, beside / habit, *folders, request.config.rootpath]))


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
    places = places_of(request, folders, habit=habit)
    for place in places:
        if (place / path).exists():
            return place / path
    raise error(
        f"{what} {str(path)!r} does not exist; searched in {', '.join(map(str, places))}",
        hint=f"name its folder in the ini file: edge_{habit} = FOLDER",
    )
