"""Pack the agent into one zipapp with stable bytes.

The same source gives the same file on every machine, so that the agent's hash
tells whether both ends are of one version.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MAIN = "import sys\nfrom pytest_edgedevice.agent.main import main\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The agent's file and its hash."""

    content: bytes
    sha256: str


@cache
def agent_bundle() -> Bundle:
    """The agent of this version as a zipapp."""
    root = Path(__file__).parent.parent / "agent"
    files = {"__main__.py": MAIN, "pytest_edgedevice/__init__.py": ""}
    for path in sorted(root.rglob("*.py")):
        files[f"pytest_edgedevice/agent/{path.relative_to(root).as_posix()}"] = path.read_text(encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # compressors differ between machines
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), text)
    content = packed.getvalue()
    return Bundle(content, hashlib.sha256(content).hexdigest())
