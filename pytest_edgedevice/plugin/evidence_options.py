"""Options for what becomes of a comparison: looking for the cause of a failure, keeping both sides, recording the run.

Read together with all others, in ``settings``; imports nothing but pytest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

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
