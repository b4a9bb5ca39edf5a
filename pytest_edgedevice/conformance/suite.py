"""All checks, tried in order; none stops another."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.conformance.check import (
    FAILED,
    NOT_OFFERED,
    NOT_RUN,
    OK,
    Check,
    NotOfferedError,
    Outcome,
    PromiseError,
    UnreachableError,
)
from pytest_edgedevice.conformance.checks.app import APP
from pytest_edgedevice.conformance.checks.blobs import BLOBS
from pytest_edgedevice.conformance.checks.coreml import COREML
from pytest_edgedevice.conformance.checks.endings import ENDINGS
from pytest_edgedevice.conformance.checks.folders import FOLDERS
from pytest_edgedevice.conformance.checks.frames import FRAMES
from pytest_edgedevice.conformance.checks.greeting import GREETING
from pytest_edgedevice.conformance.checks.loading import LOADING
from pytest_edgedevice.conformance.checks.measuring import MEASURING
from pytest_edgedevice.conformance.checks.refusals import REFUSALS
from pytest_edgedevice.conformance.checks.running import RUNNING
from pytest_edgedevice.conformance.talk import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.conformance.bench import Bench

GROUPS = (GREETING, BLOBS, LOADING, FOLDERS, RUNNING, COREML, REFUSALS, MEASURING, APP, FRAMES, ENDINGS)
CHECKS: tuple[Check, ...] = tuple(itertools.chain.from_iterable(group.checks for group in GROUPS))
MOST_OPENINGS = 2
"""An agent that does not say hello so many times in a row is not asked again: each silence costs a deadline."""


def try_all(bench: Bench, checks: Sequence[Check] = CHECKS) -> Iterator[Outcome]:
    """Try the checks, each outcome as it comes; whatever the agent does, none raises."""
    for _, group in itertools.groupby(checks, key=lambda check: check.group):
        try:
            for check in group:
                if bench.failed_openings >= MOST_OPENINGS:
                    yield Outcome(check, NOT_RUN, reason="it did not say hello")
                    continue
                yield _try(bench, check)
        finally:
            bench.leave()


def _try(bench: Bench, check: Check) -> Outcome:
    begin = time.monotonic()
    status, reason, sent, came = OK, "", "", ""
    try:
        check.run(bench)
    except NotOfferedError as error:
        status, reason = NOT_OFFERED, str(error)
    except UnreachableError as error:
        # that is the promise that was broken, whatever the check was about to try
        check = dataclasses.replace(check, section="The stream", says="The agent writes one `hello` frame, unasked")
        status, sent, came = FAILED, NOTHING, str(error)
        bench.leave()
    except PromiseError as error:
        status, sent, came = FAILED, bench.sent, str(error)
        bench.leave()
    except Exception as error:  # noqa: BLE001 - no answer may keep the next check from being tried
        status, sent, came = (
            FAILED,
            bench.sent,
            f"an answer that cannot be understood ({type(error).__name__}: {error})",
        )
        bench.leave()
    return Outcome(check, status, reason, sent, came, (time.monotonic() - begin) * 1000)
