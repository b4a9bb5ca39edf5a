"""The fixture ``edge_golden``: find a golden set, or write its references."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import Golden, load_golden, record_references
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.session import find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SETTLED = pytest.StashKey[dict["Path", str]]()
"""Golden folders that this run recorded, with the test that did; or warned that it did not, with an empty text."""


class GoldenNotUpdatedWarning(pytest.PytestWarning):
    """``--edge-update-goldens`` met a golden whose test names nothing that computes references."""


class GoldenOpener:
    """Call it with a golden set's name or path."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __repr__(self) -> str:
        return "<edge_golden>"

    def __call__(
        self, name: str | Path, *, reference: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    ) -> Golden:
        """Open a golden set.

        Args:
            name: Folder that holds ``golden.json``.
            reference: The server: input name to array (n, ...) in, output name to array (n, ...) out.

        Raises:
            GoldenError: It is missing, malformed, without references, or unable to detect anything.
        """
        settings = settings_of(self._request.config)
        folder = find(name, self._request, settings.goldens, habit="goldens", error=GoldenError)
        settled = self._request.config.stash.setdefault(SETTLED, {})
        if settings.update_goldens and reference is None and folder.resolve() not in settled:
            settled[folder.resolve()] = ""
            warnings.warn(
                f"golden {str(name)!r}: --edge-update-goldens updated nothing here, for edge_golden({str(name)!r}) "
                "got no reference=CALLABLE to compute the references",
                GoldenNotUpdatedWarning,
                stacklevel=2,
            )
        if settings.update_goldens and reference is not None:
            changes = record_references(folder, reference, inputs=settings.inputs)
            test = self._request.node.nodeid
            before = settled.get(folder.resolve()) or test
            settled[folder.resolve()] = before
            if changes and before != test:
                raise GoldenError(
                    f"golden {str(name)!r} was recorded in this run by {before} already, and is other now: {changes}",
                    hint="give all tests of one golden the same reference callable, and one that always gives the same",
                )
            if changes:
                pytest.fail(f"golden {str(name)!r}: {changes}; run again without --edge-update-goldens", pytrace=False)
        golden = load_golden(folder, reference=reference, inputs=settings.inputs)
        golden.check()
        return golden
