"""Counts why episodes failed, by arm and task type, before and after hints."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from hintdistill.core.records import Episode, Task
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.evaluation.figures import CauseRow
from hintdistill.evaluation.markdown import markdown_table
from hintdistill.evaluation.metrics import by_type


def cause_rows(
    episodes: Sequence[Episode], tasks: Mapping[str, Task], arm: str
) -> Iterator[CauseRow]:
    """The causes of one arm on one split: every cause for each task type, those with n = 0 too."""
    for task_type, played in by_type(episodes, tasks).items():
        first = played[0]
        rules = hint_rules_of(first.env)
        found = Counter(diagnosis.cause for e in played for diagnosis in rules.causes_of(e))
        failures = sum(not episode.success for episode in played)
        key = (first.env, first.agent, tasks[first.task_id].split, arm, task_type)
        for cause in rules.causes:
            yield CauseRow(*key, cause, found[cause], failures, len(played))


def causes_table(rows: Sequence[CauseRow]) -> str:
    """Markdown table of one split: a line a cause, most frequent first; a column an arm.

    A cell is the number of failed episodes with the cause, and their share of all the arm's
    episodes, so that arms with different numbers of failures can be compared.
    """
    arms = list(dict.fromkeys(row.arm for row in rows))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.cause][row.arm] += row.n
    failures: Counter[str] = Counter()
    episodes: Counter[str] = Counter()
    for arm, _, failed, played in {(r.arm, r.type, r.failures, r.episodes) for r in rows}:
        failures[arm] += failed
        episodes[arm] += played

    def line(name: str, values: Mapping[str, int]) -> list[str]:
        return [name, *(f"{values[a]} ({100 * values[a] / episodes[a]:.0f} %)" for a in arms)]

    lines = [line("failed episodes", failures)]
    for cause, values in sorted(counts.items(), key=lambda item: -item[1].total()):
        if values.total():
            lines.append(line(cause.replace("_", " "), values))
    return markdown_table(["", *arms], lines)
