"""Intervals and paired tests; all intervals are 95 %."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

BOOTSTRAP_SAMPLES = 10_000
BOOTSTRAP_SEED = 0


class Interval(NamedTuple):
    lo: float
    hi: float


class Comparison(NamedTuple):
    """Arm a minus arm b on the same tasks."""

    diff: float
    lo: float
    hi: float
    p: float


def wilson(successes: int, n: int) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927)."""
    found = binomtest(successes, n).proportion_ci(confidence_level=0.95, method="wilson")
    return Interval(float(found.low), float(found.high))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test: p of so uneven a split of the discordant pairs."""
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def bootstrap_mean(values: Sequence[float]) -> Interval:
    """Percentile bootstrap of a mean; paired, where the values are differences on one task each."""
    array = np.asarray(values, dtype=float)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means = array[rng.integers(0, len(array), (BOOTSTRAP_SAMPLES, len(array)))].mean(axis=1)
    lo, hi = np.percentile(means, [2.5, 97.5])
    return Interval(float(lo), float(hi))


def differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """What arm a has more than arm b, task by task."""
    assert len(a) == len(b) > 0, f"{len(a)} against {len(b)} tasks"
    return [float(x) - float(y) for x, y in zip(a, b, strict=True)]


def compare(a: Sequence[int], b: Sequence[int]) -> Comparison:
    """Difference in success rate, with a bootstrap over tasks and McNemar's p.

    Args:
        a, b: success (0 or 1) of the two arms on the same tasks, in the same order.
    """
    diffs = differences(a, b)
    p = mcnemar_exact(sum(diff > 0 for diff in diffs), sum(diff < 0 for diff in diffs))
    return Comparison(float(np.mean(diffs)), *bootstrap_mean(diffs), p)
