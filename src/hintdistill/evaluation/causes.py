"""Why episodes failed: causes counted by arm and task type, before and after hints."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hintdistill.hints.diagnose import diagnose, hints_of_env
from hintdistill.records import Episode, Task

CAUSE_COLUMNS = "env,agent,split,arm,type,cause,n,failures,episodes"


class CauseRow(NamedTuple):
    """One line of causes.csv, in the order of CAUSE_COLUMNS."""

    env: str
    agent: str
    split: str
    arm: str
    type: str
    cause: str
    n: int  # failed episodes that have the cause; an episode may have several
    failures: int  # failed episodes of that arm and type
    episodes: int  # all episodes of that arm and type


def cause_rows(
    episodes: Sequence[Episode], tasks: Mapping[str, Task], arm: str
) -> Iterator[CauseRow]:
    """One arm's causes: for each task type every cause, those with n = 0 too.

    Args:
        episodes: of one environment, agent, arm and split.
        tasks: the panel, by task_id.
        arm: what the arm is called in the tables.
    """
    groups: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        groups[tasks[episode.task_id].type].append(episode)
    for task_type, played in sorted(groups.items()):
        found = Counter(diagnosis.cause for episode in played for diagnosis in diagnose(episode))
        failures = sum(not episode.success for episode in played)
        first = played[0]
        key = (first.env, first.agent, tasks[first.task_id].split, arm, task_type)
        for cause in hints_of_env(first.env).causes:
            yield CauseRow(*key, cause, found[cause], failures, len(played))


def causes_table(rows: Sequence[CauseRow]) -> str:
    """Markdown table of one split: a line a cause, most frequent first; a column an arm.

    A cell is the number of failed episodes with the cause, and their share of all the arm's
    episodes, so that arms with different numbers of failures can be compared.
    """
    arms = list(dict.fromkeys(row.arm for row in rows))
    counts: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    sizes = {(row.arm, row.type): (row.failures, row.episodes) for row in rows}
    failures, episodes = Counter(), Counter()
    for (arm, _), (failed, played) in sizes.items():
        failures[arm] += failed
        episodes[arm] += played
    for row in rows:
        counts[row.cause, row.arm] += row.n
        totals[row.cause] += row.n

    def line(name: str, values: Mapping[str, int]) -> str:
        cells = (f"{values[arm]} ({100 * values[arm] / episodes[arm]:.0f} %)" for arm in arms)
        return f"| {name} | {' | '.join(cells)} |"

    lines = ["| | " + " | ".join(arms) + " |", "| --- |" + " --- |" * len(arms)]
    lines.append(line("failed episodes", failures))
    order = list(hints_of_env(rows[0].env).causes)
    for cause in sorted(filter(totals.get, order), key=lambda c: (-totals[c], order.index(c))):
        lines.append(line(cause.replace("_", " "), {arm: counts[cause, arm] for arm in arms}))
    return "\n".join(lines)
