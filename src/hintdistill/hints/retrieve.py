"""Retrieval, once at the start of an episode: a task's instruction and first sight, to k hints."""

from pathlib import Path
from typing import Literal

import bm25s
import yaml
from pydantic import PositiveInt

from hintdistill.errors import UserError
from hintdistill.records import HINT_SOURCE_SPLIT, Hint, HintRef, Task, normalise
from hintdistill.settings import Settings
from hintdistill.tasks.panel import require_split

PLACEBOS = Path("prompts/placebos.yaml")


class HintParams(Settings):
    """Shared block `hints`, what the arms with hints read of it."""

    k: PositiveInt
    retriever: Literal["bm25"]


class Bm25Retriever:
    """Ranks a type's hints against a task with BM25 (Lucene's variant, as bm25s has it).

    A document is the hint's text with the instructions of the tasks that it came from: the
    placeholders of a hint share few words with a task. Ties go by mentions, then by hint_id.

    A document is long because its hint would have helped at many tasks, and says so in every
    word that those tasks share. So length is no reason to rank it lower (b = 0), and a word that
    comes again keeps counting (k1 = 10); with the usual 0.75 and 1.5 rare slips come first. Of the
    query each word counts once: a room lists its fifth cabinet as it lists the first.
    """

    def __init__(self, bank: list[Hint], tasks: dict[str, Task], k: int) -> None:
        sources = (task_id for hint in bank for task_id in hint.source_task_ids)
        require_split(sources, tasks.values(), HINT_SOURCE_SPLIT, "the bank of hints")
        self._k = k
        self._by_type: dict[str, tuple[list[Hint], bm25s.BM25]] = {}
        for task_type in sorted({hint.type for hint in bank}):
            hints = [hint for hint in bank if hint.type == task_type]
            documents = [
                self._words(" ".join([h.text, *(tasks[t].instruction for t in h.source_task_ids)]))
                for h in hints
            ]
            index = bm25s.BM25(k1=10.0, b=0.0)
            index.index(documents, show_progress=False)
            self._by_type[task_type] = (hints, index)

    @staticmethod
    def _words(text: str) -> list[str]:
        return normalise(text).split()

    def __call__(self, task: Task, first_observation: str) -> list[HintRef]:
        """The k best hints of the task's type; fewer where the bank has fewer."""
        if task.type not in self._by_type:
            return []
        hints, index = self._by_type[task.type]
        query = dict.fromkeys(self._words(f"{task.instruction} {first_observation}"))
        known = [word for word in query if word in index.vocab_dict]
        scores = index.get_scores(known) if known else [0.0] * len(hints)
        ranked = sorted(
            zip(scores, hints, strict=True), key=lambda s: (-s[0], -s[1].mentions, s[1].hint_id)
        )
        return [HintRef(hint_id=h.hint_id, text=h.text) for _, h in ranked[: self._k]]


class PlaceboHints:
    """The two placebo arms: k fixed sentences, from the list in prompts/placebos.yaml.

    `placebo_constant` gives every task the same irrelevant sentences; `placebo_wrong_type` gives
    hints that were written for another type of task and say nothing useful for this one.
    """

    def __init__(self, arm: str, env: str, k: int) -> None:
        if not PLACEBOS.is_file():
            raise UserError(f"{PLACEBOS}: expected the placebo sentences, found no file")
        try:
            lists = yaml.safe_load(PLACEBOS.read_text(encoding="utf-8"))
            constant = arm == "placebo_constant"
            self._constant = lists["constant"] if constant else None
            self._by_type = {} if constant else lists["wrong_type"][env]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise UserError(
                f"{PLACEBOS}: expected `constant` and `wrong_type: {{{env}: ...}}`: {error!r:.120}"
            ) from None
        self._k = k

    def __call__(self, task: Task, first_observation: str) -> list[HintRef]:
        texts = self._constant or self._by_type.get(task.type, [])
        if len(texts) < self._k:
            raise UserError(
                f"{PLACEBOS}: expected at least hints.k = {self._k} sentences for type "
                f"{task.type}, found {len(texts)}. Add some, or lower hints.k."
            )
        return [
            HintRef(hint_id=f"placebo-{i}", text=text) for i, text in enumerate(texts[: self._k])
        ]
