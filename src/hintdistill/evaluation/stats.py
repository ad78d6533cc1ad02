"""Intervals and paired tests; all intervals are 95 %, given by their two ends."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from hintdistill.evaluation.figures import Comparison, Difference

BOOTSTRAP_SAMPLES = 10_000
BOOTSTRAP_SEED = 0


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927)."""
    from scipy.stats import binomtest  # here, since it takes seconds to import

    found = binomtest(successes, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(found.low), float(found.high)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test: p of so uneven a split of the discordant pairs."""
    from scipy.stats import binomtest

    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def bootstrap_mean(values: Sequence[float]) -> tuple[float, float]:
    """Percentile bootstrap of a mean; paired, where the values are differences on one task each."""
    array = np.asarray(values, dtype=float)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means = array[rng.integers(0, len(array), (BOOTSTRAP_SAMPLES, len(array)))].mean(axis=1)
    lo, hi = np.percentile(means, [2.5, 97.5])
    return float(lo), float(hi)


def _differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """How much more arm a has than arm b, task by task."""
    assert len(a) == len(b) > 0, f"{len(a)} against {len(b)} tasks"
    return [float(x) - float(y) for x, y in zip(a, b, strict=True)]


def mean_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Difference in mean reward of two arms on the same tasks, in the same order."""
    diffs = _differences(a, b)
    lo, hi = bootstrap_mean(diffs)
    return Difference(diff=fmean(diffs), lo=lo, hi=hi)


def compare(a: Sequence[int], b: Sequence[int]) -> Comparison:
    """Difference in success (0 or 1) of two arms on the same tasks, in the same order."""
    diffs = _differences(a, b)
    lo, hi = bootstrap_mean(diffs)
    p = mcnemar_exact(sum(diff > 0 for diff in diffs), sum(diff < 0 for diff in diffs))
    return Comparison(diff=float(np.mean(diffs)), lo=lo, hi=hi, p=p)
