"""Measures hints by success with and without them, on the same tasks of split dev.

The bank is made of training tasks alone; which of its hints stay is a setting, and settings are
chosen on `dev`. That can't be a stage: episodes on dev need the bank, and a bank pruned by them
would need the episodes. So it goes as every other setting does: a person reads the table
(`hintdistill utility`, kept in git), and writes the hints to leave out into `hints.prune`, where
they are tracked, reproducible, and shown in the list of trials.

A hint's figure is that of the prompts which it stood in, beside k - 1 others. It can't be told
which of them did it; what stands beside the same others each time has their figure.
"""

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Literal, NamedTuple

from hintdistill.core.records import Episode, Hint, normalise
from hintdistill.evaluation.stats import cluster_of, compare

# With fewer pairs, not even all of them against the hint would give a p below 0.05 in the exact
# McNemar test (2 x 0.5^6 = 0.03).
MIN_TASKS = 6

Level = Literal["cluster", "hint"]


class Utility(NamedTuple):
    """Success over the n tasks in whose prompt a hint stood, or any hint of a cluster.

    `base` and `rag` are shares of successes without and with hints; `diff` is rag - base, with its
    95 % interval and p, as stats.py computes them.
    """

    level: Level
    type: str  # a hint's task type; empty for a cluster, which may be of several
    text: str  # the hint's, or one of the cluster's, which differ in case and signs only
    n: int
    base: float
    rag: float
    diff: float
    lo: float
    hi: float
    p: float


def utilities(
    bank: Iterable[Hint], base: Iterable[Episode], rag: Iterable[Episode]
) -> list[Utility]:
    """Figures of each cluster and each hint that stood in a prompt; clusters first, best first.

    A cluster is one text, whatever the type. Within a type, near-duplicates are one hint already;
    over types they may be different advice: "clean it with the sinkbasin", "cool it with the
    fridge". With writer `diagnose` a cluster is one form of a rule.

    `base` and `rag` have one episode a task, of the same tasks; those of `rag` had hints of `bank`.
    """
    without = {episode.task_id: episode.success for episode in base}
    hints = {hint.hint_id: hint for hint in bank}
    one_text = {normalise(text): text for text in sorted(hint.text for hint in hints.values())}
    pairs: dict[tuple[Level, str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for episode in rag:
        pair = (episode.success, without[episode.task_id])
        for hint in (hints[ref.hint_id] for ref in episode.hints):
            pairs["hint", hint.type, hint.text][episode.task_id] = pair
            pairs["cluster", "", one_text[normalise(hint.text)]][episode.task_id] = pair
    rows = []
    for key, by_task in pairs.items():
        with_it, without_it = zip(*(by_task[task_id] for task_id in sorted(by_task)), strict=True)
        test = compare(with_it, without_it, [cluster_of(task_id) for task_id in sorted(by_task)])
        shares = fmean(without_it), fmean(with_it)
        rows.append(Utility(*key, len(by_task), *shares, test.diff, test.lo, test.hi, test.p))
    return sorted(rows, key=lambda row: (row.level, -row.diff, row.text, row.type))


def not_worth(rows: Iterable[Utility], below: float) -> list[str]:
    """Texts of the clusters whose interval ends below `below` (a difference, so -1 to 1), sorted.

    Clusters that stood in fewer than MIN_TASKS prompts are not judged.
    """
    judged = (row for row in rows if row.level == "cluster" and row.n >= MIN_TASKS)
    return sorted(row.text for row in judged if row.hi < below)
