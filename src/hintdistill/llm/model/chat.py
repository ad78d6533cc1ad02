"""The one renderer: chat messages to token ids, for rollouts and for training rows alike.

What a model is fed is what its tokenizer's own chat template writes, encoded as the tokenizer does.
Text of a hint, a task or an observation stays text: it can't become a token that opens or closes a
role, a thought or a tool call. A training row is made of the very prompts that a rollout asks with:
each own turn stands behind its prompt, token for token. The turns of an episode share a row as long
as each prompt begins with the row so far; where a template writes earlier turns otherwise than the
last one, as those of thinking models do, the next turn begins a row of its own.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import encode_marked_chat, mark_control_tokens

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message
from hintdistill.llm.model.dates import without_dates
from hintdistill.llm.thoughts import part_thoughts

# Added tokens of a thought or a tool call, which not every template writes and not every tokenizer
# marks as special: <think>, </tool_call>, [TOOL_CALLS], <|channel|>.
_BLOCK = re.compile(r"[<\[].*(think|thought|reason|tool|channel|function).*[>\]]", re.I | re.S)
# Contents while a template is tried out; private-use characters, found in no template.
_PROBE = [
    Message(role="system", content="\ue100"),
    Message(role="user", content="\ue101"),
    Message(role="assistant", content="\ue102", own=True),
    Message(role="user", content="\ue103"),
]
_PLACES = re.compile("[\ue100-\ue103]")
_SHOWN = 40  # characters around the place where a prompt and its row part


def common_prefix(a: Sequence[Any], b: Sequence[Any]) -> int:
    """How many leading items two sequences share."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


class Rendered(NamedTuple):
    """Token ids of a training row, and which of them are the agent's own (1) or not (0)."""

    ids: list[int]
    own: list[int]


class _Form(NamedTuple):
    """How a template takes messages."""

    merged: bool  # it has no system role: that text stands at the head of the first user's turn
    parts: bool  # content is a list of parts, as for models that see images


def _ends_in(folder: Path) -> set[int]:
    """The ids that end a turn, as the files beside a model's weights name them."""
    ends: set[int] = set()
    for path in (folder / "generation_config.json", folder / "config.json"):
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        end = content.get("eos_token_id")
        ends |= set(end) if isinstance(end, list) else {end} if isinstance(end, int) else set()
    return ends


class ChatRenderer:
    """Renders with one tokenizer (a fast one of transformers, with a chat template).

    `template_kwargs` are variables of the template, as in `{"enable_thinking": False}`; `ends` are
    ids that end a turn beside the tokenizer's end of text and what the template writes behind an
    assistant's turn. A UserError where the template drops or moves texts, however they are put.
    """

    def __init__(
        self, tokenizer, template_kwargs: Mapping[str, Any] | None = None, ends: Iterable[int] = ()
    ) -> None:
        self.tokenizer = tokenizer
        self.name = tokenizer.name_or_path
        try:
            self.template = without_dates(tokenizer.get_chat_template())
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.name}: expected a chat template: {reason}") from None
        self._template_kwargs = dict(template_kwargs or {})
        for key in self._template_kwargs:
            if not re.search(rf"\b{re.escape(key)}\b", self.template):
                raise UserError(
                    f"params.yaml, model.chat_template_kwargs: expected variables of the chat "
                    f"template of {self.name}, got {key!r}, which it doesn't read. Remove it."
                )
        added = tokenizer.added_tokens_decoder.values()
        control = [
            token
            for token in added
            if token.special
            or (token.content in self.template and not token.content.isspace())
            or _BLOCK.fullmatch(token.content)
        ]
        longest_first = sorted((re.escape(t.content) for t in control), key=len, reverse=True)
        self._control = re.compile("|".join(longest_first) or "(?!)")
        # The template's text is encoded piece by piece, so that pieces can be kept: before a
        # control token the tokenizer cuts the text anyway. Not where that token takes white space
        # before it, nor where it is data, which is marked by a character before it.
        self._mark = mark_control_tokens("x", re.compile("x"))[0]
        cuts = "|".join(re.escape(t.content) for t in control if not t.lstrip)
        self._cut = re.compile(f"(?<!{self._mark})(?={cuts or '(?!)'})")
        self._piece_ids = lru_cache(maxsize=65536)(self._encode_piece)
        # A prompt is asked for twice a turn: does it fit, and then to be fed.
        self._prompt = lru_cache(maxsize=256)(self._render_prompt)
        self._form = self._find_form()
        self.end = self._find_end()
        self.ends = frozenset({self.end, tokenizer.eos_token_id, *ends} - {None})

    @classmethod
    def open(
        cls, folder: Path, template_kwargs: Mapping[str, Any], name: str = ""
    ) -> "ChatRenderer":
        """The renderer of a model's folder, as stage base or a training has saved it.

        `name` is what errors call it in place of the folder.
        """
        if not (folder / "tokenizer.json").is_file():  # transformers would look for it on a hub
            raise UserError(
                f"{folder}: expected a model folder with tokenizer.json, found none. "
                "Make it with `dvc repro`, or fetch it with `dvc pull`."
            )
        # Of what tokenizer.json says, as AutoTokenizer's; AutoTokenizer imports torch, which takes
        # longer than to load a small model.
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        tokenizer.name_or_path = name or str(folder)
        return cls(tokenizer, template_kwargs, _ends_in(folder))

    def _find_form(self) -> _Form:
        """The first of four forms in which the template keeps every text, once and in order."""
        problems = []
        for form in (_Form(merged, parts) for merged in (False, True) for parts in (False, True)):
            try:
                text = self._text(_PROBE, add_generation_prompt=True, form=form)
            except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
                problems.append(str(error))
                continue
            if _PLACES.findall(text) == [message.content for message in _PROBE]:
                return form
            problems.append("it drops, repeats or moves texts")
        raise UserError(
            f"{self.name}: expected a chat template that takes turns of user and assistant in "
            f"order, with a system text or without, got one that does not: "
            f"{'; '.join(dict.fromkeys(problems))}. Take another model or template."
        )

    def _find_end(self) -> int:
        """The token that the template writes behind an assistant's turn, the last or another.

        Where it writes none, it is the tokenizer's end of text.
        """
        for talk in (_PROBE[:-1], _PROBE):
            text = self._text(talk, add_generation_prompt=False, form=self._form)
            found = self._control.search(text, text.index(_PROBE[2].content))
            if found:
                return self.tokenizer.convert_tokens_to_ids(found[0])
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                f"{self.name}: expected a token that ends an assistant's turn, found neither one "
                "in the chat template nor an end of text in the tokenizer."
            )
        return self.tokenizer.eos_token_id

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The messages as the template takes their system text: as it is, or in a user's turn."""
        return self._with_system(messages, self._form)

    def _with_system(self, messages: Sequence[Message], form: _Form) -> list[Message]:
        assert messages and messages[0].role == "system", "a conversation starts with its system"
        if not form.merged:
            return list(messages)
        system, first, *others = messages
        merged = Message(role="user", content=f"{system.content}\n\n{first.content}")
        return [merged, *others]

    def for_template(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as `apply_chat_template` takes them from this template."""
        return self._in_form(messages, self._form)

    def _in_form(self, messages: Sequence[Message], form: _Form) -> list[dict[str, Any]]:
        return [
            {
                "role": m.role,
                "content": [{"type": "text", "text": m.content}] if form.parts else m.content,
            }
            for m in self._with_system(messages, form)
        ]

    def _text(
        self, messages: Sequence[Message], *, add_generation_prompt: bool, form: _Form
    ) -> str:
        """What the template writes; control tokens in contents are marked as data."""
        return self.tokenizer.apply_chat_template(
            mark_control_tokens(self._in_form(messages, form), self._control),
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **self._template_kwargs,
        )

    def _encode_piece(self, text: str) -> tuple[int, ...]:
        if self._mark in text:
            return tuple(encode_marked_chat(self.tokenizer, text))
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def _encode(self, text: str) -> tuple[int, ...]:
        pieces = self._cut.split(text)
        return tuple(token for piece in pieces if piece for token in self._piece_ids(piece))

    def _prompt_text(self, messages: Sequence[Message]) -> str:
        return self._text(messages, add_generation_prompt=True, form=self._form)

    def _render_prompt(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        return self._encode(self._prompt_text(messages))

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids that ask for the agent's next turn; a first system message is required."""
        return self._prompt(tuple(messages))

    def _turn(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of the last message, and of what the template writes around it."""
        asked = self._prompt_text(messages[:-1])
        whole = self._text(messages, add_generation_prompt=False, form=self._form)
        if not whole.startswith(asked):
            known = common_prefix(asked, whole)
            raise UserError(self._parted(asked, whole, known))
        prompt, ids = self.prompt(messages[:-1]), self._encode(whole)
        if ids[: len(prompt)] == prompt:
            return ids[len(prompt) :]
        # The tokenizer joins the prompt's end with the turn, which a model can't say so.
        return self._encode(whole.removeprefix(asked))

    def rows(self, messages: Sequence[Message]) -> list[Rendered]:
        """Training rows of a conversation: every own turn once, behind its own prompt.

        The token that ends an own turn is the agent's own as well: it must learn to stop. A
        UserError where the template writes a turn otherwise than behind its prompt.
        """
        rows: list[Rendered] = []
        tail: tuple[int, ...] = ()  # what the template writes behind the last turn's end
        for i, message in enumerate(messages):
            if not message.own:
                continue
            prompt, turn = self.prompt(messages[:i]), self._turn(messages[: i + 1])
            if self.end not in turn:
                turn = (*turn, self.end)
            length = turn.index(self.end) + 1
            turn, tail = turn[:length], turn[length:]
            if not rows or tuple(rows[-1].ids) != prompt[: len(rows[-1].ids)]:
                rows.append(Rendered([], []))
            ids, own = rows[-1]
            own += [0] * (len(prompt) - len(ids)) + [1] * length
            ids += (*prompt[len(ids) :], *turn)
        if rows:
            rows[-1].ids.extend(tail)
            rows[-1].own.extend([0] * len(tail))
        return rows

    def _parted(self, prompt: str, row: str, known: int) -> str:
        return (
            f"{self.name}: expected a chat template by which each prompt is the beginning of its "
            f"training row, but they part after {prompt[:known][-_SHOWN:]!r}: the prompt goes on "
            f"{prompt[known:][:_SHOWN]!r}, the row {row[known:][:_SHOWN]!r}. Where the prompt "
            "opens a thought, turn thoughts off by model.chat_template_kwargs in params.yaml (for "
            "many models `enable_thinking: false`), or take a model or template without them."
        )

    def decode_turn(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of a generated turn without thoughts before it, and whether it came to its end.

        A turn of which nothing but an unfinished thought came is no complete one.
        """
        complete = ids[-1] in self.ends
        text = self.tokenizer.decode(
            ids[:-1] if complete else ids, clean_up_tokenization_spaces=False
        )
        thoughts, said = part_thoughts(text)
        return said.strip(), complete and bool(said or not thoughts)
