"""Puts hints into an episode's first messages, and takes them away again."""

from collections.abc import Sequence
from typing import Literal

from hintdistill.agents.episode.protocol import Agent
from hintdistill.core.records import Message

Placement = Literal["system", "first_user"]


def _parts(agent: Agent, hints: list[str], task_type: str) -> tuple[str, str]:
    """The system prompt without hints, and the hint block that it ends with; "" without hints."""
    plain, hinted = (agent.system_prompt(some, task_type) for some in ([], hints))
    assert hinted.startswith(plain), f"{agent.name}: its prompt's hints must stand at the end"
    return plain, hinted.removeprefix(plain)


def open_episode(
    agent: Agent, hints: list[str], task_type: str, observation: str, placement: Placement
) -> list[Message]:
    """The first two messages: instructions and first observation, with hints at the end of one."""
    system, block = _parts(agent, hints, task_type)
    if placement == "system":
        system += block
    else:
        observation += block
    return [Message(role="system", content=system), Message(role="user", content=observation)]


def take_hints_away(
    agent: Agent, hints: list[str], task_type: str, messages: Sequence[Message]
) -> list[Message] | None:
    """An episode's messages without the hints, wherever they stand.

    None if the first two are not what today's template gives with these hints, so that a prompt
    without them would not differ in the hints alone.
    """
    system, observation, *rest = messages
    plain, block = _parts(agent, hints, task_type)
    if system.content == plain + block:
        shown = observation.content
    elif system.content == plain and observation.content.endswith(block):
        shown = observation.content.removesuffix(block)
    else:
        return None
    changes = ((system, plain), (observation, shown))
    return [*(old.model_copy(update={"content": text}) for old, text in changes), *rest]
