"""Retrieval by a language model: of the best by bm25, it picks the k that a prompt is given.

A cohort's tasks are asked about at once, each once, at the start of its episode. What is amiss
with an answer (no such JSON, a number twice or out of range, too few, no room in the context) is
not asked about again: bm25's order fills up what is missing, and each hint says which of both
picked it. No task is asked about whose type has no more than k hints.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.agents.prompts import render_prompt
from hintdistill.hints.retrieve import Starts, Tasks, make_ranking
from hintdistill.llm.completion import ChatRequest, Completion, quoted, unfenced
from hintdistill.llm.server import Server
from hintdistill.records import Hint, HintRef, Message, Task

log = logging.getLogger(__name__)

CANDIDATES = 20
MAX_TOKENS = 128  # of an answer: k numbers
SCHEMA = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
    "required": ["numbers"],
    "additionalProperties": False,
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    numbers: list[int]


def read_numbers(text: str, candidates: int) -> list[int]:
    """The numbers of an answer that are from 1 to `candidates`, each once, in their order.

    Empty where it is no such JSON, whatever else it is.
    """
    try:
        numbers = _Answer.model_validate_json(unfenced(text)).numbers
    except ValidationError:
        return []
    return list(dict.fromkeys(n for n in numbers if 1 <= n <= candidates))


def _request(task: Task, first_observation: str, hints: Sequence[Hint], k: int) -> ChatRequest:
    listed = "\n".join(f"{number}. {hint.text}" for number, hint in enumerate(hints, start=1))
    parts = {"Task": task.instruction, "First sight": first_observation, "Hints": listed}
    user = "\n".join(f"{name}:\n{quoted(text)}" for name, text in parts.items())
    system = render_prompt(f"rerank_{task.env}.j2", k=k)
    messages = [Message(role="system", content=system), Message(role="user", content=user)]
    return ChatRequest(messages, max_tokens=MAX_TOKENS, schema=SCHEMA)


def _refs(hints: Sequence[Hint], picked: Literal["llm", "bm25"] | None) -> list[HintRef]:
    return [HintRef(hint_id=hint.hint_id, text=hint.text, picked=picked) for hint in hints]


def _picked(hints: Sequence[Hint], answer: Completion | None, k: int) -> list[HintRef]:
    numbers = read_numbers(answer.text, len(hints)) if answer else []
    best = [hints[number - 1] for number in numbers[:k]]
    rest = [hint for hint in hints if hint not in best][: k - len(best)]
    return [*_refs(best, "llm"), *_refs(rest, "bm25")]


def make_reranker(
    server: Server, bank: Sequence[Hint], tasks: Tasks, k: int
) -> Callable[[Starts], list[list[HintRef]]]:
    """A function from starts to k hints of each, picked by the server's model.

    Args:
        tasks: the whole panel, by task_id.

    Raises:
        UserError: as `make_ranking`; and the function, as `Server.complete_all`.
    """
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
