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


def compare(a: Sequence[int], b: Sequence[int]) -> Comparison:
    """Difference in success rate, with a percentile bootstrap over tasks and McNemar's p.

    Args:
        a, b: success (0 or 1) of the two arms on the same tasks, in the same order.
    """
    assert len(a) == len(b) > 0, f"{len(a)} against {len(b)} tasks"
    diffs = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means = diffs[rng.integers(0, len(diffs), (BOOTSTRAP_SAMPLES, len(diffs)))].mean(axis=1)
    lo, hi = np.percentile(means, [2.5, 97.5])
    p = mcnemar_exact(int((diffs > 0).sum()), int((diffs < 0).sum()))
    return Comparison(float(diffs.mean()), float(lo), float(hi), p)
