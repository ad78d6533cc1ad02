"""From failures to the bank of hints: form checked, duplicates merged, sources kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field
from rapidfuzz import fuzz

from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import require_split
from hintdistill.core.records import (
    HINT_SOURCE_SPLIT,
    Episode,
    Hint,
    Rejection,
    Task,
    normalise,
    short_hash,
)
from hintdistill.core.settings import Settings
from hintdistill.hints.give.embed import embed
from hintdistill.hints.write.form import form_error


def read_failures(source: Path, tasks: Mapping[str, Task]) -> list[Episode]:
    """The failed episodes that hints may be written of: training tasks' and no others'."""
    failures = [episode for episode in read_jsonl(source, Episode) if not episode.success]
    require_split((e.task_id for e in failures), tasks.values(), HINT_SOURCE_SPLIT, str(source))
    return failures


class RawHint(NamedTuple):
    """A hint as a writer made it of one failed episode."""

    type: str
    text: str
    writer: str
    episode: Episode
    subject: str = ""  # hints about different things are never one, however alike their words are


class DuplicateParams(Settings):
    """Of the shared block `hints`: how alike two texts are that are one hint; either suffices.

    `duplicate_ratio` is rapidfuzz's ratio over normalised text (Ibrahim et al. 2025: the authors
    merge above 0.85 of difflib's). `duplicate_cosine` is of sentence vectors, None to leave it out.
    It is for a writer that words the same advice anew each time: the rules of `diagnose`, each
    different advice, come up to 0.92, and "heat it" and "cool it" in one sentence up to 0.86.
    """

    duplicate_ratio: float = Field(gt=0, le=1)
    duplicate_cosine: float | None = Field(gt=0, le=1)

    def same(self, a: str, b: str) -> bool:
        """Whether two normalised texts are one hint."""
        if fuzz.ratio(a, b) / 100 >= self.duplicate_ratio:
            return True
        if self.duplicate_cosine is None:
            return False
        left, right = embed([a, b])
        return round(float(left @ right), 6) >= self.duplicate_cosine


def leaders(texts: Iterable[str], duplicates: DuplicateParams) -> dict[str, str]:
    """Each text's leader: the first normalised text, in alphabetical order, that is the same hint.

    A text that is like no leader before it leads itself. So it goes by which texts there are, and
    not by their order.
    """
    texts = list(texts)
    leader: dict[str, str] = {}
    for text in sorted(set(map(normalise, texts))):
        before = dict.fromkeys(leader.values())
        leader[text] = next((one for one in before if duplicates.same(one, text)), text)
    return {text: leader[normalise(text)] for text in texts}


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
        writer="+".join(sorted({raw.writer for raw in group})),
        source_task_ids=sorted({raw.episode.task_id for raw in group}),
        source_episode_ids=sorted({raw.episode.episode_id for raw in group}),
    )


def curate(raw_hints: Iterable[RawHint], env: str, duplicates: DuplicateParams) -> list[Hint]:
    """The bank: well-formed hints, near-duplicates of a type merged, sorted by type and hint_id."""
    alike: dict[tuple[str, str], list[RawHint]] = defaultdict(list)
    for raw in raw_hints:
        if form_error(raw.text) is None:
            alike[raw.type, raw.subject].append(raw)
    bank = []
    for of_one in alike.values():
        leader = leaders((raw.text for raw in of_one), duplicates)
        groups: dict[str, list[RawHint]] = defaultdict(list)
        for raw in of_one:
            groups[leader[raw.text]].append(raw)
        bank += [_bank_entry(env, group) for group in groups.values()]
    return sorted(bank, key=lambda hint: (hint.type, hint.hint_id))


def prune(bank: Iterable[Hint], texts: Iterable[str]) -> list[Hint]:
    """The bank without hints, of any type, that have one of the texts (case and signs aside)."""
    unwanted = {normalise(text) for text in texts}
    return [hint for hint in bank if normalise(hint.text) not in unwanted]


def bank_figures(
    failures: Sequence[Episode], bank: Sequence[Hint], rejections: Sequence[Rejection]
) -> dict[str, Any]:
    """Counts of failures, of the bank's hints by writer, and of rejected texts by kind."""
    met = {episode_id for hint in bank for episode_id in hint.source_episode_ids}
    kinds = Counter(rejection.reason.split(":")[0] for rejection in rejections)
    return {
        "failures": len(failures),
        "failures_with_a_hint": len(met),
        "hints": len(bank),
        "hints_by_writer": dict(sorted(Counter(hint.writer for hint in bank).items())),
        "mentions": sum(hint.mentions for hint in bank),
        "rejected": len(rejections),
        "rejected_by_kind": dict(sorted(kinds.items())),
    }
