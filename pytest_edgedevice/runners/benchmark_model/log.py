"""What ``benchmark_model`` says of a run, as numbers and names; nothing is taken from its exit code or its tone.

Pure text in, values out, for both flavours: TensorFlow Lite's tool and LiteRT's, which shares its base.

Source:
    The format strings in tensorflow/lite/tools/benchmark/{benchmark_model,benchmark_tflite_model}.cc,
    core/util/stats_calculator.cc (now in XLA's tsl), lite/core/subgraph.cc, lite/delegates/utils/simple_delegate.cc,
    and litert/tools/benchmark_litert_model.h.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from pytest_edgedevice.runners.benchmark_model.report import Applied, Extent, Log, NodeCount, Operator, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHARS = 4 << 20
MOST_LINE_CHARS = 2000
MOST_ENTRIES = 10_000
_PREFIX = re.compile(r"^(?:INFO|WARN|WARNING|ERROR|VERBOSE|FATAL): (?:\[[^\]]{0,200}\] )?")
_PAIR = re.compile(r"\b(count|first|curr|min|max|avg|std)=([0-9][0-9.eE+]{0,24})")
_SAYS = re.compile(
    r"^Explicitly applied (\S{1,80}) delegate, and the model graph will be (completely|partially) executed"
    r"(?: by| w/) the delegate(?: w/ ([0-9]{1,9}) delegate kernels)?"
)
_SAYS_NOT = re.compile(r"^Though (\S{1,80}) delegate is explicitly applied, the model graph will not be executed")
_REPLACING = re.compile(
    r"^Replacing ([0-9]{1,9})(?: out of ([0-9]{1,9}))? node\(s\) with delegate \(([^()]{1,80})\) node, "
    r"yielding ([0-9]{1,9}) partitions(?: for ([a-z0-9 ]{1,40}))?"
)
_DELEGATED = re.compile(
    r"^(?:\[[^\]]{0,80}\] )?([A-Za-z0-9_ -]{1,80}?)(?: delegate)?: "
    r"([0-9]{1,9}) nodes delegated out of ([0-9]{1,9}) nodes(?: with ([0-9]{1,9}) partitions)?"
)
_TIMING = re.compile(r"(Init|First inference): ([0-9][0-9.eE+]{0,24})")
_MEMORY = re.compile(
    r"^(Memory footprint delta|Peak memory footprint)[^:]{0,40}: init=([0-9.]{1,20}) overall=([0-9.]{1,20})"
)
_PEAK = re.compile(r"^(?:Overall peak memory footprint \(MB\) via periodic monitoring|Peak memory): +([0-9.]{1,20})")
_LITERT = re.compile(r"^(Model initialization|Warmup \(first\)|Init footprint|Overall footprint): +([0-9.]{1,20}) M?")
_ROW = re.compile(
    r"^\s*(\S.{0,80}?)\s+([0-9]{1,9})\s+([0-9.]{1,20})\s+([0-9.]{1,12})%\s+[0-9.]{1,12}%\s+[0-9.]+\s+([0-9]{1,9})$"
)
_VERSION = re.compile(r"^Tensorflow Version ?: ?(\S{1,40})")
TIMINGS = ("Inference timings in us: ", "Average inference timings in us: ")
UNCONSUMED = "Unconsumed cmdline flags: "
RESTORED = "Restored original execution plan after delegate application failure"
OPERATORS = "Operator-wise Profiling Info"
TABLE = "Summary by node type"


def read_log(text: str) -> Log:
    """Read a log; what is not understood is left out, and never raises."""
    reader = _Reader()
    for line in _lines(text):
        reader.take(line)
    return reader.log()


def _lines(text: str) -> Iterator[str]:
    """Lines, of a log that is too long those at its beginning and at its end."""
    if len(text) > MOST_CHARS:
        text = text[: MOST_CHARS // 2] + "\n" + text[-MOST_CHARS // 2 :]
    for line in text.splitlines():
        yield line[:MOST_LINE_CHARS]


class _Reader:
    """Collects what the lines say."""

    def __init__(self) -> None:
        self._series: list[Statistics] = []
        self._times: dict[str, float] = {}
        self._applied: list[Applied] = []
        self._counts: list[NodeCount] = []
        self._unconsumed: list[str] = []
        self._memory: dict[str, float] = {}
        self._operators: list[Operator] = []
        self._errors: list[str] = []
        self._version = ""
        self._table = ""

    def take(self, line: str) -> None:
        said = _PREFIX.sub("", line)
        if line.startswith(("ERROR: ", "FATAL: ")) and len(self._errors) < MOST_ENTRIES:
            self._errors.append(said.strip())
        if said.startswith("count="):
            self._take_series(said)
        elif said.startswith(UNCONSUMED):
            self._unconsumed += said.removeprefix(UNCONSUMED).split()
        elif version := _VERSION.match(said):
            self._version = version[1]
        elif not self._take_delegate(said):
            self._take_numbers(said)
            self._take_table(said)

    def _take_series(self, said: str) -> None:
        found = dict(_PAIR.findall(said))
        try:
            count, last = int(found["count"]), int(found.get("curr", 0))
            first, least = int(found.get("first", last)), int(found.get("min", last))
            most, mean = int(found.get("max", last)), float(found.get("avg", last))
        except (KeyError, ValueError):
            return
        if least <= min(first, last) and max(first, last) <= most and math.isfinite(mean):
            self._series.append(Statistics(count, first, last, least, most, mean))
            del self._series[:-MOST_ENTRIES]

    def _take_delegate(self, said: str) -> bool:
        if len(self._applied) + len(self._counts) >= MOST_ENTRIES:
            return False
        if found := _SAYS.match(said):
            extent: Extent = "completely" if found[2] == "completely" else "partially"
            self._applied.append(Applied(found[1], extent, int(found[3] or 0)))
        elif found := _SAYS_NOT.match(said):
            self._applied.append(Applied(found[1], "not"))
        elif found := _REPLACING.match(said):
            taken, total, name, partitions, where = found.groups()
            self._counts.append(NodeCount(name, int(taken), int(total or 0), int(partitions), where or ""))
        elif found := _DELEGATED.match(said):
            name, taken, total, partitions = found.groups()
            self._counts.append(NodeCount(name.strip(), int(taken), int(total), int(partitions or 0), announced=True))
        elif RESTORED in said:
            self._counts.clear()
        return found is not None

    def _take_numbers(self, said: str) -> None:
        if said.startswith(TIMINGS):
            names = {"Init": "init_us", "First inference": "first_us"}
            self._times |= {names[name]: number for name, text in _TIMING.findall(said) if (number := _number(text))}
        elif found := _MEMORY.match(said):
            self._memory |= {"init": _number(found[2]) or 0.0, "overall": _number(found[3]) or 0.0}
        elif found := _PEAK.match(said):
            self._memory["peak"] = _number(found[1]) or 0.0
        elif found := _LITERT.match(said):
            number = _number(found[2]) or 0.0
            if found[1] in ("Init footprint", "Overall footprint"):
                self._memory[found[1].split()[0].lower()] = number
            elif number:
                self._times["init_us" if found[1] == "Model initialization" else "first_us"] = number * 1000

    def _take_table(self, said: str) -> None:
        """Rows of the first table of types below the heading of operators."""
        if OPERATORS in said:
            self._table, self._operators = OPERATORS, []
        elif self._table == OPERATORS and TABLE in said:
            self._table = TABLE
        elif self._table == TABLE:
            found = _ROW.match(said)
            if found and len(self._operators) < MOST_ENTRIES:
                mean, percent = _number(found[3]), _number(found[4])
                self._operators.append(Operator(found[1], int(found[2]), mean or 0.0, percent or 0.0))
            elif not found and self._operators:
                self._table = ""

    def log(self) -> Log:
        return Log(
            series=tuple(self._series),
            init_us=self._times.get("init_us"),
            first_us=self._times.get("first_us"),
            applied=tuple(self._applied),
            counts=tuple(self._counts),
            unconsumed=tuple(self._unconsumed[:MOST_ENTRIES]),
            memory_mb=self._memory,
            operators=tuple(self._operators),
            errors=tuple(self._errors),
            version=self._version,
        )


def _number(text: str) -> float | None:
    """A finite number above 0; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
