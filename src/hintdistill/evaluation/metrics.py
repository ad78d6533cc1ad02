"""Turns evaluation episodes into rows, and rows into the numbers that are reported."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean

from hintdistill.core.errors import UserError
from hintdistill.core.records import Episode, Task
from hintdistill.evaluation.arms import COMPARISONS
from hintdistill.evaluation.figures import ArmFigures, CellSummary, EpisodeRow, TypeRow
from hintdistill.evaluation.pairs import both_won, compare_family, compare_means, pairs_of
from hintdistill.evaluation.stats import bootstrap_mean, cluster_of, rate

Played = Mapping[str, Sequence[Episode]]  # episodes by arm


def check_same_tasks(played: Played, what: str) -> None:
    """Every arm must have played the same tasks, with each of its seeds once: tests are paired."""
    tasks = sorted({e.task_id for e in played["base"]})
    for arm, episodes in played.items():
        expected = sorted(product(tasks, {e.seed for e in episodes}))
        if sorted((e.task_id, e.seed) for e in episodes) != expected:
            raise UserError(
                f"{what}: expected every arm to play the {len(tasks)} tasks of arm base, each once "
                f"with every seed, arm {arm} played {len(episodes)} that differ. Run `dvc repro`."
            )


def tokens(episode: Episode) -> int:
    """Prompt tokens summed over turns, plus completion tokens, as the paper counts."""
    return episode.tokens_prompt + episode.tokens_completion


def tokens_new(episode: Episode) -> int:
    """Tokens that had to be computed: prompt not found in a cache, plus completion."""
    return episode.tokens_prompt_new + episode.tokens_completion


def episode_rows(played: Played, tasks: Mapping[str, Task]) -> Iterator[EpisodeRow]:
    """One row an episode, arm by arm, in the order of the tasks and seeds."""
    for arm, episodes in played.items():
        for e in sorted(episodes, key=lambda e: (e.task_id, e.seed)):
            yield EpisodeRow(
                e.env, e.agent, arm, e.seed, e.task_id, tasks[e.task_id].type, e.success, e.reward,
                e.n_steps, e.n_turns, tokens(e), tokens_new(e), e.stop_reason,
            )  # fmt: skip


def invalid_turns(played: Played) -> dict[str, float]:
    """Mean of the invalid turns an episode, by arm; episodes.csv has no such column."""
    return {arm: fmean(e.n_invalid for e in episodes) for arm, episodes in played.items()}


def cell_summary(rows: Sequence[EpisodeRow], invalid: Mapping[str, float]) -> CellSummary:
    """The arms of one environment and agent, and the comparisons of those that were played.

    Holm's correction is for all of these comparisons. Where rewards are graded, between 0 and 1,
    their intervals and differences are there too.
    """
    arms: dict[str, list[EpisodeRow]] = {}
    for row in rows:
        arms.setdefault(row.arm, []).append(row)
    graded = any(0 < row.reward < 1 for row in rows)
    played = [(a, b) for a, b in COMPARISONS if a in arms and b in arms]
    family = {f"{a}-{b}": pairs_of(arms[a], arms[b]) for a, b in played}
    gains = {name: compare_means(pairs, "reward") for name, pairs in family.items() if graded}
    won = {name: both for name, pairs in family.items() if (both := both_won(pairs))}
    return CellSummary(
        arms={arm: _arm_figures(own, invalid[arm], graded) for arm, own in arms.items()},
        compare=compare_family(family),
        compare_reward=gains if graded else None,
        compare_won=won or None,
    )


def _arm_figures(rows: Sequence[EpisodeRow], invalid: float, graded: bool) -> ArmFigures:
    clusters = [cluster_of(row.task_id) for row in rows]
    successes, rewards = [row.success for row in rows], [row.reward for row in rows]
    lo, hi = rate(successes, clusters)
    reward_lo, reward_hi = bootstrap_mean(rewards, clusters) if graded else (None, None)
    wins: dict[int, list[int]] = {}
    for row in rows:
        wins.setdefault(row.seed, []).append(row.success)
    by_seed = [fmean(own) for own in wins.values()] if len(wins) > 1 else []
    return ArmFigures(
        n=len(rows),
        success=fmean(successes),
        success_lo=lo,
        success_hi=hi,
        reward=fmean(rewards),
        reward_lo=reward_lo,
        reward_hi=reward_hi,
        steps=fmean(row.steps for row in rows),
        tokens=fmean(row.tokens for row in rows),
        tokens_new=fmean(row.tokens_new for row in rows),
        tokens_per_win=sum(row.tokens for row in rows) / sum(successes) if any(successes) else None,
        invalid=invalid,
        seeds=len(by_seed) or None,
        seed_min=min(by_seed, default=None),
        seed_max=max(by_seed, default=None),
    )


def by_type(episodes: Sequence[Episode], tasks: Mapping[str, Task]) -> dict[str, list[Episode]]:
    """Episodes by the type of their task, sorted by type."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(tasks[episode.task_id].type, []).append(episode)
    return dict(sorted(groups.items()))


def type_rows(rows: Sequence[EpisodeRow]) -> Iterator[TypeRow]:
    """Success by arm and task type: arms in the order of the rows, types sorted."""
    groups: dict[tuple[str, str], list[EpisodeRow]] = {}
    order = list(dict.fromkeys(row.arm for row in rows))
    for row in rows:
        groups.setdefault((row.arm, row.type), []).append(row)
    for arm, task_type in sorted(groups, key=lambda key: (order.index(key[0]), key[1])):
        own = groups[arm, task_type]
        wins, clusters = [row.success for row in own], [cluster_of(row.task_id) for row in own]
        key = (own[0].env, own[0].agent, arm, task_type)
        yield TypeRow(*key, len(own), fmean(wins), *rate(wins, clusters))
