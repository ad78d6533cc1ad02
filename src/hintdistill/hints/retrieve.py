"""Retrieval, once at the start of an episode: a task's instruction and first sight, to k hints.

Candidates are the bank's hints for the task's type, and the k with the highest scores are given;
ties go by mentions, then by hint_id. The retrievers differ in the score alone; retriever `llm`,
which lets a language model pick of bm25's best, is in rerank.py. Those that go by words compare the
query, instruction and first observation, with a document for each hint: its text and the
instructions of the tasks that it came from, since the placeholders of a hint share few words with a
task.

A document is long because its hint would have helped at many tasks, and says so in every word that
those tasks share. So length is no reason to rank it lower, as both measures usually have it: rare
slips would come first. Of the query each word counts once: a room lists its fifth cabinet as it
lists the first.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import bm25s
import yaml
from pydantic import PositiveInt

from hintdistill.errors import UserError
from hintdistill.hints.embed import embed
from hintdistill.records import HINT_SOURCE_SPLIT, Hint, HintRef, Task, normalise, short_hash
from hintdistill.settings import Settings
from hintdistill.tasks.panel import require_split

PLACEBOS = Path("prompts/placebos.yaml")
DIGITS = 6  # of a score; what float noise changes is a tie

# A task and its first observation to one score for each hint, in the order of the hints indexed.
Score = Callable[[Task, str], Sequence[float]]
Tasks = Mapping[str, Task]
# A task and its first observation to all hints of the task's type, the best one first.
Ranking = Callable[[Task, str], list[Hint]]
Starts = Sequence[tuple[Task, str]]  # tasks, each with its first observation


class HintParams(Settings):
    """Shared block `hints`, what the arms with hints read of it."""

    k: PositiveInt
    retriever: Literal["bm25", "tfidf", "embedding", "random", "llm"]


def _words(text: str) -> list[str]:
    return normalise(text).split()


def _instructions(hint: Hint, tasks: Tasks) -> list[str]:
    return [tasks[task_id].instruction for task_id in hint.source_task_ids]


def _documents(hints: Sequence[Hint], tasks: Tasks) -> list[list[str]]:
    return [_words(" ".join([hint.text, *_instructions(hint, tasks)])) for hint in hints]


def _query(task: Task, first_observation: str) -> list[str]:
    return list(dict.fromkeys(_words(f"{task.instruction} {first_observation}")))


def bm25(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """BM25 (Lucene's variant, as bm25s has it), with b = 0 and k1 = 10.

    With the usual 0.75 and 1.5, length counts, and a word that comes again soon counts no more.
    """
    index = bm25s.BM25(k1=10.0, b=0.0)
    index.index(_documents(hints, tasks), show_progress=False)

    def score(task: Task, first_observation: str) -> Sequence[float]:
        known = [word for word in _query(task, first_observation) if word in index.vocab_dict]
        return index.get_scores(known) if known else [0.0] * len(hints)

    return score


def tfidf(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """Product of tf-idf vectors, (1 + log tf) x idf (scikit-learn), of no common length."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, norm=None)
    documents = vectorizer.fit_transform(_documents(hints, tasks))

    def score(task: Task, first_observation: str) -> Sequence[float]:
        query = vectorizer.transform([_query(task, first_observation)])
        return (documents @ query.T).toarray()[:, 0]

    return score


def embedding(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """Mean of two cosines to the query: of the hint's text, and of the nearest of its tasks.

    Not one document: of a long text the model reads the first 256 tokens, and its vector is a mean
    over them, in which the hint's few words would be lost among its tasks' instructions.
    """
    texts = embed(hint.text for hint in hints)
    sources = [embed(sorted(set(_instructions(hint, tasks)))) for hint in hints]

    def score(task: Task, first_observation: str) -> Sequence[float]:
        query = embed([f"{task.instruction} {first_observation}"])[0]
        nearest = [max((source @ query).tolist(), default=0.0) for source in sources]
        return [(a + b) / 2 for a, b in zip((texts @ query).tolist(), nearest, strict=True)]

    return score


def random(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """A draw by the ids of task and hint: what retrieval must be better than."""

    def score(task: Task, first_observation: str) -> Sequence[float]:
        return [int(short_hash(task.task_id, hint.hint_id), 16) / 16**16 for hint in hints]

    return score


RETRIEVERS = {"bm25": bm25, "tfidf": tfidf, "embedding": embedding, "random": random}


def make_ranking(name: str, bank: Sequence[Hint], tasks: Tasks) -> Ranking:
    """A function from a task and its first observation to the ranked hints of the task's type.

    The order of the bank makes no difference.

    Args:
        name: of RETRIEVERS.
        tasks: the whole panel, by task_id.

    Raises:
        UserError: a hint of the bank comes from another split than train; or, of `embedding`, the
            sentence model is not installed.
    """
    sources = (task_id for hint in bank for task_id in hint.source_task_ids)
    require_split(sources, tasks.values(), HINT_SOURCE_SPLIT, "the bank of hints")
    by_type: dict[str, tuple[list[Hint], Score]] = {}
    for task_type in sorted({hint.type for hint in bank}):
        hints = sorted((h for h in bank if h.type == task_type), key=lambda h: h.hint_id)
        by_type[task_type] = (hints, RETRIEVERS[name](hints, tasks))

    def rank(task: Task, first_observation: str) -> list[Hint]:
        if task.type not in by_type:
            return []
        hints, score = by_type[task.type]
        scores = [round(float(value), DIGITS) for value in score(task, first_observation)]
        ranked = sorted(
            zip(scores, hints, strict=True), key=lambda s: (-s[0], -s[1].mentions, s[1].hint_id)
        )
        return [hint for _, hint in ranked]

    return rank


def make_retriever(
    name: str, bank: Sequence[Hint], tasks: Tasks, k: int
) -> Callable[[Starts], list[list[HintRef]]]:
    """A function from starts to the k best hints of each; fewer where the type has fewer.

    Args and errors are those of `make_ranking`.
    """
    rank = make_ranking(name, bank, tasks)

    def best(task: Task, first_observation: str) -> list[HintRef]:
        hints = rank(task, first_observation)[:k]
        return [HintRef(hint_id=hint.hint_id, text=hint.text) for hint in hints]

    return lambda starts: [best(*start) for start in starts]


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

    def __call__(self, starts: Starts) -> list[list[HintRef]]:
        return [self._sentences(task) for task, _ in starts]

    def _sentences(self, task: Task) -> list[HintRef]:
        texts = self._constant or self._by_type.get(task.type, [])
        if len(texts) < self._k:
            raise UserError(
                f"{PLACEBOS}: expected at least hints.k = {self._k} sentences for type "
                f"{task.type}, found {len(texts)}. Add some, or lower hints.k."
            )
        return [
            HintRef(hint_id=f"placebo-{i}", text=text) for i, text in enumerate(texts[: self._k])
        ]
