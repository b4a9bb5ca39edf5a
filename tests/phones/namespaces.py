"""A phone's process 1 as the host sees it: started in namespaces of its own, asked, ended. Knows nothing of adb."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.phones import init
from tests.phones.debian import PhoneError

DEADLINE_S = 30.0
PRIVILEGED = "it needs root that may mount: in a container, --privileged"


class ProcessOne:
    """Process 1 of a new phone.

    Args:
        folder: For its log; that of the phone.
        given: What ``init`` lays out.

    Attributes:
        root: The phone's root as the host sees it.

    Raises:
        PhoneError: It cannot be started here; the text says why.
    """

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        self._log = folder / "init.log"
        # isolated and without site: quicker, and nobody's files run there
        apart = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*apart, sys.executable, "-I", "-S", str(Path(init.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )
        try:
            number = self.ask(given)["pid"]
        except BaseException:
            self.end()
            raise
        self.root = Path(f"/proc/{number}/root")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have it do something, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended; the empty answer tells
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        ready, _, _ = select.select([self._process.stdout], [], [], DEADLINE_S)
        line = self._process.stdout.readline() if ready else b""
        silence = "its process 1 has ended" if ready else f"no answer within {DEADLINE_S:.0f} s"
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words() or silence}
        if "error" in answer:
            raise PhoneError(f"a phone cannot do that here ({PRIVILEGED}): {answer['error']}")
        return answer

    def end(self) -> None:
        """End it and every process of the phone; idempotent."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            # it leaves by itself, so that whoever waits for it here collects it: killed, it would stay behind as a
            # zombie where this machine's process 1 collects none, as in many containers
            self._process.stdin.close()
            try:
                self._process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
