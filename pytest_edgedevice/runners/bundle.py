"""Pack the agent into one zipapp with stable bytes.

The same source gives the same file in every process of one Python, so that the agent's hash tells whether both
ends are of one version.

Beside each source lies its byte code: Python keeps none of what it imports from a zipapp, and would compile all of it
at every start. A device whose Python is of another kind passes it over and compiles the sources.
"""

from __future__ import annotations

import hashlib
import io
import marshal
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from pytest_edgedevice.transports.prepared import prepared

MAIN = "import sys\nfrom pytest_edgedevice.agent.main import main\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
ELSEWHERE = "board/"
"""What the helper on a board is made of, and the agent is not."""
UNCHECKED = (1).to_bytes(4, "little")
"""Flags of byte code that is found by its source's hash, which need not be compared: both lie in one file."""
BY_VALUE = 2
"""The version of marshal's format whose bytes do not tell what else in the process holds a constant."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The agent's file and its hash."""

    content: bytes
    sha256: str


@cache
def agent_bundle() -> Bundle:
    """The agent of this version as a zipapp."""
    texts = sources()
    content = prepared(__file__, [*texts, *texts.values()], lambda: packed(texts))
    return Bundle(content, hashlib.sha256(content).hexdigest())


def sources() -> dict[str, str]:
    """Path in the zipapp to source text."""
    root = Path(__file__).parent.parent / "agent"
    texts = {"__main__.py": MAIN, "pytest_edgedevice/__init__.py": ""}
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(ELSEWHERE):
            texts[f"pytest_edgedevice/agent/{name}"] = path.read_text(encoding="utf-8")
    return texts


def packed(texts: dict[str, str]) -> bytes:
    """A zipapp of these sources and their byte code."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in texts.items():
            files = {name: text.encode(), f"{name}c": byte_code(name, text)}
            for path, content in files.items():
                if content or path == name:
                    archive.writestr(zipfile.ZipInfo(path, EPOCH), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def byte_code(name: str, text: str) -> bytes:
    """What a ``.pyc`` file has for a source, the same in every process; empty where it cannot be told so."""
    code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    try:
        marshalled = marshal.dumps(code, BY_VALUE)
    except ValueError:  # a constant of a kind that is younger than the format
        return b""
    return MAGIC_NUMBER + UNCHECKED + source_hash(text.encode()) + marshalled
