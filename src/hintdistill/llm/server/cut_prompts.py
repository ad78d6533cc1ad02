"""Notices a server that cuts prompts to its context and says nothing, as Ollama does.

A longer prompt has more tokens. A server whose count of them stops growing has cut the prompt: an
agent loses its instructions, and its episodes are worth nothing. Nothing is concluded where another
cause could be behind it:

- Some servers count only tokens that they had not cached: few, after a conversation's first turn.
  A count that is larger than what the new messages can have is no such count.
- Texts of equal length differ in tokens. So a prompt is compared with those that it continues;
  among unrelated ones, the same highest count of several, of very different lengths, is a sign.
- A count higher than all before takes back what seemed a limit.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hintdistill.core.errors import UserError

# Two prompts may agree by some mishap; a server that cuts goes on with it.
_SIGNS = 2
_UNRELATED = 3
# Bytes by which one prompt must be longer for its fewer tokens to be a sign, beyond what vendors'
# machines behind one address differ in (a date, a default prompt).
_MUCH_LONGER = 1000
# Where whole messages are dropped, as few as needed, the count stays near its highest.
_NEAR_TOP = 0.75
# Tokens that new messages have at most: of English text, and of the template around it.
_BYTES_A_TOKEN, _AROUND = 3, 48
_MOST_BYTES_A_TOKEN = 25  # of a prompt that was counted as a whole


class _Seen(NamedTuple):
    size: int  # bytes
    tokens: int
    key: str  # of its answer


class CutPrompts(NamedTuple):
    """Two prompts of which the longer one has no more tokens."""

    shorter: _Seen
    longer: _Seen


class PromptWatch:
    """The prompts of one model, with the tokens that the server has counted in them."""

    def __init__(self) -> None:
        self._seen: dict[bytes, _Seen] = {}  # by the hash of the messages
        self._at_top: list[_Seen] = []  # prompts of the highest count
        self._signs: list[CutPrompts] = []
        self._top = 0

    def note(
        self, key: str, messages: Sequence[Mapping[str, str]], tokens: int
    ) -> CutPrompts | None:
        """Note a request's count; returns what shows that prompts are cut, if it is certain."""
        hashes, sizes = _prefixes(messages)
        if not tokens or hashes[-1] in self._seen:
            return None
        own = _Seen(sizes[-1], tokens, key)
        continued = [self._seen[name] for name in hashes if name in self._seen]
        self._seen[hashes[-1]] = own
        if tokens > self._top:
            self._top, self._at_top, self._signs = tokens, [], []
        if tokens == self._top:
            self._at_top.append(own)
        if sign := self._sign(own, continued):
            self._signs.append(sign)
        if len(self._signs) >= _SIGNS:
            return self._signs[-1]
        return self._unrelated() if tokens == self._top else None

    def suspects(self) -> list[str]:
        """Keys of the answers whose prompts may have been cut: a server keeps half, or more."""
        return [seen.key for seen in self._seen.values() if seen.tokens >= self._top / 2]

    def _sign(self, own: _Seen, continued: list[_Seen]) -> CutPrompts | None:
        """What a prompt shows beside those that it continues, the shortest first."""
        if not continued:
            return None
        new = own.size - continued[-1].size
        if own.tokens <= new / _BYTES_A_TOKEN + _AROUND:
            return None  # it may be the count of the new messages only
        if own.tokens == continued[-1].tokens:
            return CutPrompts(continued[-1], own)
        for before in continued:
            much_longer = own.size >= before.size + _MUCH_LONGER
            if much_longer and before.tokens >= own.tokens >= self._top * _NEAR_TOP:
                return CutPrompts(before, own)
        return None

    def _unrelated(self) -> CutPrompts | None:
        shortest, longest = min(self._at_top), max(self._at_top)
        if (
            len(self._at_top) >= _UNRELATED
            and longest.size >= max(shortest.size + _MUCH_LONGER, shortest.size * 1.25)
            and shortest.size <= self._top * _MOST_BYTES_A_TOKEN
        ):
            return CutPrompts(shortest, longest)
        return None


def _prefixes(messages: Sequence[Mapping[str, str]]) -> tuple[list[bytes], list[int]]:
    """Hash and bytes of the first message, of the first two, and so on."""
    running, size = hashlib.sha256(), 0
    hashes, sizes = [], []
    for message in messages:
        content = message["content"].encode()
        running.update(f"{message['role']} {len(content)} ".encode() + content)
        size += len(content)
        hashes.append(running.digest())
        sizes.append(size)
    return hashes, sizes


def cut_error(where: str, model: str, cut: CutPrompts) -> UserError:
    """Says what was seen, and how servers are given a longer context."""
    short, long = cut
    return UserError(
        f"{where}: expected a longer prompt to have more prompt_tokens, got {short.tokens} for "
        f"{short.size} bytes and {long.tokens} for {long.size} from {model}: the server cuts "
        "prompts to its context without a word, and with them the instructions. Give it a longer "
        "context: Ollama by OLLAMA_CONTEXT_LENGTH=16384 before `ollama serve`, or by `PARAMETER "
        "num_ctx 16384` in the model's Modelfile (its OpenAI API takes no num_ctx); LM Studio by "
        "`lms load --context-length 16384`; others by their own option. The answers to such "
        "prompts have been forgotten; run again."
    )
