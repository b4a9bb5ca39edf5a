"""``edgedevice conformance``: which promises of the protocol does an agent keep?"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.arguments import FINE, MISUSED, WRONG, waiting
from pytest_edgedevice.cli.conforming_app import app_held
from pytest_edgedevice.cli.text import printable, printable_lines, row
from pytest_edgedevice.conformance import CHECKS, Bench, CommandAgent, Model, TcpAgent, try_all
from pytest_edgedevice.conformance.models import read_model
from pytest_edgedevice.conformance.talk import shown
from pytest_edgedevice.errors import InfraError, ModelError, TransportError, UsageError
from pytest_edgedevice.runners.model_content import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_edgedevice.conformance import Agent, Check, Outcome

SCHEMA = 1
INDENT = 15
MOST_MODEL_BYTES = 1 << 30
PORT = re.compile(r".+:[0-9]+")


def conformance(
    arguments: Sequence[str],
    *,
    models: Sequence[Path],
    only: Sequence[str],
    timeout_s: float,
    load_timeout_s: float,
    wait_s: float,
    as_json: bool,
) -> int:
    """Print what came of every check; the exit code: 2 where there was nothing to check.

    Args:
        arguments: ``HOST:PORT``, ``ios:UDID:PORT``, or a program and what it is told.
        models: Files of models; the first serves most checks.
        only: Parts of groups or names of checks; empty for all.
        timeout_s: Deadline of every answer, seconds.
        load_timeout_s: Deadline of the answer to ``load``, seconds.
        wait_s: How long to wait for a phone that somebody else holds, seconds.
        as_json: Print one JSON object at the end.
    """
    try:
        checks = _chosen(only)
        own = [_read_model(path) for path in models]
        with contextlib.ExitStack() as held:
            work = held.enter_context(
                tempfile.TemporaryDirectory(prefix="edgedevice-conformance-", ignore_cleanup_errors=True)
            )
            agent = _agent(arguments, Path(work), held, timeout_s=timeout_s, wait_s=wait_s)
            bench = Bench(agent, own, timeout_s=timeout_s, load_timeout_s=load_timeout_s)
            try:
                return _checked(bench, checks, as_json=as_json)
            finally:
                bench.leave()
    except (UsageError, ModelError, InfraError) as error:
        print(f"edgedevice: {printable_lines(str(error))}", file=sys.stderr)
        return MISUSED


def _agent(
    arguments: Sequence[str], work: Path, held: contextlib.ExitStack, *, timeout_s: float, wait_s: float
) -> Agent:
    """The agent that is meant, which can be started or reached."""
    agent: Agent
    if len(arguments) == 1 and arguments[0].startswith("ios:"):
        with waiting():
            return held.enter_context(app_held(arguments[0], timeout_s=timeout_s, wait_s=wait_s))
    if len(arguments) == 1 and PORT.fullmatch(arguments[0]):
        agent = TcpAgent(*_address(arguments[0]), timeout_s=timeout_s)
        hint = "start the agent first"
    else:
        agent = CommandAgent(arguments, work)
        hint = "give HOST:PORT, or after -- a command: edgedevice conformance -- ./my-agent --folder {folder}"
    try:
        agent.open().kill()
    except TransportError as error:
        raise TransportError(error.message, hint=hint) from error
    return agent


def _address(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != text or "@" in text:
        raise UsageError(f"{text!r} is no HOST:PORT", hint="such as 127.0.0.1:9000 or [::1]:9000")
    return host, port


def _read_model(path: Path) -> Model:
    try:
        if size_of(path) > MOST_MODEL_BYTES:
            raise UsageError(f"the model {str(path)!r} is over {MOST_MODEL_BYTES >> 30} GiB")
        return read_model(path)
    except OSError as error:
        raise UsageError(f"the model {str(path)!r} cannot be read: {error.strerror or error}") from error


def _chosen(only: Sequence[str]) -> list[Check]:
    wanted = [text.casefold() for text in only] or [""]
    chosen = [one for one in CHECKS if any(text in f"{one.group}: {one.name}".casefold() for text in wanted)]
    if not chosen:
        groups = ", ".join(dict.fromkeys(check.group for check in CHECKS))
        raise UsageError(f"no check has {' or '.join(map(repr, only))} in its name", hint=f"groups are {groups}")
    return chosen


def _checked(bench: Bench, checks: Sequence[Check], *, as_json: bool) -> int:
    begin = time.monotonic()
    outcomes: list[Outcome] = []
    group = ""
    if not as_json:
        print(f"agent: {printable(bench.agent.name)}")
    for outcome in try_all(bench, checks):
        outcomes.append(outcome)
        if as_json or outcome.status == "not run":
            continue
        if outcome.check.group != group:
            group = outcome.check.group
            print(f"\n{group}")
        _print(outcome)
    counts = Counter(outcome.status for outcome in outcomes)
    if as_json:
        print(json.dumps(_as_json(bench, outcomes, counts)))
    else:
        print()
        if bench.hello:
            print(row("it says of itself", _described(bench.hello), indent=len("it says of itself") + 2))
        if bench.without_model:
            print("no model was tried, and without one little is proven: name one of yours with --model FILE")
        if counts["not run"]:
            print("an agent that does not say hello twice in a row is not asked again")
        print(f"{_summary(counts)} in {time.monotonic() - begin:.1f} s")
    return WRONG if counts["FAILED"] or counts["not run"] or bench.without_model else FINE


def _print(outcome: Outcome) -> None:
    check = outcome.check
    reason = f": {outcome.reason}" if outcome.reason else ""
    print(row(f"  {outcome.status}", check.name + reason, indent=INDENT), flush=True)
    if outcome.came:
        print(row("", f"sent: {outcome.sent}", indent=INDENT))
        print(row("", f"came: {outcome.came}", indent=INDENT))
        print(row("", f'PROTOCOL.md, "{check.section}": {check.says}', indent=INDENT), flush=True)


def _described(hello: Mapping[str, object]) -> str:
    """What people want to know of a hello, each as JSON: it was sent by others."""
    keys = ("protocol", "engines", "arch", "system", "delegates", "window")
    return ", ".join(f"{key} {shown(hello[key])}" for key in keys if key in hello)


def _summary(counts: Mapping[str, int]) -> str:
    words = {"FAILED": "failed"}
    order = ("ok", "FAILED", "not offered", "not run")
    return ", ".join(f"{counts[status]} {words.get(status, status)}" for status in order if counts[status])


def _as_json(bench: Bench, outcomes: Iterable[Outcome], counts: Mapping[str, int]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "version": __version__,
        "agent": bench.agent.name,
        "hello": bench.hello,
        **{status.lower().replace(" ", "_"): counts[status] for status in ("ok", "FAILED", "not offered", "not run")},
        "checks": [
            {
                "group": one.check.group,
                "name": one.check.name,
                "status": one.status.lower(),
                "reason": one.reason,
                "sent": one.sent,
                "came": one.came,
                "section": one.check.section,
                "says": one.check.says,
                "ms": round(one.ms, 1),
            }
            for one in outcomes
        ],
    }
