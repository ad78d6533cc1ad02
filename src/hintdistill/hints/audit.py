"""The leak audit: does a training row still contain a hint?

A hint can leak through the prompt (the block was not stripped) or through the agent's own turns
(a thought that quotes it). Rows with an exact or normalised copy of a hint of 5 words or more are
dropped and counted; placeholders count as filled in by one to three words. Longer overlaps are
counted, not dropped, beside those of the sft rows, which never saw a hint: the null.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message, TrainingRow, normalise

MIN_WORDS = 5
# Looked for besides the bank, so that the audit can be proved even where the bank is empty.
CANARY = "Sing to {object} at {location} before the yellow canary sleeps."
OVERLAPS = (5, 7, 9)  # n-gram lengths that are reported
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


class Leak(NamedTuple):
    row_id: str
    hint: str
    where: str  # "prompt" or "own turn"


def _pattern(hint: str) -> re.Pattern[str]:
    """The normalised hint, its placeholders filled in by themselves or by one to three words."""
    first, *parts = [re.escape(normalise(part)) for part in _PLACEHOLDER.split(hint)]
    pattern, run = r"(?<!\w)" + first, 0
    for place, part in enumerate(parts, start=1):
        run += 1
        # Placeholders with no word between them are one gap: a gap each would be tried in every
        # division of the words, whose number grows sixteenfold with each placeholder.
        if part or place == len(parts):
            pattern += rf" ?\w+(?: \w+){{{run - 1},{3 * run - 1}}}? ?{part}"
            run = 0
    return re.compile(pattern + r"(?!\w)")


class LeakAudit:
    """Looks for the hints of a bank (or any other texts) in training rows."""

    def __init__(self, hints: Iterable[str]) -> None:
        wanted = {CANARY, *hints}
        self._hints = sorted(h for h in wanted if len(normalise(h).split()) >= MIN_WORDS)
        self._patterns = [_pattern(hint) for hint in self._hints]
        self._grams = {n: self._ngrams(self._hints, n) for n in OVERLAPS}

    @staticmethod
    def _ngrams(texts: Iterable[str], n: int) -> set[tuple[str, ...]]:
        words = [normalise(text).split() for text in texts]
        return {tuple(w[i : i + n]) for w in words for i in range(len(w) - n + 1)}

    def find(self, text: str) -> str | None:
        """A hint of which the text has a copy, or None."""
        plain = normalise(text)
        for hint, pattern in zip(self._hints, self._patterns, strict=True):
            if hint in text or pattern.search(plain):
                return hint
        return None

    def leaks(self, rows: Iterable[TrainingRow]) -> list[Leak]:
        """One entry for each row that contains a hint, in its prompt or in an own turn."""
        found = []
        for row in rows:
            for place, message in enumerate(row.messages):
                # Hints stand in the system prompt or under the first observation.
                if (message.own or place < 2) and (hint := self.find(message.content)):
                    where = "own turn" if message.own else "prompt"
                    found.append(Leak(row.row_id, hint, where))
                    break
        return found

    def overlaps(self, rows: Sequence[TrainingRow]) -> dict[str, int]:
        """How many rows share an n-gram with a hint in their own turns, for each n."""
        own = [[m.content for m in row.messages if m.own] for row in rows]
        return {
            f"rows_sharing_{n}_words": sum(bool(self._ngrams(t, n) & self._grams[n]) for t in own)
            for n in OVERLAPS
        }

    def prove(self, row: TrainingRow) -> int:
        """Plant each hint in a copy of a row, filled in and as it is, and find it again.

        Each is planted in an own turn, in the system prompt and in the first user turn. Returns how
        many copies there were; a UserError where one was not found: the audit can't be trusted.
        """
        planted = 0
        for hint in self._hints:
            for copy in (hint, hint.upper(), _PLACEHOLDER.sub("apple 1", hint)):
                own = Message(role="assistant", content=f"think: {copy}", own=True)
                system, first, *rest = row.messages
                hinted, under = (
                    m.model_copy(update={"content": f"{m.content}\n- {copy}"})
                    for m in (system, first)
                )
                for messages in (
                    [*row.messages, own], [hinted, first, *rest], [system, under, *rest]
                ):  # fmt: skip
                    if not self.leaks([row.model_copy(update={"messages": messages})]):
                        raise UserError(f"leak audit: the planted canary {copy!r} was not found")
                    planted += 1
        return planted
