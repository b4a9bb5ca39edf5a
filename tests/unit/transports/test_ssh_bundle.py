"""What a board is sent: constant commands, and sources that Python 3.9 runs."""

from __future__ import annotations

import ast
import json
import marshal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from pytest_edgedevice.transports.ssh import bundle as ssh_bundle
from pytest_edgedevice.transports.ssh.bundle import COMMAND, LOADER, MAIN, compiled, older, opening, sources


def test_its_sources_can_be_read_by_python_3_9() -> None:
    for where, text in sources().items():
        ast.parse(text, where, feature_version=(3, 9))


def unions(tree: ast.AST) -> list[str]:
    """Unions of types that are made when the program runs, which Python 3.9 cannot: all but annotations."""
    found = []
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if hasattr(node, name):
                setattr(node, name, None)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            if names & {"int", "float", "str", "bytes", "dict", "list", "tuple", "bytearray", "memoryview", "Path"}:
                found.append(ast.unparse(node))
    return found


def test_its_sources_make_no_union_of_types() -> None:
    assert {where: found for where, text in sources().items() if (found := unions(ast.parse(text)))} == {}


def test_what_python_3_9_lacks_is_left_out() -> None:
    text = older(
        "@dataclass(frozen=True, slots=True)\nclass A: pass\nzip(a, b, strict=True)\nisinstance(a, int | str | None)"
    )
    assert "slots" not in text
    assert "strict" not in text
    assert "isinstance(a, (int, str, None))" in text


def test_every_room_that_is_imported_there_is_sent() -> None:
    texts = sources()
    for where, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_edgedevice"):
                stem = str(node.module).replace(".", "/")
                assert f"{stem}.py" in texts or f"{stem}/__init__.py" in texts or _is_lazy(text), f"{where}: {stem}"


def _is_lazy(text: str) -> bool:
    return "TYPE_CHECKING" in text


@pytest.mark.parametrize("sign", ["\\", "!", "\n"])
def test_the_command_can_be_passed_on_by_any_login_shell(sign: str) -> None:
    assert sign not in COMMAND
    assert COMMAND.count("'") == 2


def test_the_loader_can_be_read_by_any_python() -> None:
    assert 'f"' not in LOADER
    assert MAIN.isascii()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_names_reach_the_interpreter_as_they_are(shell: str, tmp_path: Path) -> None:
    odd = f"{tmp_path}/a 'b' $HOME \"c\" `d`"
    Path(odd).write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    Path(odd).chmod(0o755)
    sent = opening(odd, "SENTINEL", "/data/e f")
    done = subprocess.run([shell, "-c", COMMAND], input=sent, capture_output=True, timeout=30, check=False)
    words = done.stdout.decode().split("|")
    assert words[:4] == ["-I", "-S", "-u", "-c"]
    assert words[-2] == "SENTINEL"


@pytest.mark.parametrize("same", [True, False], ids=["the same Python", "another Python"])
def test_the_helper_starts_from_code_or_from_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    if same:
        compiled()  # before its sources are gone
        monkeypatch.setattr(ssh_bundle, "sources", lambda: dict.fromkeys(sources(), "raise SystemExit('compiled')"))
    else:
        monkeypatch.setattr(ssh_bundle, "MAGIC_NUMBER", b"else")
        monkeypatch.setattr(ssh_bundle, "compiled", lambda: b"no code at all")
    sent = opening(sys.executable, "SENTINEL", str(tmp_path / "board"))
    done = subprocess.run(["sh", "-c", COMMAND], input=sent, capture_output=True, timeout=30, check=False)
    assert b'"op":"hello"' in done.stdout
    assert done.stderr == b""


def test_what_was_kept_is_what_would_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_bundle, "prepared", lambda _source, _parts, make: make())
    texts, codes = ssh_bundle._both.__wrapped__()
    assert json.loads(texts) == sources()
    assert marshal.loads(zlib.decompress(codes)) == marshal.loads(zlib.decompress(compiled()))
