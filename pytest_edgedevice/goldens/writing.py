"""Writes a golden's files: deterministic bytes, and every file replaced in one step.

Knows arrays and paths; nothing of samples or provenance.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.goldens.samples import Array


def packed(arrays: Mapping[str, Array]) -> bytes:
    """An NPZ file's bytes; equal arrays give equal bytes on every host.

    Members are sorted, stored without compression (whose bytes depend on the zlib at hand) and
    carry zip's earliest date.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            data = io.BytesIO()
            little = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
            np.lib.format.write_array(data, np.array(little, order="C"), version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, data.getvalue())
    return file.getvalue()


def replace_all(files: Mapping[Path, bytes]) -> None:
    """Write all files beside their targets first, then rename each over its target.

    Raises:
        InfraError: A file cannot be written (disk full, no permission); the targets are as they were.
    """
    parts: dict[Path, Path] = {}
    try:
        for target, content in files.items():
            parts[target] = target.with_name(f".{secrets.token_hex(8)}.part")
            with parts[target].open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                shutil.copymode(target, parts[target])
        for target, part in parts.items():
            part.replace(target)
    except OSError as error:
        names = ", ".join(str(target) for target in files)
        raise InfraError(
            f"cannot write {names}: {error.strerror or error}",
            hint="free space or mend the folder's permissions, then record again",
        ) from error
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
