"""Intervals and paired tests; all intervals are 95 %, given by their two ends.

Episodes of one cluster are alike: all seeds of a task, and the tasks that `cluster_of` puts
together. They tell less than as many unrelated ones, so every interval and test takes clusters into
account, by three rules:

- A rate and a difference of rates have score intervals (Wilson's, Tango's) of the effective number
  of episodes, which is smaller the more alike the episodes of a cluster are.
- Means of other figures have a percentile bootstrap that draws whole clusters.
- p is exact: every cluster's difference could as well have had the other sign. Where each cluster
  is one pair, that is McNemar's exact test.

Why not the bootstrap for rates too: where hardly a pair differs, its interval has hardly a width,
and none where no pair does. (Newcombe's interval of paired rates has that fault where no pair
differs and half of them are wins; Tango's has not.) Elsewhere both agree, which a test shows.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

import numpy as np

from hintdistill.evaluation.figures import Comparison, Difference

BOOTSTRAP_SAMPLES = 10_000
BOOTSTRAP_SEED = 0
Z = NormalDist().inv_cdf(0.975)
Z_POWER = NormalDist().inv_cdf(0.8)


def cluster_of(task_id: str) -> str:
    """The part of an id before the slash: ALFWorld's task folder, WebShop's product.

    A folder holds trials of one task in one room; a product, goals that want it in other words. An
    id without a slash is a cluster of its own.
    """
    return task_id.partition("/")[0]


def effective_n(values: Sequence[float], clusters: Sequence[str]) -> float:
    """How many unrelated values would tell as much about the mean as these of clusters do.

    n divided by the design effect (Rao and Scott 1992, "A simple method for the analysis of
    clustered binary data"): the variance of the mean over clusters, divided by what it would be if
    all values were unrelated. It is never more than n. Where all values are equal, nothing shows
    how alike those of a cluster are, and a cluster counts as one.
    """
    n, names = len(values), sorted(set(clusters))
    if len(names) in (1, n) or min(values) == max(values):
        return len(names)
    off = np.asarray(values, dtype=float) - fmean(values)
    totals = np.bincount(np.searchsorted(names, clusters), off)
    unrelated = (off**2).sum() / (n - 1)
    clustered = (totals**2).sum() / (len(names) - 1) * len(names) / n
    return float(n / max(1.0, clustered / unrelated))


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927); n may be an effective number."""
    p = successes / n
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def rate(successes: Sequence[int], clusters: Sequence[str]) -> tuple[float, float]:
    """The interval of a success rate: Wilson's, of the effective number of episodes."""
    n = effective_n(successes, clusters)
    return wilson(fmean(successes) * n, n)


def tango(only_a: float, only_b: float, n: float) -> tuple[float, float]:
    """Tango's score interval of the difference of two paired proportions (Tango 1998).

    "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17, 891-908. Its ends are the differences that a
    score test does not quite reject, given the likeliest share `q` of pairs that only b wins.

    Args:
        only_a: pairs that a wins and b loses; `only_b` the other way; effective numbers will do.
        n: all pairs.
    """
    from scipy.optimize import brentq  # here, since it takes seconds to import

    def rejected(delta: float) -> float:
        linear = (2 * n - only_a + only_b) * delta - only_a - only_b
        root = sqrt(max(0.0, linear**2 + 8 * n * only_b * delta * (1 - delta)))
        q = (root - linear) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        return (only_a - only_b - n * delta) ** 2 - Z**2 * variance

    diff, beside = (only_a - only_b) / n, 1e-12  # at diff itself the variance may be 0
    lo = -1.0 if diff <= -1 + beside else brentq(rejected, -1, diff - beside)
    hi = 1.0 if diff >= 1 - beside else brentq(rejected, diff + beside, 1)
    return float(lo), float(hi)


def sign_flip_p(totals: Sequence[int]) -> float:
    """Two-sided exact p of a sum whose terms could each as well have had the other sign.

    Fisher's randomisation test (Fisher 1935, The Design of Experiments, 21), all sign patterns
    counted by their sums. Where the terms are 1, -1 and 0, it is McNemar's exact test. It asks that
    under the null hypothesis a term be as likely as its opposite: so it is where two arms have the
    same seeds; where an arm of one seed meets one of several, it holds for many clusters.
    """
    sizes = [abs(total) for total in totals if total]
    share = np.ones(1)  # of the sign patterns, by their sum, from the least to the greatest
    for size in sizes:
        share = (np.pad(share, (0, 2 * size)) + np.pad(share, (2 * size, 0))) / 2
    sums = np.arange(len(share)) - sum(sizes)
    return min(1.0, float(share[np.abs(sums) >= abs(sum(totals))].sum()))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each of a family of tests, in the same order (Holm 1979)."""
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = least
    return adjusted


def smallest_difference(n: float, discordant: float) -> float:
    """The true difference of paired proportions that n pairs show in 80 of 100 such experiments.

    Shown is one whose two-sided p is below 0.05. Solves Connor's formula for the difference d
    (Connor 1987, "Sample size for testing differences in proportions for the paired-sample
    design", Biometrics 43, 207-211): sqrt(n) d = 1.96 sqrt(s) + 0.84 sqrt(s - d^2). s, the share of
    pairs that differ, is the observed one, `discordant`, or d where that is larger, since it can't
    be less than d. 1 where n shows no difference at all.
    """
    from scipy.optimize import brentq

    def spare(d: float) -> float:
        s = max(discordant, d)
        return sqrt(n) * d - Z * sqrt(s) - Z_POWER * sqrt(max(0.0, s - d * d))

    return 1.0 if spare(1.0) <= 0 else float(brentq(spare, 1e-9, 1.0))


def bootstrap_mean(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """Percentile bootstrap of a mean, drawing clusters whole (Davison and Hinkley 1997, 3.8)."""
    names = sorted(set(clusters))
    which = np.searchsorted(names, clusters)
    totals, sizes = np.bincount(which, values), np.bincount(which)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = rng.integers(0, len(names), (BOOTSTRAP_SAMPLES, len(names)))
    lo, hi = np.percentile(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    return float(lo), float(hi)


def mean_difference(a: Sequence[float], b: Sequence[float], clusters: Sequence[str]) -> Difference:
    """Difference in the mean of a figure of two arms, whose episodes are pairs in this order."""
    diffs = [x - y for x, y in zip(a, b, strict=True)]
    lo, hi = bootstrap_mean(diffs, clusters)
    return Difference(diff=fmean(diffs), lo=lo, hi=hi)


def compare(a: Sequence[int], b: Sequence[int], clusters: Sequence[str]) -> Comparison:
    """Difference in success (0 or 1) of two arms, whose episodes are pairs in this order."""
    diffs = [x - y for x, y in zip(a, b, strict=True)]
    n = effective_n(diffs, clusters)
    only_a, only_b = diffs.count(1), diffs.count(-1)
    lo, hi = tango(only_a * n / len(diffs), only_b * n / len(diffs), n)
    totals = dict.fromkeys(clusters, 0)
    for cluster, diff in zip(clusters, diffs, strict=True):
        totals[cluster] += diff
    return Comparison(
        diff=fmean(diffs),
        lo=lo,
        hi=hi,
        p=sign_flip_p(list(totals.values())),
        test="mcnemar" if len(totals) == len(diffs) else "sign_flip",
        pairs=len(diffs),
        clusters=len(totals),
        effective=n,
        only_a=only_a,
        only_b=only_b,
        smallest=smallest_difference(n, (only_a + only_b) / len(diffs)),
    )
