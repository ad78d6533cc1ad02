"""Checks the form of hints: what holds for every writer's, and what more for a language model's.

An error is a kind that is counted, and after a colon what it is about.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from hintdistill.core.records import normalise

MAX_CHARACTERS = 120
MIN_WORDS = 3  # of a language model's; "Nothing happens." is a line of the game, and no advice
# First words of a statement or a remark. What is left may be a verb, or what leads up to one
# ("When you see {object}, take it"): no grammar is parsed.
_STATEMENT = re.compile(
    r"(?:you|i|we|it|he|she|they|this|that|these|those|there|the|an?|my|your|its|our|their"
    r"|agents?|players?|hints?|tips?|notes?)\b",
    re.IGNORECASE,
)
_ABOUT_THE_AGENT = re.compile(
    r"\byou (?:should|must|need)\b|\bthe (?:agent|player)\b", re.IGNORECASE
)


def form_error(text: str) -> str | None:
    """Why a text is no hint, or None: one line, at most 120 characters, no numbered names."""
    if not normalise(text) or not text.isprintable():
        return "not one line of printable English"
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS} characters: {len(text)}"
    if re.search(r"\d", text):
        return "names or numbers in place of placeholders"
    return None


@lru_cache
def _of_name(name: str) -> re.Pattern[str]:
    """A name as people write it: in parts, in the plural ("knives", "shelves", but "safes")."""
    plural = name if name.endswith("safe") else re.sub("fe?$", "ves", name)
    forms = "|".join("[ -]?".join(map(re.escape, form)) for form in (name, plural))
    return re.compile(rf"\b(?:{forms})(?:e?s)?\b", re.IGNORECASE)


def written_form_error(text: str, names: Iterable[str], placeholders: Sequence[str]) -> str | None:
    """As `form_error`, for a text that a language model wrote after one episode.

    It also has the known placeholders only, none of the names, and is an order: it begins with a
    word that is no subject, article or heading ("The", "You", "Hint"), speaks of no agent, and has
    three words or more. `names` are words of the episode's own things and places ("mug"), which
    stand for nothing in another game; found in the plural too, and written apart ("dining tables").
    """
    if error := form_error(text):
        return error
    plain = re.sub("|".join(map(re.escape, placeholders)), "", text)
    if found := re.search(r"[{}]\w*\}?", plain):
        return f"none of the placeholders {', '.join(placeholders)}: {found[0]}"
    for name in sorted(names):
        if _of_name(name).search(plain):
            return f"a name in place of a placeholder: {name}"
    if not text[0].isalpha() or _STATEMENT.match(text) or _ABOUT_THE_AGENT.search(text):
        return "no order: begin as in 'Open ...' or 'Before you ..., take ...'"
    if len(normalise(text).split()) < MIN_WORDS:
        return f"fewer than {MIN_WORDS} words"
    return None
