"""Statistics against published worked examples, other ways to compute them, and each other."""

from math import comb
from statistics import fmean

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, binomtest, permutation_test

from hintdistill.evaluation.pairs import compare_means, compare_success, pairs_of
from hintdistill.evaluation.stats import (
    Z,
    bootstrap_mean,
    cluster_of,
    compare,
    effective_n,
    holm,
    rate,
    sign_flip_p,
    smallest_difference,
    tango,
    wilson,
)
from hintdistill.evaluation.variants import read_episodes

# Pairs won by both, only by a, only by b, by none. Patients with complete response before and
# after a consolidation therapy (Cavo et al. 2012), and children with airway hyper-responsiveness
# before and after a transplantation (Bentur et al. 2009), the examples of chapter 8 in Fagerland,
# Lydersen and Laake 2017, Statistical Analysis of Contingency Tables.
CAVO, BENTUR = (59, 6, 16, 80), (1, 1, 7, 12)


def of_table(both, only_a, only_b, none):
    """Successes of two arms, every pair a cluster of its own."""
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * none
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * none
    return a, b, [str(i) for i in range(len(a))]


def test_wilson_against_published_values_and_scipy():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    for wins, n in ((0, 1), (3, 7), (20, 20)):
        found = binomtest(wins, n).proportion_ci(0.95, method="wilson")
        assert wilson(wins, n) == pytest.approx((found.low, found.high))


def test_tango_against_published_values():
    assert tango(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    found = compare(*of_table(*CAVO))
    assert (found.diff, found.lo, found.hi) == pytest.approx((-0.0621, -0.1240, -0.0054), abs=5e-5)
    assert found.p == pytest.approx(0.052479, abs=5e-7)
    assert (found.test, found.pairs, found.clusters, found.effective) == ("mcnemar", 161, 161, 161)


def score_interval(only_a, only_b, n):
    """Tango's interval the long way: the score test inverted, its nuisance maximised by search."""

    def statistic(delta):
        def unlikely(q):
            shares = (q + delta, q, 1 - 2 * q - delta)
            counts = (only_a, only_b, n - only_a - only_b)
            return -sum(k * np.log(max(s, 1e-300)) for k, s in zip(counts, shares, strict=True))

        bounds = (max(0.0, -delta), (1 - delta) / 2)
        q = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (only_a - only_b - n * delta) / np.sqrt(n * (2 * q + delta - delta**2))

    diff = (only_a - only_b) / n
    return (
        brentq(lambda d: statistic(d) - Z, -0.999, diff - 1e-6),
        brentq(lambda d: statistic(d) + Z, diff + 1e-6, 0.999),
    )


@pytest.mark.parametrize("counts", [(6, 16, 161), (1, 7, 21), (25, 1, 134), (1, 0, 134)])
def test_tango_is_the_inverted_score_test(counts):
    assert tango(*counts) == pytest.approx(score_interval(*counts), abs=1e-4)


def test_tango_has_a_width_where_no_pair_differs_or_all_do():
    edge = Z**2 / (134 + Z**2)  # of its equation with no discordant pair
    assert tango(0, 0, 134) == pytest.approx((-edge, edge))
    end = (9 - Z**2) / (9 + Z**2)  # of its equation where all pairs are won by one
    assert tango(9, 0, 9) == pytest.approx((end, 1))
    assert tango(0, 9, 9) == pytest.approx((-1, -end))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 9)), min_size=1))
def test_compare_is_antisymmetric_and_repeatable(pairs):
    a, b, clusters = ([pair[i] for pair in pairs] for i in range(3))
    clusters = [str(cluster) for cluster in clusters]
    forth, back = compare(a, b, clusters), compare(b, a, clusters)
    assert forth == compare(a, b, clusters)
    assert forth.lo <= forth.diff <= forth.hi
    assert (forth.diff, forth.lo, forth.p) == pytest.approx((-back.diff, -back.hi, back.p))
    assert 0 < forth.effective <= forth.pairs


def test_mcnemar_is_the_sign_flip_test_of_single_pairs():
    assert sign_flip_p([]) == sign_flip_p([0, 0]) == 1.0
    assert sign_flip_p([1] * 5) == pytest.approx(0.0625)
    assert sign_flip_p([1, *[-1] * 7]) == sign_flip_p([-1, *[1] * 7]) == pytest.approx(0.0703125)
    found = compare(*of_table(*BENTUR))
    assert found.p == pytest.approx(binomtest(1, 8).pvalue) and found.test == "mcnemar"


def test_sign_flips_against_scipy_and_by_clusters():
    totals = [3, -1, 2, 2, 0, 1, -2, 3, 1]
    every = permutation_test(
        (np.array(totals),), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(totals) == pytest.approx(every.pvalue)
    # Six wins of one cluster are one coin's throw, not six.
    a, b = [1] * 6 + [0] * 6, [0] * 12
    found = compare(a, b, ["x"] * 6 + [str(i) for i in range(6)])
    assert found.p == 1.0 and found.test == "sign_flip" and found.clusters == 7


def test_alike_values_of_a_cluster_count_once_and_unlike_ones_each():
    alone = [str(i) for i in range(40)]
    wins = [1, 0, 0, 1, 0, 1, 1, 0] * 5
    assert effective_n(wins, alone) == 40
    # Three seeds with the same outcome tell what one tells.
    assert effective_n(wins * 3, alone * 3) == pytest.approx(40, rel=0.02)
    assert rate(wins * 3, alone * 3) == pytest.approx(rate(wins, alone), abs=0.002)
    # Clusters whose episodes differ more than chance does do not make n larger.
    assert effective_n([1, 0] * 20, [str(i // 2) for i in range(40)]) == 40
    # Where nothing shows how alike they are, a cluster is one.
    assert effective_n([1] * 40, [str(i // 4) for i in range(40)]) == 10
    assert effective_n(wins, ["one"] * 40) == 1


def test_the_design_effect_is_the_ratio_of_bootstrap_variances():
    rng = np.random.default_rng(1)
    clusters = [str(c) for c in range(50) for _ in range(1 + c % 4)]
    leaning = {str(c): rng.beta(0.5, 0.5) for c in range(50)}
    wins = [int(rng.random() < leaning[c]) for c in clusters]
    drawn = bootstrap_mean(wins, clusters)
    unrelated = bootstrap_mean(wins, [str(i) for i in range(len(wins))])
    widths = [hi - lo for lo, hi in (drawn, unrelated)]
    assert widths[0] > 1.2 * widths[1]
    expected = len(wins) * (widths[1] / widths[0]) ** 2
    assert effective_n(wins, clusters) == pytest.approx(expected, rel=0.1)


def test_score_and_bootstrap_intervals_agree_where_many_pairs_differ():
    """The published episodes: both know clusters, and only the score interval is never a point."""
    with (ROOT / "metrics/published/official/episodes.csv").open() as file:
        cells = read_episodes(file)
    compared = 0
    for arms in cells.values():
        for a, b in (("rag", "base"), ("distilled", "base"), ("placebo_constant", "base")):
            pairs = pairs_of(arms[a], arms[b])
            score, drawn = compare_success(pairs), compare_means(pairs, "success")
            if score.only_a + score.only_b >= 20:
                compared += 1
                assert (score.lo, score.hi) == pytest.approx((drawn.lo, drawn.hi), abs=0.02)
            else:
                assert score.lo < drawn.lo <= drawn.hi < score.hi
    assert compared == 6


@pytest.mark.parametrize("alike", [0.02, 0.6])
def test_intervals_hold_the_truth_and_the_test_its_level_in_clusters(alike):
    """Two arms that win equally often, in 47 folders of which some lean to one arm."""
    rng = np.random.default_rng(0)
    clusters = [str(folder) for folder in range(47) for _ in range(3)]
    shares = np.array([0.15, 0.15, 0.7])  # of pairs that only a wins, that only b wins, and alike
    held, wrong = 0, 0
    for _ in range(150):
        leaning = rng.dirichlet(shares * (1 - alike) / alike + 1e-9, size=47)
        outcomes = [rng.choice(3, p=leaning[int(folder)]) for folder in clusters]
        a, b = ([int(outcome == arm) for outcome in outcomes] for arm in (0, 1))
        found = compare(a, b, clusters)
        held += found.lo <= 0 <= found.hi
        wrong += found.p < 0.05
    assert 0.91 <= held / 150 <= 0.99 and wrong / 150 <= 0.08


def test_holm_against_published_examples():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Benjamini and Hochberg 1995, section 4.1: 15 tests, of which control of the familywise error
    # rejects three.
    ps = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    ps += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    adjusted = holm(ps)
    assert sum(p < 0.05 for p in adjusted) == 3 and adjusted == sorted(adjusted)
    assert adjusted[:3] == pytest.approx([0.0015, 0.0056, 0.0247]) and adjusted[-1] == 1
    assert holm([]) == []


def exact_power(n, only_a, only_b):
    """How often McNemar's exact test has p < 0.05, by all numbers of discordant pairs."""
    power = 0.0
    for m in range(n + 1):
        of_m = binom.pmf(m, n, only_a + only_b)
        for k in range(m + 1) if of_m > 1e-9 else ():
            if sum(comb(m, j) for j in range(min(k, m - k) + 1)) / 2**m * 2 < 0.05:
                power += of_m * binom.pmf(k, m, only_a / (only_a + only_b))
    return power


def test_the_smallest_difference_that_n_shows():
    # Shares of 0.45 and 0.05: by Connor's formula 22 pairs have a power of 80 %.
    assert smallest_difference(22, 0.5) == pytest.approx(0.4, abs=5e-4)
    # The exact test has a little less power than the formula says.
    d = smallest_difference(134, 0.3)
    assert 0.74 < exact_power(134, (0.3 + d) / 2, (0.3 - d) / 2) < 0.82
    # Where hardly a pair differed, all that differ would have to differ one way.
    d = smallest_difference(134, 0.0)
    assert d == pytest.approx(smallest_difference(134, 0.01))
    assert (1.95996 + 0.84162 * (1 - d) ** 0.5) ** 2 / d == pytest.approx(134, rel=1e-4)
    assert 0.7 < exact_power(134, d, 0) < 0.85
    assert smallest_difference(3, 0.5) == 1


def test_bootstrap_of_equal_values_and_of_clusters():
    assert bootstrap_mean([0.25] * 20, [str(i) for i in range(20)]) == (0.25, 0.25)
    values = [0.0, 1.0] * 20
    alone = bootstrap_mean(values, [str(i) for i in range(40)])
    assert alone[0] < fmean(values) < alone[1]
    assert bootstrap_mean(values, [str(i // 2) for i in range(40)]) == (0.5, 0.5)
    together = bootstrap_mean(sorted(values), [str(i // 10) for i in range(40)])
    assert together[1] - together[0] > alone[1] - alone[0]


def test_clusters_of_ids():
    folder = "look_at_obj_in_light-AlarmClock-None-DeskLamp-308"
    assert cluster_of(f"{folder}/trial_T20190908_222917_366542") == folder
    assert cluster_of("B002C56QX6/b4db61dffc1e07f3") == "B002C56QX6"
    assert cluster_of("t1") == "t1"
