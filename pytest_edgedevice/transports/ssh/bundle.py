"""What a board is sent to become a helper's place: a constant command, a loader, and our sources as they run there.

No name of a user's ever stands in a command: the remote command is a constant,
and the interpreter's path is read from the stream by it. The sources are
rewritten for Python 3.9, which lacks a few words that the host's rooms use.
"""

from __future__ import annotations

import ast
import json
import marshal
import zlib
from functools import cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from pytest_edgedevice.transports.prepared import prepared

# one line, without quotes, backslashes or exclamation marks inside, so that fish and csh pass it on as it is
COMMAND = (
    "exec sh -c '"
    "IFS= read -r p && IFS= read -r n && IFS= read -r l || exit 0; "
    'command -v "$p" >/dev/null 2>&1 || { echo; echo "$n missing"; exit 0; }; '
    'exec "$p" -I -S -u -c "$l" "$n"'
    "'"
)
"""Reads three lines (interpreter, sentinel, loader) and becomes the interpreter."""

LOADER = r"""
import os, sys
version = sys.version_info
sys.stdout.write("\n%s %d.%d.%d\n" % (sys.argv[1], version[0], version[1], version[2]))
sys.stdout.flush()
if version < (3, 9):
    sys.exit(0)
data = bytearray()
while len(data) < SIZE:
    piece = os.read(0, min(SIZE - len(data), 65536))
    if not piece:
        sys.exit(0)
    data += piece
import json, marshal, zlib
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
class Sources:
    def __init__(self, texts, codes):
        self.texts = texts
        self.codes = codes
    def find_spec(self, name, path=None, target=None):
        stem = name.replace(".", "/")
        for where in (stem + "/__init__.py", stem + ".py"):
            if where in self.texts:
                return ModuleSpec(name, self, origin=where, is_package=where.endswith("/__init__.py"))
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        where = module.__spec__.origin
        code = self.codes.get(where) or compile(self.texts[where], where, "exec")
        exec(code, module.__dict__)
size = int.from_bytes(data[:8], "little")
content = json.loads(zlib.decompress(data[8:8 + size]).decode())
same = content["magic"] == MAGIC_NUMBER.hex()
sys.meta_path.insert(0, Sources(content["sources"], marshal.loads(zlib.decompress(data[8 + size:])) if same else {}))
base = content["base"]
cache_bytes = content["cache_bytes"]
exec(content["main"])
"""

MAIN = """
from pytest_edgedevice.agent.board.facts import identity
from pytest_edgedevice.agent.board.main import main
from pytest_edgedevice.transports.sessions import enter

def clear(folder, deadline):
    from pytest_edgedevice.errors import DeadlineError
    from pytest_edgedevice.transports.leftovers import clear
    try:
        return clear(folder, deadline=deadline)
    except DeadlineError as error:  # one that the helper knows, so that it answers and goes on
        raise TimeoutError(error.message)

def hold(record, folder, wait_s, tell):
    from pytest_edgedevice.leases.onboard import hold
    return hold(record, key=identity(), folder=folder, wait_s=wait_s, tell=tell)

def cache(root, hashed):
    folder = root / f"edgedevice-models-{os.getuid()}"
    if not cache_bytes and not folder.exists():
        return None
    from pytest_edgedevice.transports.cache import ModelCache
    return ModelCache(root, cap_bytes=cache_bytes, hashed=hashed)

sys.exit(main(base, enter=enter, clear=clear, hold=hold, cache=cache))
"""

PARTS = (
    "errors.py",
    "agent/__init__.py",
    "agent/conditions.py",
    "agent/wire.py",
    "agent/writing.py",
    "agent/board/*.py",
    "leases/*.py",
    "transports/cache.py",
    "transports/leftovers.py",
    "transports/orphans.py",
    "transports/sessions.py",
)
"""What runs there; the rooms' own ``__init__`` are left out but for those listed: they import what is not sent."""


def opening(python: str, sentinel: str, base: str, *, cache_bytes: int = 0) -> bytes:
    """All that is sent before the first frame.

    Args:
        python: Interpreter on the board, one line.
        sentinel: A random word that the board repeats before it speaks the protocol.
        base: Folder for our files there; empty for the board's own choice.
        cache_bytes: How much of models may stay there between sessions.
    """
    told = {"cache_bytes": cache_bytes, "sources": sources(), "magic": MAGIC_NUMBER.hex(), "main": MAIN, "base": base}
    texts = zlib.compress(json.dumps(told).encode(), 1)
    content = len(texts).to_bytes(8, "little") + texts + compiled()
    loader = "exec(%r)" % LOADER.replace("SIZE", str(len(content)))  # noqa: UP031 - one line, whatever it holds
    return f"{python}\n{sentinel}\n{loader}\n".encode() + content


@cache
def sources() -> dict[str, str]:
    """Path in the package to source text, fit for Python 3.9."""
    told: dict[str, str] = json.loads(_both()[0])
    return told


def compiled() -> bytes:
    """The same as code, which saves a board with this very kind of Python the compiling: half of its start."""
    return _both()[1]


@cache
def _both() -> tuple[bytes, bytes]:
    texts = _as_here()
    kept = prepared(__file__, [*texts, *texts.values()], lambda: _made(texts))
    size = int.from_bytes(kept[:8], "little")
    return kept[8 : 8 + size], kept[8 + size :]


def _as_here() -> dict[str, str]:
    root = Path(__file__).parents[2]
    texts = {"pytest_edgedevice/__init__.py": "", "pytest_edgedevice/transports/__init__.py": ""}
    for pattern in PARTS:
        for path in sorted(root.glob(pattern)):
            texts[f"pytest_edgedevice/{path.relative_to(root).as_posix()}"] = path.read_text(encoding="utf-8")
    return texts


def _made(here: dict[str, str]) -> bytes:
    texts = {where: older(text) for where, text in here.items()}
    told = json.dumps(texts).encode()
    codes = {where: compile(text, where, "exec") for where, text in texts.items()}
    return len(told).to_bytes(8, "little") + told + zlib.compress(marshal.dumps(codes), 1)


def older(text: str) -> str:
    """The same program without what Python 3.9 lacks: slots of dataclasses, strict zips, unions in ``isinstance``."""
    return ast.unparse(ast.fix_missing_locations(_Older().visit(ast.parse(text))))


class _Older(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        dropped = {"dataclass": "slots", "zip": "strict"}.get(name)
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != dropped or dropped is None]
        if name == "isinstance" and isinstance(node.args[1], ast.BinOp):
            node.args[1] = ast.Tuple(_members(node.args[1]), ast.Load())
        return node


def _members(union: ast.expr) -> list[ast.expr]:
    if isinstance(union, ast.BinOp):
        return [*_members(union.left), *_members(union.right)]
    return [union]
