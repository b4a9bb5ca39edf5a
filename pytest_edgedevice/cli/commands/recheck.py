"""``edgedevice recheck``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_json, milliseconds, share

if TYPE_CHECKING:
    import argparse

SENTENCE = "judge the latencies of a record file again, by other budgets"
DRIVES_DEVICES = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("records", metavar="RECORDS", type=Path, help="file of --edge-report json=RECORDS")
    add_json(parser)
    for percent in (50, 90, 95, 99):
        parser.add_argument(
            f"--p{percent}-ms",
            metavar="MS",
            dest="quantiles",
            action="append",
            type=partial(_budget_of, percent / 100),
            help=f"budget of the {percent}th percentile; without budgets those of the records",
        )
    parser.add_argument(
        "--quantile", metavar="Q=MS", dest="quantiles", action="append", type=_budget, help="e.g. 0.999=250"
    )
    parser.add_argument("--confidence", metavar="SHARE", type=share, help="by default that of each record")
    parser.add_argument("--allow-emulated", action="store_true", help="judge times of emulated devices too")


def run(options: argparse.Namespace) -> int:
    """Judge them."""
    from pytest_edgedevice.cli.recheck import recheck

    asked = {name: getattr(options, name) for name in ("quantiles", "confidence", "allow_emulated")}
    return FINE if recheck(options.records, as_json=options.json, **asked) else WRONG


def _budget(text: str) -> tuple[float, float]:
    quantile, _, budget = text.partition("=")
    return _budget_of(share(quantile), budget)


def _budget_of(quantile: float, text: str) -> tuple[float, float]:
    return quantile, milliseconds(text)
