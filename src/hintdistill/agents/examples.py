"""In-context examples: own games of the demonstrator, for models that need to be shown."""

from pathlib import Path

from pydantic import NonNegativeInt

from hintdistill.agents.prompts import PROMPTS
from hintdistill.errors import UserError
from hintdistill.records import Example, Message, read_jsonl
from hintdistill.settings import Settings


class ProtocolParams(Settings):
    """Of an agent's own params block, `protocol`: what its prompt has."""

    examples: NonNegativeInt  # games of the task's type that the prompt shows


def examples_file(agent: str, env: str) -> Path:
    return PROMPTS / f"{agent}_{env}_examples.jsonl"


def read_examples(agent: str, env: str, number: int) -> dict[str, list[list[Message]]]:
    """By task type, the messages of `number` games; empty for none.

    They are in a file that `hintdistill examples` writes.

    Raises:
        UserError: the file is missing or broken, or has fewer of a type.
    """
    if not number:
        return {}
    path = examples_file(agent, env)
    by_type: dict[str, list[list[Message]]] = {}
    for example in read_jsonl(path, Example):
        by_type.setdefault(example.type, []).append(example.messages)
    for task_type, games in by_type.items():
        if len(games) < number:
            raise UserError(
                f"{path}: expected {number} examples of {task_type}, found {len(games)}. Lower "
                f"{agent}.protocol.examples."
            )
    return {task_type: games[:number] for task_type, games in by_type.items()}
