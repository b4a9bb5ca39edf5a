"""Puts a golden's folder together beside its place, and moves it there when it is whole and sound.

Knows files; nothing of samples, servers or references.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import EdgeDeviceError, GoldenError, InfraError
from pytest_edgedevice.goldens.document import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stage:
    """A golden in the making.

    Attributes:
        folder: Where it is put together.
        target: Where it goes.
        names: What it will consist of, its document last.
    """

    folder: Path
    target: Path
    names: tuple[str, ...]

    def put(self) -> bool:
        """Move it to its place; false where the same is there already, but for the time of its recording."""
        if not self.target.exists():
            self.folder.rename(self.target)
            return True
        if all((self.target / name).is_file() and self._same(name) for name in self.names):
            return False
        with contextlib.ExitStack() as undo:  # the golden that was there comes back where one of these fails
            # its document goes first: without it it is no golden, so that nobody takes files of two recordings for one
            for name in reversed(self.names):
                old, aside = self.target / name, self.folder / f"{name}.before"
                if old.exists():
                    old.replace(aside)
                    undo.callback(aside.replace, old)
            for name in self.names:
                (self.folder / name).replace(self.target / name)
                undo.callback((self.target / name).unlink)
            undo.pop_all()
        return True

    def _same(self, name: str) -> bool:
        old, new = self.target / name, self.folder / name
        if name == NAME:
            return bool(_timeless(old) == _timeless(new))
        return filecmp.cmp(old, new, shallow=False)


@contextlib.contextmanager
def staged(
    target: Path, document: Mapping[str, Any], kept: Mapping[str, Path], *, results: Sequence[str], force: bool
) -> Iterator[Stage]:
    """A folder beside ``target`` with the document and the files that are kept; gone at the end, whatever happens.

    Args:
        target: Where the golden shall be.
        document: Its ``golden.json``, without references.
        kept: Name in the golden to the file that is copied.
        results: What a recording adds, the document last.
        force: Whether files of these names may be replaced.

    Raises:
        GoldenError: Something is there already.
        InfraError: The disk is full, or a folder may not be written.
    """
    names = (*kept, *results)
    found = [name for name in names if (target / name).exists() and not _is(target / name, kept.get(name))]
    if (found and not force) or (target.exists() and not target.is_dir()):
        raise GoldenError(
            f"{target} is there already" + (f", with {found[-1]}" if found else " and is no folder"),
            hint="replace it with --force" if found else "choose another name",
        )
    missing = [folder for folder in target.absolute().parents if not folder.exists()]
    folder = target.absolute().parent / f".{target.name[:100]}.{secrets.token_hex(8)}.part"
    try:
        folder.mkdir(parents=True)
        for name, file in kept.items():
            shutil.copyfile(file, folder / name)
        (folder / NAME).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        yield Stage(folder, target, names)
    except EdgeDeviceError as error:  # it speaks of a folder that nobody knows
        told = error.message.replace(str(folder), str(target))
        raise type(error)(told, hint=error.hint.replace(str(folder), str(target))) from error
    except OSError as error:
        raise InfraError(
            f"cannot write {target}: {error.strerror or error}",
            hint="free space or mend the folder's permissions, then record again",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in missing:  # those that only this recording needed, innermost first
            with contextlib.suppress(OSError):
                parent.rmdir()


def _is(path: Path, other: Path | None) -> bool:
    return other is not None and path.samefile(other)


def _timeless(file: Path) -> Any:
    """A document without the moment of its recording; None where it is none."""
    try:
        document = json.loads(file.read_bytes())
        document["provenance"].pop("date", None)
        document["provenance"].get("source", {}).pop("time", None)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return document
