"""Boards over SSH for the command line: what one of them has and lacks, and how it gets an engine.

``there`` and ``elf`` run on the board, under its own Python from 3.9 on; all else runs here. What a board
answers is a stranger's: bounded, typed, and printable before anybody reads it.
"""

from __future__ import annotations
