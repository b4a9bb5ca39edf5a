"""Say why nothing happens, past pytest's capturing: one line that is rewritten on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.reports.columns import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_edgedevice.leases import Waiting
    from pytest_edgedevice.transports.progress import Progress

EVERY_S = 10.0
PREFIX = "edgedevice: "


class Teller:
    """Tells what a worker waits for; in a ``with`` block, at whose end a rewritten line is wiped."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = getattr(config, "workerinput", {}).get("workerid", "")
        # that of a worker writes to nowhere
        self._reporter: Any = None if self._worker else config.pluginmanager.getplugin("terminalreporter")
        self._live = bool(self._reporter and self._reporter.isatty and not settings_of(config).ci)
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            with self._uncaptured():
                self._rewrite("")
                self._reporter.write("\r", flush=True)
            self._shown = False

    @property
    def is_live(self) -> bool:
        """Whether there is a line that is rewritten."""
        return self._live

    def tell(self, waiting: Waiting) -> None:
        """Say what is waited for; of a wait for a sibling worker the run has been told when it started."""
        if not (self._worker and waiting.sibling):
            self.say(self._in_one_line(waiting) if self._live else str(waiting))

    def say(self, text: str) -> None:
        """Say one line."""
        with self._uncaptured():
            if self._live:
                self._rewrite(PREFIX + text)
            elif self._reporter:
                self._new_line()
                self._reporter.write_line(PREFIX + text)
            elif self._worker:  # its standard error is the controller's
                print(f"{PREFIX}{self._worker}: {text}", file=sys.stderr, flush=True)

    def _uncaptured(self) -> contextlib.AbstractContextManager[object]:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()

    def _in_one_line(self, waiting: Waiting) -> str:
        """Place, holder and age come first where a line has no room for all; then what fits of the test's name."""
        from pytest_edgedevice.leases.holder import duration

        text, holder = str(waiting), waiting.holder
        if holder is None or len(PREFIX + text) <= self._columns:
            return text
        age = "" if holder.age_s is None else f" for {duration(holder.age_s)}"
        who = f"{holder.user or 'an unknown user'} (pid {holder.pid or 'unknown'}){age}"
        start = f"waiting for {waiting.wanted}: place {waiting.place}, {who}, "
        if len(PREFIX + start + holder.test) > self._columns:
            start = start.removeprefix("waiting for ")
        room = max(0, min(self._columns - len(PREFIX + start), len(holder.test)))
        return start + fit(holder.test, room) if room else start.rstrip(", ")

    def _rewrite(self, text: str) -> None:
        if not self._shown:
            self._new_line()
        self._reporter.write("\r" + fit(text, self._columns), flush=True)
        self._shown = True

    @property
    def _columns(self) -> int:
        return int(self._reporter._tw.fullwidth) - 1  # noqa: SLF001

    def _new_line(self) -> None:
        """Leave the line of results as it is; the reporter does so itself where a file's name is in front of them."""
        self._reporter.ensure_newline()
        if self._reporter._tw.width_of_current_line:  # noqa: SLF001
            self._reporter.line("")


class Transfers:
    """Tells of transfers that take long: in a line that is rewritten each second, or in a plain one every ten."""

    def __init__(self, config: pytest.Config) -> None:
        self._teller = Teller(config)
        self._due_s: dict[str, float] = {}
        self._turn = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        """Tell how far one is; it comes from a thread of the transfer's own."""
        with self._turn:
            if progress.over:
                self._due_s.pop(progress.name, None)
                self._teller.__exit__()
            elif self._teller.is_live or progress.elapsed_s >= self._due_s.get(progress.name, 0.0):
                self._due_s[progress.name] = progress.elapsed_s + EVERY_S
                self._teller.say(f"sending {progress}")


class Pauses:
    """Tells what a measurement waits for, or how far an evaluation is: in a line that is wiped, or in plain ones."""

    def __init__(self, config: pytest.Config) -> None:
        self._teller = Teller(config)

    @property
    def is_live(self) -> bool:
        """Whether there is a line that is rewritten."""
        return self._teller.is_live

    def __call__(self, text: str) -> None:
        """Say why, or how far something is; an empty text ends it."""
        if text:
            self._teller.say(text)
        else:
            self._teller.__exit__()


@contextlib.contextmanager
def telling(config: pytest.Config, text: Callable[[float], str]) -> Iterator[None]:
    """Say something at once and every ten seconds, while something else blocks.

    Args:
        config: The run's.
        text: What to say after so many seconds.
    """
    started, ended = time.monotonic(), threading.Event()
    with Teller(config) as teller:

        def repeat() -> None:
            while not ended.wait(EVERY_S):
                teller.say(text(time.monotonic() - started))

        teller.say(text(0.0))
        thread = threading.Thread(target=repeat, name="edgedevice-telling", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
