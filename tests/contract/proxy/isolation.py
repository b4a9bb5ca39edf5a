"""A host beside this one: another view of the file system, other processes, nothing shared but a pipe."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tests.native.builds import agent_of
from tests.native.conftest import tflite_library

ROOT = Path(__file__).parents[3]
ENTER = """
set -eu
cd "$1"
mount --bind "$2" /var/tmp
shift 2
while [ "$1" != -- ]; do
    mount -t tmpfs -o size=256m edgedevice-far "$1"
    shift
done
shift
unset EDGEDEVICE_LOCKS TMPDIR
exec "$@"
"""


def far_command(storage: Path) -> list[str]:
    """Arguments that start the proxy's server on a host of its own, as root or in a user namespace.

    Args:
        storage: What that host has as ``/var/tmp``, and with it its folder of locks; in a folder that is hidden
            from it otherwise. The device file is put there; its agent starts ten times as fast as Python's.
    """
    as_root = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    unshare = ["unshare", *as_root, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    server = [sys.executable, "-m", "tests.contract.proxy.server"]
    table = ["[devices.far]", 'spec = "local"', 'runner = "native"', f'agent = "{agent_of().path}"']
    table.append(f'runtime = "{tflite_library(platform.machine())}"')
    (storage / "edgedevice.toml").write_text("\n".join(table), encoding="utf-8")
    hidden = [str(place) for place in hidden_places(storage.parent)]
    return [*unshare, "sh", "-c", ENTER, "sh", str(ROOT), str(storage), *hidden, "--", *server]


def hidden_places(ours: Path) -> list[Path]:
    """What the other host must not see: our models, the test's own folder and all temporary files that it can spare."""
    temporary = Path("/tmp")
    needed = any(Path(place).is_relative_to(temporary) for place in (ROOT, sys.prefix, sys.base_prefix))
    places = [] if needed else [temporary]
    if not any(ours.is_relative_to(place) for place in places):
        places.append(ours)
    return [ROOT / "fixtures", *places]
