"""``--json`` of commands that do something and say what: one object with their sentences."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = 1


def said_as_json(do: Callable[[], bool], *, as_json: bool) -> bool:
    """Do it; whether it was done. What it prints becomes one JSON object where that was asked for.

    What is asked at the terminal, and errors, go to standard error as ever.
    """
    if not as_json:
        return do()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        done = do()
    print(json.dumps({"schema": SCHEMA, "done": done, "said": said.getvalue().splitlines()}))
    return done
