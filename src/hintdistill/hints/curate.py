"""From raw hints to the bank: form checked, duplicates merged, sources kept."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from rapidfuzz import fuzz

from hintdistill.records import Episode, Hint, normalise, short_hash

MAX_CHARACTERS = 120
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


class RawHint(NamedTuple):
    """What a writer made of one failed episode."""

    type: str
    text: str
    writer: str
    episode: Episode


def form_error(text: str) -> str | None:
    """Why a text is no hint, or None: one line, at most 120 characters, no numbered names."""
    if not text.strip() or len(text.splitlines()) != 1:
        return "not one line"
    if len(text) > MAX_CHARACTERS:
        return f"{len(text)} characters, more than {MAX_CHARACTERS}"
    if re.search(r"\d", _PLACEHOLDER.sub("", text)):
        return "names or numbers in place of placeholders"
    return None


def _bank_entry(env: str, group: list[RawHint]) -> Hint:
    """Merge one hint and its near-duplicates; the wording met most often stays."""
    texts = [raw.text for raw in group]
    text = min(texts, key=lambda t: (-texts.count(t), t))
    return Hint(
        hint_id=short_hash(normalise(text), group[0].type),
        env=env,
        type=group[0].type,
        text=text,
        mentions=len(group),
        writer=min(raw.writer for raw in group),
        source_task_ids=sorted({raw.episode.task_id for raw in group}),
        source_episode_ids=sorted({raw.episode.episode_id for raw in group}),
    )


def curate(raw_hints: Iterable[RawHint], env: str, duplicate_ratio: float) -> list[Hint]:
    """The bank: well-formed hints, near-duplicates of a type merged, sorted by type and hint_id.

    Args:
        duplicate_ratio: texts at least this alike are one hint, 0 to 1 (rapidfuzz's ratio over
            normalised text; Ibrahim et al. 2025: the authors merge above 0.85 of difflib's).
    """
    groups: list[list[RawHint]] = []
    kept = [raw for raw in raw_hints if form_error(raw.text) is None]
    for raw in sorted(
        kept, key=lambda r: (r.type, normalise(r.text), r.text, r.episode.episode_id)
    ):
        for group in groups:
            same = fuzz.ratio(normalise(group[0].text), normalise(raw.text)) / 100
            if group[0].type == raw.type and same >= duplicate_ratio:
                group.append(raw)
                break
        else:
            groups.append([raw])
    bank = [_bank_entry(env, group) for group in groups]
    return sorted(bank, key=lambda hint: (hint.type, hint.hint_id))
