"""Options for what becomes of a comparison: looking for the cause of a failure, keeping both sides, recording the run.

Read together with all others, in ``settings``; imports nothing, as every run of pytest pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pytest

BLAME_S = 60.0
SWITCH = ("on", "off")
KEPT = ("failing", "all", "none")
INI_KEYS: dict[str, tuple[Literal["linelist", "string", "paths"], str]] = {
    "edge_blame": ("string", "on or off, as --edge-blame"),
    "edge_blame_s": ("string", f"seconds for finding the cause of one failed close (default: {BLAME_S:g})"),
    "edge_keep": ("string", "failing, all or none, as --edge-keep"),
    "edge_keep_dir": ("string", "folder for kept tensors, as --edge-keep-dir; relative to the ini file"),
}


def add_options(group: pytest.OptionGroup) -> None:
    """Offer them."""
    group.addoption(
        "--edge-blame",
        metavar="HOW",
        help="on (default): when edge_check.close fails, run the failing samples again with other kernels and on this "
        "host, and say what is to blame; off. Example: --edge-blame off",
    )
    group.addoption(
        "--edge-keep",
        metavar="WHICH",
        help="write both sides of edge_check.close to files that `edgedevice replay FILE` compares again: failing, all "
        "or none (default). Example: --edge-keep failing",
    )
    group.addoption(
        "--edge-keep-dir",
        metavar="PATH",
        help="folder for --edge-keep instead of .edgedevice/kept. Example: --edge-keep-dir build/tensors",
    )
    group.addoption(
        "--edge-keep-inputs",
        action="store_true",
        default=None,
        help="let --edge-keep write inputs too, which may be personal data. "
        "Example: --edge-keep failing --edge-keep-inputs",
    )
    group.addoption(
        "--edge-record-run",
        metavar="PATH",
        help="record what the device answers, so that --device replay:PATH gives the same without it; PATH gets the "
        "records, PATH with the ending .npz the answers. Example: --edge-record-run run.jsonl",
    )
