"""From episodes to the two students' rows: filter, strip, audit, match sizes."""

import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from hintdistill.agents.episode.placement import take_hints_away
from hintdistill.agents.episode.protocol import Agent
from hintdistill.core.errors import UserError
from hintdistill.core.records import (
    Audit,
    Episode,
    RowCounts,
    Task,
    TrainingRow,
    short_hash,
    until_last_own,
)
from hintdistill.hints.audit import LeakAudit

MAX_INVALID = 1  # turns of a kept episode (Ibrahim et al. 2025: the authors' filter)


class Stripped(NamedTuple):
    """Rows of the two students, and what the audit counted."""

    sft: list[TrainingRow]
    distilled: list[TrainingRow]
    audit: Audit


def strip_hints(
    episode: Episode, task_type: str, agent: Agent, arm: str, *, unlocked: bool
) -> TrainingRow:
    """One row, its prompt rendered without hints; a UserError where today's template differs."""
    hints = [hint.text for hint in episode.hints]
    messages = take_hints_away(agent, hints, task_type, episode.messages)
    if messages is None:
        raise UserError(
            f"episode {episode.episode_id}: its prompt is not the one that prompts/ gives now, so "
            "hints can't be removed cleanly. Run `dvc repro`: the episodes are older than the "
            "template."
        )
    return TrainingRow(
        row_id=short_hash(episode.episode_id, arm),
        messages=until_last_own(messages),
        task_id=episode.task_id,
        episode_id=episode.episode_id,
        arm=arm,
        unlocked=unlocked,
    )


def keep_episode(episode: Episode, keep: str) -> bool:
    """Whether an episode may train a student. `keep`: `success` (the method) or `all` (smoke)."""
    if not any(message.own for message in episode.messages):
        return False
    return keep == "all" or (episode.success == 1 and episode.n_invalid <= MAX_INVALID)


def match_size(
    rows: Iterable[TrainingRow], size: int, types: dict[str, str], seed: int
) -> list[TrainingRow]:
    """`size` of the rows, drawn by seed and in turn over `types` (by task_id); sorted by row_id."""
    rng = random.Random(short_hash("match-size", seed))
    by_type: dict[str, list[TrainingRow]] = {}
    for row in sorted(rows, key=lambda row: row.row_id):
        by_type.setdefault(types[row.task_id], []).append(row)
    for group in by_type.values():
        rng.shuffle(group)
    chosen: list[TrainingRow] = []
    while len(chosen) < size and any(by_type.values()):
        for name in sorted(by_type):
            if by_type[name] and len(chosen) < size:
                chosen.append(by_type[name].pop())
    return sorted(chosen, key=lambda row: row.row_id)


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
    smaller one's size. `keep`: see `keep_episode`.
    """
    base, teacher = list(base), list(teacher)
    solved = {episode.task_id for episode in base if episode.success}
    audit = LeakAudit(hints)
    rows: dict[str, list[TrainingRow]] = {}
    counts: dict[str, dict[str, Any]] = {}
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
    counted = {arm: RowCounts(**fields) for arm, fields in counts.items()}
    found = audit.prove(rows["distilled"][0])
    return Stripped(**rows, audit=Audit(keep=keep, canaries_found=found, **counted))
