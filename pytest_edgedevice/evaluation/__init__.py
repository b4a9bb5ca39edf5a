"""Whole data sets on a model: where samples come from, how they are scored, what the scores show.

Knows models only as something that runs chunks of samples, and no devices, pytest or checks.
"""

from __future__ import annotations

from pytest_edgedevice.evaluation.aggregates import Aggregate, MeanAveragePrecision
from pytest_edgedevice.evaluation.dataset import Dataset, Sample
from pytest_edgedevice.evaluation.evaluating import evaluate
from pytest_edgedevice.evaluation.result import Evaluation, Score, Worst
from pytest_edgedevice.evaluation.sources import from_arrays, from_folder, from_npz, from_samples
from pytest_edgedevice.evaluation.variants import VariantTable, compare_variants

__all__ = [
    "Aggregate",
    "Dataset",
    "Evaluation",
    "MeanAveragePrecision",
    "Sample",
    "Score",
    "VariantTable",
    "Worst",
    "compare_variants",
    "evaluate",
    "from_arrays",
    "from_folder",
    "from_npz",
    "from_samples",
]
