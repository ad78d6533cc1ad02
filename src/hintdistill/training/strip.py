"""From episodes to the two students' rows: filter, strip, audit, match sizes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from hintdistill.agents.agent import Agent
from hintdistill.agents.placement import take_hints_away
from hintdistill.errors import UserError
from hintdistill.hints.audit import LeakAudit
from hintdistill.records import Episode, Task, TrainingRow
from hintdistill.training.rows import keep_episode, make_row, match_size


class Stripped(NamedTuple):
    """Rows of the two students, and what the audit counted."""

    sft: list[TrainingRow]
    distilled: list[TrainingRow]
    audit: dict[str, Any]


def strip_hints(
    episode: Episode, task_type: str, agent: Agent, arm: str, *, unlocked: bool
) -> TrainingRow:
    """One row; its prompt is rendered anew, without hints.

    Raises:
        UserError: the episode's own prompt is not what today's template gives with its hints.
    """
    hints = [hint.text for hint in episode.hints]
    messages = take_hints_away(agent, hints, task_type, episode.messages)
    if messages is None:
        raise UserError(
            f"episode {episode.episode_id}: its prompt is not the one that prompts/ gives now, so "
            "hints can't be removed cleanly. Run `dvc repro`: the episodes are older than the "
            "template."
        )
    return make_row(episode, messages, arm, unlocked=unlocked)


def strip(
    base: Iterable[Episode],
    teacher: Iterable[Episode],
    tasks: dict[str, Task],
    hints: Iterable[str],
    agent: Agent,
    *,
    keep: str,
    seed: int,
) -> Stripped:
    """Rows of the sft student (base's episodes) and of the distilled student (the teacher's).

    Both are filtered alike, leaking rows are dropped, and the larger set is drawn down to the
    smaller one's size.

    Args:
        keep: `success`, or `all` where successes can't be counted on.
    """
    base, teacher = list(base), list(teacher)
    solved = {episode.task_id for episode in base if episode.success}
    audit = LeakAudit(hints)
    rows: dict[str, list[TrainingRow]] = {}
    counts: dict[str, Any] = {"keep": keep}
    for arm, episodes in (("sft", base), ("distilled", teacher)):
        kept = [
            strip_hints(e, tasks[e.task_id].type, agent, arm, unlocked=e.task_id not in solved)
            for e in episodes
            if keep_episode(e, keep)
        ]
        leaks = audit.leaks(kept)
        leaking = {leak.row_id for leak in leaks}
        rows[arm] = [row for row in kept if row.row_id not in leaking]
        counts[arm] = {
            "episodes": len(episodes),
            "kept": len(kept),
            "leaks_in_prompt": sum(leak.where == "prompt" for leak in leaks),
            "leaks_in_own_turns": sum(leak.where == "own turn" for leak in leaks),
        }
    size = min(len(rows["sft"]), len(rows["distilled"]))
    if size == 0:
        arm = "sft" if not rows["sft"] else "distilled"
        mend = (
            "Name a hint that the prompt says anyway in hints.prune: rows with a copy were dropped"
            if counts[arm]["kept"]
            else "Give the base agent more to win with (more warmstart tasks or epochs), raise the "
            "number of train tasks, or set strip.keep to all"
        )
        raise UserError(f"strip: no row left for arm {arm} ({counts[arm]}). {mend}.")
    types = {task_id: task.type for task_id, task in tasks.items()}
    for arm in rows:
        rows[arm] = match_size(rows[arm], size, types, seed)
        counts[arm]["rows"] = len(rows[arm])
        counts[arm] |= audit.overlaps(rows[arm])
        counts[arm]["unlocked_rows"] = sum(row.unlocked for row in rows[arm])
    counts["canaries_found"] = audit.prove(rows["distilled"][0])
    return Stripped(rows["sft"], rows["distilled"], counts)
