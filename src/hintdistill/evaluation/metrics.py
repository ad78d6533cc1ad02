"""From evaluation episodes to the numbers that are reported."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from hintdistill.errors import UserError
from hintdistill.evaluation.stats import bootstrap_mean, compare, differences, wilson
from hintdistill.records import Episode, Task

ARMS = ("base", "rag", "placebo_wrong_type", "placebo_constant", "sft", "distilled")
HEADLINE = ("base", "rag", "sft", "distilled")  # where there is room for few
COMPARISONS = (
    ("rag", "base"),
    ("placebo_wrong_type", "base"),
    ("placebo_constant", "base"),
    ("sft", "base"),
    ("distilled", "base"),
    ("distilled", "sft"),
    ("distilled", "rag"),
)
EPISODE_COLUMNS = (
    "env,agent,arm,seed,task_id,type,success,reward,steps,turns,tokens,tokens_new,stop_reason"
)
Arms = dict[str, list[Episode]]


def check_same_tasks(arms: Arms, what: str) -> None:
    """Every arm must have played the same tasks, each once: the tests are paired."""
    tasks = {arm: sorted(e.task_id for e in episodes) for arm, episodes in arms.items()}
    for arm, played in tasks.items():
        if played != tasks["base"] or len(set(played)) != len(played):
            raise UserError(
                f"{what}: expected every arm to play the {len(tasks['base'])} tasks of arm base, "
                f"arm {arm} played {len(played)} that differ. Run `dvc repro`."
            )


def tokens(episode: Episode) -> int:
    """Prompt tokens summed over turns, plus completion tokens, as the paper counts."""
    return episode.tokens_prompt + episode.tokens_completion


def tokens_new(episode: Episode) -> int:
    """Tokens that had to be computed: prompt not found in a cache, plus completion."""
    return episode.tokens_prompt_new + episode.tokens_completion


def arm_figures(episodes: Sequence[Episode]) -> dict[str, float]:
    """One arm's row of the summary; success is a share, the others are means an episode."""
    n = len(episodes)
    successes = sum(episode.success for episode in episodes)
    lo, hi = wilson(successes, n)
    return {
        "n": n,
        "success": successes / n,
        "success_lo": lo,
        "success_hi": hi,
        "reward": fmean(e.reward for e in episodes),
        "steps": fmean(e.n_steps for e in episodes),
        "tokens": fmean(tokens(e) for e in episodes),
        "tokens_new": fmean(tokens_new(e) for e in episodes),
        "invalid": fmean(e.n_invalid for e in episodes),
    }


def cell_summary(arms: Arms) -> dict[str, Any]:
    """The arms of one environment and agent, and the paired comparisons that they allow.

    Where rewards are graded, between 0 and 1, their intervals and differences are there too.
    """
    played = {a: sorted(episodes, key=lambda e: e.task_id) for a, episodes in arms.items()}
    pairs = [(a, b) for a, b in COMPARISONS if a in arms and b in arms]
    success = {arm: [e.success for e in episodes] for arm, episodes in played.items()}
    summary: dict[str, Any] = {arm: arm_figures(episodes) for arm, episodes in arms.items()}
    summary["compare"] = {f"{a}-{b}": compare(success[a], success[b])._asdict() for a, b in pairs}
    reward = {arm: [e.reward for e in episodes] for arm, episodes in played.items()}
    if any(0 < value < 1 for values in reward.values() for value in values):
        for arm, values in reward.items():
            lo, hi = bootstrap_mean(values)
            summary[arm] |= {"reward_lo": lo, "reward_hi": hi}
        summary["compare_reward"] = {f"{a}-{b}": _gain(reward[a], reward[b]) for a, b in pairs}
    return summary


def _gain(a: Sequence[float], b: Sequence[float]) -> dict[str, float]:
    """Difference in mean reward, with its interval."""
    diffs = differences(a, b)
    return {"diff": fmean(diffs), **bootstrap_mean(diffs)._asdict()}


def success_by_type(episodes: Sequence[Episode], tasks: dict[str, Task]) -> dict[str, list[int]]:
    """Successes (0 or 1) by task type."""
    groups: dict[str, list[int]] = defaultdict(list)
    for episode in episodes:
        groups[tasks[episode.task_id].type].append(episode.success)
    return dict(sorted(groups.items()))


def episode_rows(arms: Arms, tasks: dict[str, Task]) -> list[str]:
    """The cell's lines of episodes.csv, in the order of EPISODE_COLUMNS."""
    lines = []
    for arm, episodes in arms.items():
        for e in sorted(episodes, key=lambda e: e.task_id):
            values = (
                e.env, e.agent, arm, e.seed, e.task_id, tasks[e.task_id].type, e.success, e.reward,
                e.n_steps, e.n_turns, tokens(e), tokens_new(e), e.stop_reason,
            )  # fmt: skip
            lines.append(",".join(str(value) for value in values))
    return lines
