"""Both sides of ``edge_check.close`` as files, for ``edgedevice replay``."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.investigating import memory_of
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.reading import home_of
from pytest_edgedevice.plugin.recording import add_note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.checks.blamed import Compared

SIZE = pytest.StashKey[int]()
"""Bytes that this process has kept so far."""
FOLDER = pytest.StashKey[Path]()
MOST_BYTES = 1 << 30
MOST_NAME_CHARS = 100
IGNORE = "# made by pytest-edgedevice\n*\n"


def keeper(item: pytest.Item) -> Callable[[Compared], str] | None:
    """What writes both sides of a test's comparisons to files; None where none are wanted."""
    wanted = settings_of(item.config).evidence.keep
    if wanted == "none":
        return None

    def kept(found: Compared) -> str:
        if wanted == "failing" and found.result.passed:
            return ""
        failed = [name for name in found.references if not found.result.outputs[name].passed]
        # a metric may be for several outputs, or for those that a pattern fits: then it needs them all
        whole = wanted == "all" or found.arguments.get("metric") is not None
        names = list(found.references) if whole else failed
        return _keep(item, found, names) if names else ""

    return kept


def _keep(item: pytest.Item, found: Compared, names: list[str]) -> str:
    """Write them; what goes wrong is told at the end of the run and hides no failure."""
    from pytest_edgedevice import __version__
    from pytest_edgedevice.errors import InfraError
    from pytest_edgedevice.replay import keep

    config = item.config
    if config.stash.get(SIZE, 0) > MOST_BYTES:
        add_note(item, f"nothing more was kept: this run has written {MOST_BYTES >> 20} MiB to {_folder(config)}")
        return ""
    about = {"test": item.nodeid, "version": __version__, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
    try:
        path = _free(_folder(config), item.nodeid)
        size, cut = keep(path, found, names=names, inputs=_inputs(config, found), about=about)
    except (InfraError, ValueError, OSError) as error:
        add_note(item, f"{item.nodeid}: its tensors were not kept: {str(error).splitlines()[0]}", bad=True)
        return ""
    config.stash[SIZE] = config.stash.get(SIZE, 0) + size
    shown = _shown(path, config)
    left_out = f" ({cut})" if cut else ""
    add_note(item, f"both sides of {item.nodeid} are kept{left_out}; compare again with: edgedevice replay {shown}")
    return str(path)


def _inputs(config: pytest.Config, found: Compared) -> Mapping[str, Any] | None:
    asked = memory_of(config).of(found.run) if settings_of(config).evidence.keep_inputs else None
    if asked is None:
        return None
    from pytest_edgedevice.blame.inputs import by_name

    inputs = by_name(asked.inputs, found.run.model.inputs)
    same = all(len(values) == found.run.samples for values in inputs.values())
    return inputs if same else None


def _folder(config: pytest.Config) -> Path:
    """The folder of this run, and of this worker of it; git ignores the one that we make."""
    if FOLDER not in config.stash:
        given = settings_of(config).evidence.keep_dir
        base = given or home_of(config) / ".edgedevice" / "kept"
        worker = getattr(config, "workerinput", {}).get("workerid", "")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        config.stash[FOLDER] = base / f"{stamp}-{worker or os.getpid()}"
        if given is None:
            with contextlib.suppress(OSError):
                base.parent.mkdir(exist_ok=True)
                (base.parent / ".gitignore").write_text(IGNORE, encoding="utf-8")
    return config.stash[FOLDER]


def _free(folder: Path, nodeid: str) -> Path:
    """A name that no other comparison of this run has; ids of parameters may hold anything."""
    stem = re.sub(r"[^A-Za-z0-9_.=-]+", "-", nodeid)[-MOST_NAME_CHARS:].strip("-.") or "test"
    number = 1
    while (path := folder / f"{stem}-{number}.npz").exists():
        number += 1
    return path


def _shown(path: Path, config: pytest.Config) -> str:
    """The path as a shell takes it, short where it is below the current folder."""
    import shlex

    here = config.invocation_params.dir
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
