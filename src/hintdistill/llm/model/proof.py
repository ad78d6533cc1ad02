"""Proves on a conversation that a model's template and tokenizer do what the rest builds on."""

from collections.abc import Mapping
from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message
from hintdistill.llm.model.chat import ChatRenderer, common_prefix

_CONTENTS = [
    "You play a game.\n\nSay `think: ...` or an action.",
    "You are in the middle of a room. You see a desk 1, and a drawer 12.\n\nYour task is to: find "
    'a "café au lait" (5.50 $).',
    "think: I look for it on the desk.",
    "OK.",
    "go to desk 1",
    "On the desk 1, you see a mug 2, and a pen 3.\nNothing else.",
    "put mug 2 in/on drawer 12",
]
_ROLES = ["system", *["user", "assistant"] * 3]
TALK = [
    Message(role=role, content=content, own=role == "assistant")
    for role, content in zip(_ROLES, _CONTENTS, strict=True)
]


def prove(renderer: ChatRenderer, source, template_kwargs: Mapping[str, Any]) -> int:
    """How many training rows a conversation of three own turns makes: one, or one a turn.

    `source` is the tokenizer that the renderer's was made from. A UserError where a prompt is not
    what `source` makes of the same messages, a row doesn't begin with its prompts, or an own turn
    is read back as another text than was written.
    """
    for i, message in enumerate(TALK):
        if not message.own:
            continue
        prompt = list(renderer.prompt(TALK[:i]))
        theirs = source.apply_chat_template(
            renderer.for_template(TALK[:i]),
            chat_template=renderer.template,
            add_generation_prompt=True,
            return_dict=False,
            **template_kwargs,
        )
        if prompt != theirs:
            at = common_prefix(prompt, theirs)
            raise UserError(
                f"{renderer.name}: expected the saved tokenizer to encode a prompt as its source "
                f"does, got other tokens after the first {at}: "
                f"{renderer.tokenizer.convert_ids_to_tokens(prompt[at : at + 5])}, for "
                f"{source.convert_ids_to_tokens(theirs[at : at + 5])}. Take another model."
            )
    rows = renderer.rows(TALK)
    said = [turn for row in rows for turn in _own_turns(row.ids, row.own, renderer.end)]
    for ids, message in zip(said, (m for m in TALK if m.own), strict=True):
        if (back := renderer.decode_turn(ids)) != (message.content, True):
            raise UserError(
                f"{renderer.name}: expected an agent's turn to be read back as it was written, "
                f"{message.content!r}, got {back[0]!r}. Take another model or template."
            )
    return len(rows)


def _own_turns(ids: list[int], own: list[int], end: int) -> list[list[int]]:
    """The own turns of a row, each up to its end."""
    turns: list[list[int]] = [[]]
    for token, mine in zip(ids, own, strict=True):
        if mine:
            turns[-1].append(token)
            if token == end:
                turns.append([])
    return turns[:-1]
