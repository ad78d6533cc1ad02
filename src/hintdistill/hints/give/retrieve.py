"""Finds k hints for a task, once at the start of an episode.

Candidates are the bank's hints for the task's type, and those for any type. The k with the highest
scores are given; ties go by mentions, then by hint_id. The retrievers differ in the score alone;
retriever `llm`, which lets a language model choose from bm25's best, is in rerank.py. Those that go
by words compare the task's instruction and first observation (the query) with a document for each
hint: its text and the instructions of the tasks that it came from, since placeholders share few
words with a task.

A document is long because its hint would have helped at many tasks. So length is no reason to rank
it lower, as both measures usually have it: rare slips would come first. Each word of the query
counts once: a room lists its fifth cabinet as it lists the first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import bm25s
from pydantic import PositiveInt

from hintdistill.agents.episode.placement import Placement
from hintdistill.agents.episode.rollout import Retrieve, Starts
from hintdistill.core.cell import BankParams
from hintdistill.core.panel import require_split
from hintdistill.core.records import (
    ANY_TYPE,
    HINT_SOURCE_SPLIT,
    Hint,
    HintRef,
    Task,
    normalise,
    short_hash,
)
from hintdistill.hints.give.embed import embed

DIGITS = 6  # of a score; what float noise changes is a tie

# A task and its first observation to one score for each hint, in the order of the hints indexed.
Score = Callable[[Task, str], Sequence[float]]
Tasks = Mapping[str, Task]
# A task and its first observation to all hints of the task's type, the best one first.
Ranking = Callable[[Task, str], list[Hint]]


class RetrievalParams(BankParams):
    """Of the shared block `hints`: whose bank, what is retrieved of it, and where that is put."""

    k: PositiveInt
    retriever: Literal["bm25", "tfidf", "embedding", "random", "llm"]
    placement: Placement


def _words(text: str) -> list[str]:
    return normalise(text).split()


def _instructions(hint: Hint, tasks: Tasks) -> list[str]:
    return [tasks[task_id].instruction for task_id in hint.source_task_ids]


def _documents(hints: Sequence[Hint], tasks: Tasks) -> list[list[str]]:
    return [_words(" ".join([hint.text, *_instructions(hint, tasks)])) for hint in hints]


def _query(task: Task, first_observation: str) -> list[str]:
    return list(dict.fromkeys(_words(f"{task.instruction} {first_observation}")))


def _all_alike(hints: Sequence[Hint]) -> Score:
    """The scores where no document has a word that is known: neither library indexes those."""
    return lambda task, first_observation: [0.0] * len(hints)


def bm25(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """BM25 (Lucene's variant, as bm25s has it), with b = 0 and k1 = 10.

    With the usual 0.75 and 1.5, length counts, and a word that comes again soon counts no more.
    """
    documents = _documents(hints, tasks)
    if not any(documents):
        return _all_alike(hints)
    index = bm25s.BM25(k1=10.0, b=0.0)
    index.index(documents, show_progress=False)

    def score(task: Task, first_observation: str) -> Sequence[float]:
        known = [word for word in _query(task, first_observation) if word in index.vocab_dict]
        return index.get_scores(known) if known else [0.0] * len(hints)

    return score


def tfidf(hints: Sequence[Hint], tasks: Tasks) -> Score:
    """Product of tf-idf vectors, (1 + log tf) x idf (scikit-learn), of no common length."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = _documents(hints, tasks)
    if not any(words):
        return _all_alike(hints)
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, norm=None)
    documents = vectorizer.fit_transform(words)

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

    The order of the bank makes no difference. A UserError where a hint comes from another split
    than train, or the sentence model of `embedding` is not installed.
    """
    sources = (task_id for hint in bank for task_id in hint.source_task_ids)
    require_split(sources, tasks.values(), HINT_SOURCE_SPLIT, "the bank of hints")
    by_type: dict[str, tuple[list[Hint], Score]] = {}
    for task_type in sorted({hint.type for hint in bank}):
        fitting = (h for h in bank if h.type in (task_type, ANY_TYPE))
        hints = sorted(fitting, key=lambda h: h.hint_id)
        by_type[task_type] = (hints, RETRIEVERS[name](hints, tasks))

    def rank(task: Task, first_observation: str) -> list[Hint]:
        hints, score = by_type.get(task.type) or by_type.get(ANY_TYPE) or ([], _all_alike([]))
        scores = [round(float(value), DIGITS) for value in score(task, first_observation)]
        # Sorted by hint_id already, which a stable sort keeps where score and mentions are equal.
        ranked = sorted(zip(scores, hints, strict=True), key=lambda s: (-s[0], -s[1].mentions))
        return [hint for _, hint in ranked]

    return rank


def make_retriever(name: str, bank: Sequence[Hint], tasks: Tasks, k: int) -> Retrieve:
    """Gives each task the k best hints, fewer where its type has fewer; args of `make_ranking`."""
    rank = make_ranking(name, bank, tasks)

    def retrieve(starts: Starts) -> list[list[HintRef]]:
        ranked = [rank(*start)[:k] for start in starts]
        return [[HintRef(hint_id=h.hint_id, text=h.text) for h in hints] for hints in ranked]

    return retrieve
