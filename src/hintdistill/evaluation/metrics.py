"""Turns evaluation episodes into the numbers that are reported."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from hintdistill.core.errors import UserError
from hintdistill.core.records import Episode, Task
from hintdistill.evaluation.arms import COMPARISONS
from hintdistill.evaluation.figures import ArmFigures, CellSummary, EpisodeRow, TypeRow
from hintdistill.evaluation.stats import bootstrap_mean, compare, mean_difference, wilson

Played = Mapping[str, Sequence[Episode]]  # episodes by arm


def check_same_tasks(played: Played, what: str) -> None:
    """Every arm must have played the same tasks, each once: the tests are paired."""
    tasks = {arm: sorted(e.task_id for e in episodes) for arm, episodes in played.items()}
    for arm, own in tasks.items():
        if own != tasks["base"] or len(set(own)) != len(own):
            raise UserError(
                f"{what}: expected every arm to play the {len(tasks['base'])} tasks of arm base, "
                f"arm {arm} played {len(own)} that differ. Run `dvc repro`."
            )


def tokens(episode: Episode) -> int:
    """Prompt tokens summed over turns, plus completion tokens, as the paper counts."""
    return episode.tokens_prompt + episode.tokens_completion


def tokens_new(episode: Episode) -> int:
    """Tokens that had to be computed: prompt not found in a cache, plus completion."""
    return episode.tokens_prompt_new + episode.tokens_completion


def _arm_figures(episodes: Sequence[Episode], graded: bool) -> ArmFigures:
    n = len(episodes)
    successes = sum(episode.success for episode in episodes)
    lo, hi = wilson(successes, n)
    rewards = [episode.reward for episode in episodes]
    reward_lo, reward_hi = bootstrap_mean(rewards) if graded else (None, None)
    return ArmFigures(
        n=n,
        success=successes / n,
        success_lo=lo,
        success_hi=hi,
        reward=fmean(rewards),
        reward_lo=reward_lo,
        reward_hi=reward_hi,
        steps=fmean(e.n_steps for e in episodes),
        tokens=fmean(tokens(e) for e in episodes),
        tokens_new=fmean(tokens_new(e) for e in episodes),
        invalid=fmean(e.n_invalid for e in episodes),
    )


def cell_summary(played: Played) -> CellSummary:
    """The arms of one environment and agent, and the comparisons of those that were played.

    Where rewards are graded, between 0 and 1, their intervals and differences are there too.
    """
    ordered = {a: sorted(episodes, key=lambda e: e.task_id) for a, episodes in played.items()}
    success = {arm: [e.success for e in episodes] for arm, episodes in ordered.items()}
    reward = {arm: [e.reward for e in episodes] for arm, episodes in ordered.items()}
    graded = any(0 < value < 1 for values in reward.values() for value in values)
    pairs = {f"{a}-{b}": (a, b) for a, b in COMPARISONS if a in played and b in played}
    gains = {n: mean_difference(reward[a], reward[b]) for n, (a, b) in pairs.items() if graded}
    return CellSummary(
        arms={arm: _arm_figures(episodes, graded) for arm, episodes in ordered.items()},
        compare={name: compare(success[a], success[b]) for name, (a, b) in pairs.items()},
        compare_reward=gains if graded else None,
    )


def by_type(episodes: Sequence[Episode], tasks: Mapping[str, Task]) -> dict[str, list[Episode]]:
    """Episodes by the type of their task, sorted by type."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(tasks[episode.task_id].type, []).append(episode)
    return dict(sorted(groups.items()))


def type_rows(played: Played, tasks: Mapping[str, Task]) -> Iterator[TypeRow]:
    """Success by arm and task type."""
    for arm, episodes in played.items():
        for task_type, own in by_type(episodes, tasks).items():
            wins, first = sum(e.success for e in own), own[0]
            key = (first.env, first.agent, arm, task_type)
            yield TypeRow(*key, len(own), wins / len(own), *wilson(wins, len(own)))


def episode_rows(played: Played, tasks: Mapping[str, Task]) -> Iterator[EpisodeRow]:
    """One row an episode, arm by arm, in the order of the tasks."""
    for arm, episodes in played.items():
        for e in sorted(episodes, key=lambda e: e.task_id):
            yield EpisodeRow(
                e.env, e.agent, arm, e.seed, e.task_id, tasks[e.task_id].type, e.success, e.reward,
                e.n_steps, e.n_turns, tokens(e), tokens_new(e), e.stop_reason,
            )  # fmt: skip
