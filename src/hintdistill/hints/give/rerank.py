"""Lets a language model pick the k hints that a prompt is given, from the best by bm25.

It is asked about all tasks of a cohort together, once, at the start of their episodes; not about
tasks whose type has no more than k hints. A wrong answer (no such JSON, a number twice or out of
range, too few, no room in the context) is not asked for again: bm25's order fills up what is
missing, and each hint says which of both picked it.
"""

import logging
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.agents.episode.rollout import Retrieve, Starts
from hintdistill.core.records import Hint, HintRef, Message, Task
from hintdistill.environments.common.prompts import render_prompt
from hintdistill.hints.give.retrieve import Tasks, make_ranking
from hintdistill.llm.server.client import Server
from hintdistill.llm.server.completion import ChatRequest, Completion, quoted, unfenced

log = logging.getLogger(__name__)

CANDIDATES = 20
MAX_TOKENS = 128  # of an answer: k numbers
SCHEMA = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
    "required": ["numbers"],
    "additionalProperties": False,
}


class _NumbersAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    numbers: list[int]


def read_numbers(text: str, candidates: int) -> list[int]:
    """The answer's numbers from 1 to `candidates`, each once; none where it is no such JSON."""
    try:
        numbers = _NumbersAnswer.model_validate_json(unfenced(text)).numbers
    except ValidationError:
        return []
    return list(dict.fromkeys(n for n in numbers if 1 <= n <= candidates))


def _request(task: Task, first_observation: str, hints: Sequence[Hint], k: int) -> ChatRequest:
    listed = "\n".join(f"{number}. {hint.text}" for number, hint in enumerate(hints, start=1))
    parts = {"Task": task.instruction, "First sight": first_observation, "Hints": listed}
    user = "\n".join(f"{name}:\n{quoted(text)}" for name, text in parts.items())
    system = render_prompt(f"{task.env}/rerank.j2", k=k)
    messages = [Message(role="system", content=system), Message(role="user", content=user)]
    return ChatRequest(messages, max_tokens=MAX_TOKENS, schema=SCHEMA)


def _refs(hints: Sequence[Hint], picked: Literal["llm", "bm25"] | None) -> list[HintRef]:
    return [HintRef(hint_id=hint.hint_id, text=hint.text, picked=picked) for hint in hints]


def _picked(hints: Sequence[Hint], answer: Completion | None, k: int) -> list[HintRef]:
    numbers = read_numbers(answer.text, len(hints)) if answer else []
    best = [hints[number - 1] for number in numbers[:k]]
    rest = [hint for hint in hints if hint not in best][: k - len(best)]
    return [*_refs(best, "llm"), *_refs(rest, "bm25")]


def make_reranker(server: Server, bank: Sequence[Hint], tasks: Tasks, k: int) -> Retrieve:
    """Gives each task k hints that the server's model picks; `tasks` is the whole panel."""
    rank = make_ranking("bm25", bank, tasks)

    def retrieve(starts: Starts) -> list[list[HintRef]]:
        ranked = [rank(*start)[: max(CANDIDATES, k)] for start in starts]
        asked = [i for i, hints in enumerate(ranked) if len(hints) > k]
        answers = server.complete_all([_request(*starts[i], ranked[i], k) for i in asked])
        found = [_refs(hints, None) for hints in ranked]
        for i, answer in zip(asked, answers, strict=True):
            found[i] = _picked(ranked[i], answer, k)
        filled = sum(any(ref.picked == "bm25" for ref in refs) for refs in found)
        log.info("rerank: %d tasks asked about, %d answers filled up", len(asked), filled)
        return found

    return retrieve
