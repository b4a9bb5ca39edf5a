"""The report as one offline page: what a reader without a device opens.

Pure: records in, text out. Python words everything and draws the pictures, Jinja2
fills them in and escapes, and the page's own script only filters, sorts and turns
what is there; without it all tables can be read. Jinja2 is the extra ``report``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record


def check_installed() -> None:
    """Say at the start what would be missing at the end.

    Raises:
        UsageError: Jinja2 is not installed; the message names the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec("jinja2") is None:
        raise UsageError(
            "the report 'html' needs Jinja2, which is not installed; "
            "install it with: pip install 'pytest-edgedevice[report]'"
        )


def write(records: Sequence[Record], path: Path) -> None:
    """Write the page whole or not at all.

    Raises:
        UsageError: Jinja2 is not installed.
        InfraError: The file cannot be written.
    """
    from pytest_edgedevice.records import write_text

    check_installed()
    from pytest_edgedevice.reports.html.page import render

    write_text(path, render(records))
