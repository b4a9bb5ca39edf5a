"""``python -m tests.board [OPTION=VALUE ...]``: a board by hand, until Enter.

For tests/run there are ``packages``, which prints what to install first, ``make``, which makes what boards are made
of, and ``check``, which starts a board and ends it: whether one can be had here.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.board.board import start_board
from tests.board.furniture import Options
from tests.board.making import BoardError, make, missing_packages


def _options(words: list[str]) -> dict[str, Any]:
    kinds = {"True": True, "False": False}
    known = Options.__dataclass_fields__
    pairs = [word.split("=", 1) for word in words]
    if wrong := [pair[0] for pair in pairs if len(pair) != 2 or pair[0] not in known]:
        raise SystemExit(f"tests.board: no option {wrong[0]}; there are: {', '.join(known)} (as name=value)")
    return {name: kinds.get(value, int(value) if value.isdigit() else value) for name, value in pairs}


def main(words: list[str]) -> None:
    """Start what was asked for and say how to reach it."""
    if words == ["packages"]:
        print(*missing_packages())
        return
    if words == ["make"]:
        make()
        return
    if words == ["check"]:
        with tempfile.TemporaryDirectory(prefix="board-") as folder, start_board(Path(folder)) as board:
            if (done := board.ssh("true")).returncode:
                raise BoardError(f"nobody can log in: {done.stderr.strip()}")
        return
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="board-") as folder, start_board(Path(folder), **_options(words)) as board:
        print(f"{board.device} is up after {time.monotonic() - begun:.2f} s, until Enter. Reach it by:")
        print(f"  ssh -F {board.config} {board.name}")
        print(f"  PATH={board.programs}:$PATH pytest --device {board.device}")
        sys.stdin.readline()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BoardError as error:
        raise SystemExit(f"tests.board: {error}") from None
