"""A Linux ARM64 board without hardware, behind a real OpenSSH server on a loopback port.

    from tests.board import start_board

    with start_board(tmp_path / "board", name="kitchen") as board:
        board.device          # "ssh:kitchen", for --device
        board.programs        # folder with ssh, scp and sftp that read the board's config: put it first on PATH
        board.config          # that config: ssh -F FILE kitchen; names port, key and known_hosts
        board.power_off(), board.power_on(), board.freeze(), board.thaw(), board.change_host_key()

By hand: ``python -m tests.board`` starts one and prints how to reach it.

Its root file system is Debian's for ARM64 with the real wheels of ai-edge-litert and numpy, its programs run under
qemu-user, and nothing of it is seen by the rest of the machine: see ``making`` (what is cached in ``.board``),
``power`` (the namespaces) and ``furniture`` (its files).
"""

from __future__ import annotations

from tests.board.board import Board, silent_server, start_board
from tests.board.making import BoardError, make

__all__ = ["Board", "BoardError", "make", "silent_server", "start_board"]
