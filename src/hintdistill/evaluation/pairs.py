"""Compares arms on pairs of episodes: the same task, and the same seed where both arms have it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from hintdistill.evaluation.figures import BothWon, Comparison, Difference, EpisodeRow, Means
from hintdistill.evaluation.stats import cluster_of, compare, holm, mean_difference

Pairs = list[tuple[EpisodeRow, EpisodeRow]]


def comparable(a: Iterable[EpisodeRow], b: Iterable[EpisodeRow]) -> bool:
    """Whether both played the same tasks, with the same seeds or one of them with a single seed."""
    (tasks_a, seeds_a), (tasks_b, seeds_b) = (
        ({row.task_id for row in rows}, {row.seed for row in rows}) for rows in (list(a), list(b))
    )
    return tasks_a == tasks_b and (seeds_a == seeds_b or 1 in (len(seeds_a), len(seeds_b)))


def pairs_of(a: Sequence[EpisodeRow], b: Sequence[EpisodeRow]) -> Pairs:
    """The episodes of two comparable arms in pairs, sorted by task and seed.

    An arm of one seed, as all are that no training precedes, meets every seed of the other.
    """
    assert comparable(a, b), f"{len(a)} and {len(b)} episodes of other tasks or seeds"
    first, second = ({(row.task_id, row.seed): row for row in rows} for rows in (a, b))
    seeds_a, seeds_b = (sorted({row.seed for row in rows}) for rows in (a, b))
    meet = list(
        zip(seeds_a, seeds_b, strict=True) if seeds_a == seeds_b else product(seeds_a, seeds_b)
    )
    tasks = sorted({row.task_id for row in a})
    return [(first[task, s], second[task, t]) for task in tasks for s, t in meet]


def compare_success(pairs: Pairs) -> Comparison:
    return compare(*_columns(pairs, "success"), _clusters(pairs))


def compare_means(pairs: Pairs, figure: str) -> Difference:
    """Difference in the mean of a column of episodes.csv."""
    return mean_difference(*_columns(pairs, figure), _clusters(pairs))


def compare_family(family: Mapping[str, Pairs]) -> dict[str, Comparison]:
    """Differences in success, with Holm's correction for all that are in the family."""
    tests = {name: compare_success(pairs) for name, pairs in family.items()}
    corrected = holm([test.p for test in tests.values()])
    return {
        name: test.model_copy(update={"p_holm": p})
        for (name, test), p in zip(tests.items(), corrected, strict=True)
    }


def both_won(pairs: Pairs) -> BothWon | None:
    """Steps and tokens on the pairs that both arms won; None where there is none.

    Lost episodes are long or short by how they were lost, so that means over all episodes mix what
    an arm wins with what its wins cost.
    """
    won = [(a, b) for a, b in pairs if a.success and b.success]

    def means(figure: str) -> Means:
        a, b = _columns(won, figure)
        return Means(a=fmean(a), b=fmean(b), **compare_means(won, figure).model_dump())

    return BothWon(n=len(won), steps=means("steps"), tokens=means("tokens")) if won else None


def _columns(pairs: Pairs, figure: str) -> tuple[list[Any], list[Any]]:
    return [getattr(a, figure) for a, _ in pairs], [getattr(b, figure) for _, b in pairs]


def _clusters(pairs: Pairs) -> list[str]:
    return [cluster_of(a.task_id) for a, _ in pairs]
