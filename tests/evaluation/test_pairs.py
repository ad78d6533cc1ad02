"""Pairs of episodes of two arms, with several seeds too."""

import pytest
from records_of import row_of

from hintdistill.evaluation.pairs import both_won, compare_family, compare_success, pairs_of


def arm(wins, seeds=(0,), **fields):
    """An arm's rows: outcomes by task, one digit a seed, as in {"f/1": "101"}."""
    return [
        row_of(task, seed=seed, success=int(won), **fields)
        for task, outcomes in wins.items()
        for seed, won in zip(seeds, outcomes, strict=True)
    ]


def test_pairs_are_of_one_task_and_seed():
    a = arm({"1": "01", "2": "11"}, seeds=(0, 1))
    b = arm({"2": "10", "1": "00"}, seeds=(0, 1))
    found = [(x.task_id, x.seed, y.task_id, y.seed) for x, y in pairs_of(a, b)]
    assert found == [(t, s, t, s) for t in ("1", "2") for s in (0, 1)]


def test_an_arm_of_one_seed_meets_every_seed():
    student, base = arm({"1": "011", "2": "111"}, seeds=(1, 2, 3)), arm({"1": "0", "2": "1"})
    assert [(x.seed, y.seed) for x, y in pairs_of(student, base)] == [(1, 0), (2, 0), (3, 0)] * 2
    assert [(x.seed, y.seed) for x, y in pairs_of(base, student)] == [(0, 1), (0, 2), (0, 3)] * 2
    found = compare_success(pairs_of(student, base))
    assert found.diff == pytest.approx(2 / 6) and (found.only_a, found.only_b) == (2, 0)
    assert (found.pairs, found.clusters, found.test) == (6, 2, "sign_flip")


def test_arms_of_other_tasks_or_seeds_make_no_pairs():
    for other in (arm({"2": "0"}), arm({"1": "000"}, seeds=(0, 1, 2))):
        with pytest.raises(AssertionError, match="other tasks or seeds"):
            pairs_of(arm({"1": "00"}, seeds=(0, 1)), other)


def test_more_seeds_of_the_same_tasks_do_not_make_a_difference_surer():
    tasks = {f"{i}": "1" for i in range(6)} | {f"x{i}": "0" for i in range(20)}
    base = arm({task: "0" for task in tasks})
    one = compare_success(pairs_of(arm(tasks), base))
    same = arm({task: won * 3 for task, won in tasks.items()}, seeds=(0, 1, 2))
    three = compare_success(pairs_of(same, base))
    assert (one.p, one.test, three.test) == (0.03125, "mcnemar", "sign_flip")
    assert three.p == one.p and three.diff == one.diff
    assert (three.lo, three.hi) == pytest.approx((one.lo, one.hi), abs=0.01)


def test_a_family_is_corrected_together():
    base, won = arm({str(i): "0" for i in range(6)}), arm({str(i): "1" for i in range(6)})
    found = compare_family({"a-b": pairs_of(won, base), "b-b": pairs_of(base, base)})
    assert (found["a-b"].p, found["a-b"].p_holm) == (0.03125, 0.0625)
    assert (found["b-b"].p, found["b-b"].p_holm) == (1.0, 1.0)


def test_what_wins_cost_is_counted_where_both_won():
    a = arm({"1": "1", "2": "1", "3": "0"}, steps=4, tokens=100)
    b = arm({"1": "1", "2": "0", "3": "1"}, steps=6, tokens=300)
    found = both_won(pairs_of(a, b))
    assert found.n == 1 and (found.steps.a, found.steps.b, found.steps.diff) == (4, 6, -2)
    assert (found.tokens.diff, found.tokens.lo, found.tokens.hi) == (-200, -200, -200)
    assert both_won(pairs_of(arm({"1": "1"}), arm({"1": "0"}))) is None
