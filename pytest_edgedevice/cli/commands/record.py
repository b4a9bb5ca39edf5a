"""``edgedevice record``."""

from __future__ import annotations

import argparse

from pytest_edgedevice.cli.arguments import FINE, add_json, add_wait, seconds

SENTENCE = "record a golden set: inputs, your server's answers to them, and where those come from"
DRIVES_DEVICES = False
MOST_BATCH = 1 << 20
TIMEOUT_S = 60.0
SOURCES = (
    "module:function, file.py:function, a server of the Open Inference Protocol "
    "(http(s)://HOST:PORT/v2/models/NAME[/versions/VERSION]), FILE.onnx, FILE.tflite, FILE.npz or FILE.npy"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add = parser.add_argument
    add("name", metavar="NAME", help="the golden: goldens/NAME, or a path to its folder")
    add("--from", dest="source", metavar="SOURCE", required=True, help=f"what answers: {SOURCES}")
    sentence = "inputs: FILE.npz, NAME=FILE.npy, NAME=FILE.npz#ARRAY or NAME=FOLDER of images; one or several"
    add("--inputs", metavar="INPUTS", nargs="+", action="extend", default=[], help=sentence)
    sentence = "what is done to the images: JSON, or a file of it, with the keys that golden.json has for an input"
    add("--preprocess", metavar="JSON", default="", help=sentence)
    sentence = "a model that the golden is for: its names and shapes are checked, and its hash is noted; repeatable"
    add("--model", metavar="FILE", action="append", default=[], help=sentence)
    sentence = "a server's output that the device calls otherwise; repeatable"
    add("--output-map", metavar="SERVER=DEVICE", action="append", type=pair, default=[], help=sentence)
    sentence = "an input that the server calls otherwise; repeatable"
    add("--input-map", metavar="GOLDEN=SERVER", action="append", type=pair, default=[], help=sentence)
    sentence = "record this output of the server only; repeatable"
    add("--output", metavar="NAME", action="append", default=[], help=sentence)
    sentence = "order of the axes of one sample for the server, or of what it gives, e.g. image=2,0,1; repeatable"
    add("--transpose", metavar="NAME=AXES", action="append", type=sizes, default=[], help=sentence)
    sentence = "shape of one sample for the server, or of what it gives, e.g. image=64; repeatable"
    add("--reshape", metavar="NAME=SIZES", action="append", type=sizes, default=[], help=sentence)
    add(
        "--batch", metavar="N", type=_batch, default=0, help="most samples at once; by default as the source takes them"
    )
    sentence = "a server's output that may be the same for all samples; repeatable"
    add("--constant-output", metavar="NAME", action="append", default=[], help=sentence)
    sentence = "copy the inputs into the golden; without it, it knows them by their hash only"
    add("--keep-inputs", action="store_true", help=sentence)
    sentence = "folder with the inputs of a golden that is there and knows them by their hash; repeatable"
    add("--inputs-from", metavar="FOLDER", action="append", default=[], help=sentence)
    sentence = f"deadline of each request to a server ({TIMEOUT_S:g})"
    add("--timeout", metavar="SECONDS", type=_deadline, default=TIMEOUT_S, help=sentence)
    sentence = "environment variable with a header for a server, such as 'Authorization: Bearer TOKEN'"
    add("--header-env", metavar="VARIABLE", default="", help=sentence)
    add("--note", metavar="TEXT", help="free text for the provenance")
    add("--force", action="store_true", help="replace what is there")
    add_wait(parser, "how long to wait while somebody measures on this machine, which a .tflite file runs on")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Record, and say what was recorded."""
    from pytest_edgedevice.cli.recording import record_golden

    record_golden(options)
    return FINE


def pair(text: str) -> tuple[str, str]:
    """Two names."""
    first, _, second = text.partition("=")
    if not first or not second:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no NAME=OTHER")
    return first, second


def sizes(text: str) -> tuple[str, tuple[int, ...]]:
    """A name and whole numbers."""
    name, _, listed = text.rpartition("=")
    parts = [part.strip() for part in listed.split(",")]
    if not name or len(parts) > 32 or not all(part.removeprefix("-").isdecimal() and len(part) < 10 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no NAME with whole numbers, such as image=2,0,1")
    return name, tuple(int(part) for part in parts)


def _batch(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST_BATCH:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no number of samples, from 1 to {MOST_BATCH}")
    return number


def _deadline(text: str) -> float:
    number = seconds(text)
    if not 0 < number <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no deadline: more than 0 seconds, at most a day")
    return number
