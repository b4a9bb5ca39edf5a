"""``edgedevice run``."""

from __future__ import annotations

import argparse

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_config, add_json, add_wait

SENTENCE = "run a model in every way a device offers, and show how fast and how right each is"
DRIVES_DEVICES = True
MOST_THREADS, MOST_RUNS = 1024, 100_000
DEVICE = "local, ssh:[user@]host, adb:SERIAL, ios:UDID, a name from edgedevice.toml, or an expression"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("model", metavar="MODEL", help="the .tflite file, or Core ML's .mlpackage, .mlmodelc, .mlmodel")
    add_config(parser)
    add_json(parser)
    sentence = f"where to run it ({DEVICE}); repeat it for several, one after another"
    parser.add_argument("--device", metavar="SPEC", action="append", help=sentence)
    sentence = (
        "all (the default) that its engine has, or some: cpu, default, xnnpack, gpu, npu, nnapi, reference,"
        " external:PATH; of Core ML cpu_only, cpu_and_gpu, cpu_and_ne, coreml"
    )
    parser.add_argument("--delegate", metavar="NAMES", action="append", type=_delegates, help=sentence)
    parser.add_argument("--threads", metavar="N", type=_threads, default=(1,), help="numbers of them, e.g. 1,2,4 (1)")
    parser.add_argument(
        "--engine", metavar="NAME", default="", help="litert, tflite or coreml; by default what is there"
    )
    sentence = "inputs by the names of the model's tensors, samples along the first axis; random ones without it"
    parser.add_argument("--input", metavar="NPZ", help=sentence)
    sentence = "timed runs of each; by default as many as bounds of p95 take, within 10 seconds"
    parser.add_argument("--runs", metavar="N", type=_runs, default=0, help=sentence)
    add_wait(parser, "how long to wait while somebody else uses the device")


def run(options: argparse.Namespace) -> int:
    """Run it in every way."""
    from pytest_edgedevice.cli.running import run

    return FINE if run(options) else WRONG


def _delegates(text: str) -> tuple[str, ...]:
    """Names, in the order of the user; what is ``external:`` may hold commas."""
    names = (text,) if text.startswith("external:") else tuple(one.strip() for one in text.split(","))
    if names == ("all",):
        return names
    # what there is lives with the devices, and those bring numpy along
    from pytest_edgedevice.device.loading import check_arguments
    from pytest_edgedevice.errors import EdgeDeviceError

    try:
        for name in names:
            check_arguments(name, 1, "fail", engine="", options=None)
    except EdgeDeviceError as error:
        raise argparse.ArgumentTypeError(error.message) from error
    return names


def _threads(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_whole(one, MOST_THREADS, "threads, such as 1,2,4") for one in text.split(",")))


def _runs(text: str) -> int:
    return _whole(text, MOST_RUNS, "runs, such as 200")


def _whole(text: str, most: int, what: str) -> int:
    # isdecimal alone takes digits of any script, and int of any length takes long
    number = int(text) if text.strip().isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no number of {what}, from 1 to {most}")
    return number
