"""Records of a made-up team with many phones, models and conversions: what reports are drawn from in tests.

Always the same for the same size. Nothing in them was measured.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from typing import Any

from pytest_edgedevice.records import Record, pack

VARIANTS = {
    "float32": (1.0, 1.0, 2e-6),
    "float16": (0.5, 0.8, 4e-4),
    "dynamic_int8": (0.27, 0.75, 8e-3),
    "int8": (0.26, 0.45, 3e-2),
}
"""Share of the size, share of the time, and error of each conversion."""
DELEGATES = {"cpu": 1.0, "xnnpack": 0.4, "gpu": 0.15, "npu": 0.08}
MODELS = ("face_detector", "segmenter", "card_reader", "pose", "digits")
DEVICES = ("pixel8", "galaxy-a54", "jetson", "ssh:pi@kitchen", "local")
PLACES = (DEVICES, DELEGATES, MODELS, VARIANTS)
FACTS = {
    "os": "android",
    "android": True,
    "arch": "arm64",
    "cores": 8,
    "sdk": 34,
    "model": "Pixel 8",
    "gpu_api": "Vulkan 1.3",
}


def records(cells: int, *, runs: int = 400) -> list[Record]:
    """Five records for each cell: closeness, latency, memory, profile and accuracy."""
    chance = random.Random(8)
    several = ((round_, *rest) for round_ in itertools.count() for rest in itertools.product(*PLACES))
    return [one for place in itertools.islice(several, cells) for one in _cell(*place, chance=chance, runs=runs)]


def record(check: str = "metric", verdict: str = "pass", **fields: Any) -> Record:
    """One record as written, with what a test needs to change."""
    filled = {
        "schema": 1,
        "version": "0.1.0",
        "time": "2026-11-22T12:56:57.875+00:00",
        "test": "tests/test_it.py::test_a[cpu]",
        "worker": "",
        "check": check,
        "verdict": verdict,
        "outcome": {"pass": "passed", "fail": "failed"}.get(verdict, verdict),
        "message": "" if verdict == "pass" else f"{check} went wrong",
        "model": model(),
        "engine": {"name": "litert", "version": "2.3.0", "threads": 1},
        "delegate": placement("cpu"),
        "device": {"name": "local", "facts": FACTS, "recovered": [], "conditions": {}},
        "device_log": {},
        "repeated": "",
        "numbers": {},
    }
    return {**filled, **fields}


def model(name: str = "m.tflite", variant: str = "float32", size_bytes: int = 229_714) -> dict[str, Any]:
    """A model; its content goes by its name."""
    return {
        "name": name,
        "sha256": hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(),
        "size_bytes": size_bytes,
        "variant": variant,
    }


def placement(delegate: str) -> dict[str, Any]:
    """A delegate that took everything."""
    told = {"requested": delegate, "proven": delegate, "nodes": 64, "delegated": 64, "partitions": 1, "left_over": {}}
    return {**told, "evidence": "1 delegate nodes in the prepared graph"}


def _cell(
    round_: int, device: str, delegate: str, stem: str, variant: str, *, chance: random.Random, runs: int
) -> list[Record]:
    size, speed, error = VARIANTS[variant]
    heavy = 1.0 + MODELS.index(stem)
    p50_ms = 18.0 * heavy * speed * DELEGATES[delegate] * (1 + DEVICES.index(device) / 3)
    samples = [int(p50_ms * 1e6 * (1 + chance.expovariate(12) + 0.02 * math.sin(one / 20))) for one in range(runs)]
    ranked = sorted(samples)
    quantile = {f"p{name}_ms": ranked[int(len(ranked) * name / 100)] / 1e6 for name in (50, 90, 95, 99)}
    slow, wrong = quantile["p95_ms"] > 60, variant == "int8" and delegate == "npu"
    name = f"{stem}{f'_{round_}' if round_ else ''}_{variant}.tflite"
    about: dict[str, Any] = {
        "test": f"tests/test_{stem}.py::test_{stem}{round_ or ''}[{device}-{delegate}-{variant}]",
        "model": model(name, variant, int(4e6 * heavy * size)),
        "delegate": placement(delegate),
        "device": {"name": device, "facts": {**FACTS, "name": device}, "recovered": [], "conditions": {}},
        "outcome": "failed" if slow or wrong else "passed",
    }
    text = f"p95 is not < 60 ms: 95 % interval [{quantile['p90_ms']:.4g}, {quantile['p99_ms']:.4g}], n={runs}"
    return [
        record(
            "latency",
            "fail" if slow else "pass",
            **about,
            message=text if slow else "",
            numbers=_latency(quantile, samples, slow=slow),
        ),
        record(
            "close",
            "fail" if wrong else "pass",
            **about,
            numbers=_close(error, wrong=wrong),
            message="output 'scores' differs from its reference in 37 of 896 elements (4.1 %)" if wrong else "",
        ),
        record("memory", **about, numbers=_memory(30 * heavy * size)),
        record("profile", **about, numbers=_profile(p50_ms, delegate)),
        record("accuracy", **about, numbers=_accuracy(0.97 - 2 * error * chance.random())),
    ]


def _latency(quantile: dict[str, float], samples: list[int], *, slow: bool) -> dict[str, Any]:
    moments = ["before", "during 1", "during 2", "during 3", "after"]
    budget = {"quantile": 0.95, "budget_ms": 60, "verdict": "fail" if slow else "pass", "reason": ""}
    return {
        **quantile,
        "batch": 1,
        "confidence": 0.95,
        "load_ms": 41.5,
        "first_ms": quantile["p50_ms"] * 2.4,
        "warmup_runs": 60,
        "judged_from": 0,
        "look_confidence": 0.98,
        "drift": 0.0,
        "cold": True,
        "runs": len(samples),
        "steady": True,
        "emulated": False,
        "reason": "",
        "needed": {},
        "singles": [],
        "disturbances": [],
        "waited_s": 0.0,
        "budgets": [{**budget, "lower_ms": quantile["p90_ms"], "upper_ms": quantile["p99_ms"]}],
        "baseline": {
            "verdict": "pass",
            "median_ms": quantile["p50_ms"],
            "usual_ms": quantile["p50_ms"] * 0.97,
            "limit_ms": quantile["p50_ms"] * 1.1,
            "runs": 12,
            "reason": "",
        },
        "conditions": {
            name: {
                "temperature_c": 38.0 + 2.5 * place,
                "clock_khz": 2_900_000 - 90_000 * place,
                "load_1min": 0.4,
                "governor": "schedutil",
            }
            for place, name in enumerate(moments)
        },
        "samples_ns": pack(samples),
        "more_samples_ns": {},
        "more": {},
    }


def _close(error: float, *, wrong: bool) -> dict[str, Any]:
    outputs = []
    for name, shape in (("scores", "(20, 896, 1)"), ("boxes", "(20, 896, 16)")):
        worst = {
            "sample": 3,
            "id": "night-3",
            "index": [417, 0],
            "actual": 0.741,
            "reference": 0.741 + error,
            "error": error,
        }
        edges = [error * place / 20 for place in range(21)]
        outputs.append(
            {
                "name": name,
                "close": not wrong,
                "atol": 1e-3,
                "rtol": 0.0,
                "actual": f"float32 {shape}",
                "reference": f"float32 {shape}",
                "elements": 17920,
                "mismatches": 37 if wrong else 0,
                "share": 37 / 896 if wrong else 0.0,
                "worst": worst,
                "needed_atol": error,
                "needed_rtol": 0.1,
                "max_abs_error": error,
                "cosine": 0.9999,
                "actual_nonfinite": 0,
                "reference_nonfinite": 0,
                "dead": "",
                "structure": [],
                "hint": "",
                "metrics": {"psnr": 61.2, "ssim": 0.998},
                "histogram": {"edges": edges, "counts": [int(900 * math.exp(-place / 4)) for place in range(20)]},
                **(
                    {
                        "blame": {
                            "likely": "delegate",
                            "observations": {"cpu": 2e-6, "npu": error},
                            "text": "the same model with delegate 'cpu' agrees, so the delegate is the likely cause",
                        },
                        "artifact": ".edgedevice/kept/scores.npz",
                    }
                    if wrong
                    else {}
                ),
            }
        )
    return {"samples": 20, "golden": "faces", "extra": [], "missing": [], "outputs": outputs}


def _memory(observed: float) -> dict[str, Any]:
    resources = {
        "peak_bytes": 51_421_184,
        "before_load_bytes": 45_371_392,
        "memory_counter": "VmHWM since the load began",
        "cpu_load_percent": 14.5,
        "energy_mj": None,
        "energy_source": "",
        "problems": {"energy": "this device tells no energy: no RAPL, no power sensor, no battery"},
    }
    return {"observed": observed, "limit": 400.0, "unit": "MB", "reason": "", "resources": resources}


def _profile(total_ms: float, delegate: str) -> dict[str, Any]:
    shares = {"CONV_2D": 0.49, "DEPTHWISE_CONV_2D": 0.28, "ADD": 0.12, "PAD": 0.06, "RESHAPE": 0.05}
    operators = [
        {"name": name, "delegate": delegate, "count": 21, "time_ms": total_ms * share, "share": share}
        for name, share in shares.items()
    ]
    return {
        "runs": 50,
        "total_ms": total_ms,
        "operators": operators,
        "others": {"types": 0, "time_ms": 0},
        "reason": "",
    }


def _accuracy(value: float) -> dict[str, Any]:
    slices = [
        {
            "tag": tag,
            "samples": count,
            "value": value - less,
            "lower": value - less - 0.03,
            "upper": value - less + 0.02,
            "at_least": 0.8,
            "verdict": "pass",
        }
        for tag, count, less in (("day", 700, 0.0), ("night", 120, 0.06))
    ]
    return {
        "dataset": "validation",
        "metric": "top-1",
        "samples": 820,
        "value": value,
        "lower": value - 0.01,
        "upper": value + 0.01,
        "confidence": 0.95,
        "at_least": 0.9,
        "slices": slices,
        "worst": [{"id": "night-17", "score": 0.02}, {"id": "night-44", "score": 0.11}],
        "seconds": 31.2,
    }
