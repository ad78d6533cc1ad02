"""The one renderer: chat messages to token ids, for rollouts and for training rows alike.

The chat template is the tokenizer's own, rendered around placeholders; each content is tokenised
apart, as plain text. So whatever a hint, a task or an observation contains, it can't become a
special token or open a chat role, and the ids of a prompt are a prefix of the ids of every later
prompt of the same episode. The agent's own turns are always encoded from their text (not kept as
generated), which makes training rows and evaluation prompts equal.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hintdistill.core.records import Message

# Contents while the template is rendered; private-use characters, found in no template.
_PLACEHOLDER = "\ue000{}\ue001"


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading items two sequences share."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


class Rendered(NamedTuple):
    """Token ids of a conversation, and which of them are the agent's own (1) or not (0)."""

    ids: list[int]
    own: list[int]


class ChatRenderer:
    """Renders with one tokenizer (a fast one of transformers, with a chat template)."""

    def __init__(self, tokenizer) -> None:
        assert tokenizer.chat_template, f"{tokenizer.name_or_path}: no chat template"
        self.tokenizer = tokenizer
        self.end_of_turn: int = tokenizer.eos_token_id
        self._control = frozenset(tokenizer.added_tokens_decoder)
        self._template_ids = lru_cache(maxsize=1024)(self._encode_template)
        self._content_ids = lru_cache(maxsize=65536)(self._encode_content)
        # A prompt is asked for twice a turn: does it fit, and then to be fed.
        self._prompt = lru_cache(maxsize=256)(self._render_prompt)

    def _encode_template(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _encode_content(self, text: str) -> tuple[int, ...]:
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if not self._control.intersection(ids):
            return tuple(ids)
        # Some tokenizers have added tokens that are not marked special and are not split; one
        # character a piece can't be any of them.
        pieces = (self.tokenizer(c, add_special_tokens=False)["input_ids"] for c in text)
        return tuple(token for piece in pieces for token in piece)

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> Rendered:
        """Token ids of the messages; a first system message is required.

        The end-of-turn token after an own turn is the agent's own as well: it must learn to stop.
        """
        assert messages and messages[0].role == "system", "a conversation starts with its system"
        stubs = [
            {"role": m.role, "content": _PLACEHOLDER.format(i)} for i, m in enumerate(messages)
        ]
        rest = self.tokenizer.apply_chat_template(
            stubs, tokenize=False, add_generation_prompt=add_generation_prompt
        )
        ids: list[int] = []
        own: list[int] = []
        after_own = False
        for stub, message in zip([*stubs, None], [*messages, None], strict=True):
            head, rest = rest.split(stub["content"], 1) if stub else (rest, "")
            piece = self._template_ids(head)
            ids += piece
            own += [int(after_own and i == 0) for i in range(len(piece))]
            if message is not None:
                content = self._content_ids(message.content)
                ids += content
                own += [int(message.own)] * len(content)
                after_own = message.own
        return Rendered(ids, own)

    def _render_prompt(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        return tuple(self.render(messages, add_generation_prompt=True).ids)

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids that ask for the agent's next turn."""
        return self._prompt(tuple(messages))

    def decode_turn(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of a generated turn, and whether its end-of-turn token came."""
        complete = ids[-1] == self.end_of_turn
        return self.tokenizer.decode(ids[:-1] if complete else ids).strip(), complete
