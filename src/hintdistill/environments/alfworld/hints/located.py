"""Where things are: hints made of what an agent saw in its own failed episodes, and of no more."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hintdistill.core.records import Episode, Hint, short_hash
from hintdistill.environments.alfworld.game.goal import class_of
from hintdistill.environments.alfworld.hints.trace import HouseTrace
from hintdistill.environments.alfworld.player.places import (
    MOST_PLACES,
    OBJECTS,
    LookFirst,
    hints_in,
)

LEAST_SEEN = 2  # episodes in which such a thing lay in such a place; once may be chance


def wanted_in(episode: Episode) -> str:
    """The class of the object that the episode's task wanted; empty where it is not known."""
    return HouseTrace(episode).goal.object


def first_seen(episode: Episode) -> int | None:
    """After how many steps an object of the wanted class was first in sight; None where never."""
    trace = HouseTrace(episode)
    firsts = [at for name, at in trace.seen.items() if class_of(name) == trace.goal.object]
    return min(firsts) + 1 if firsts else None


def _seen_in(episode: Episode) -> set[tuple[str, str]]:
    """Classes of objects that the agent saw, each with the class of the place where it lay."""
    places = HouseTrace(episode).seen_at
    seen = {(class_of(name), class_of(place)) for name, place in places.items() if place}
    return {(thing, place) for thing, place in seen if thing in OBJECTS}


def look_first(failures: Sequence[Episode]) -> dict[str, str]:
    """For each object that a failed task wanted, the hint that says where to begin its search.

    It names the places in which most of the episodes saw such an object, if LEAST_SEEN did.
    """
    counts = Counter(pair for episode in failures for pair in _seen_in(episode))
    hints = {}
    for wanted in sorted({wanted_in(episode) for episode in failures}):
        often = [
            (-count, place)
            for (thing, place), count in counts.items()
            if thing == wanted and count >= LEAST_SEEN
        ]
        if places := tuple(place for _, place in sorted(often)[:MOST_PLACES]):
            hints[wanted] = LookFirst(wanted, places).sentence()
    return hints


def permuted(bank: Iterable[Hint], seed: int) -> list[Hint]:
    """The bank with the places of each object's hint given to another object's: fluent, and wrong.

    Which object gets whose is a derangement drawn by seed: none keeps its own. What else a hint
    has, and so where it is retrieved, stays. Hints that name no place stay as they are.
    """
    bank = list(bank)
    said = {hint.hint_id: hints_in(hint.text)[0] for hint in bank if hints_in(hint.text)}
    ids = sorted(said)
    others = _derangement(ids, seed) if ids[1:] else {}
    return [
        hint.model_copy(update={"text": _with_places_of(said[hint.hint_id], said[other])})
        if (other := others.get(hint.hint_id))
        else hint
        for hint in bank
    ]


def _with_places_of(hint: LookFirst, other: LookFirst) -> str:
    return LookFirst(hint.object, other.places).sentence()


def _derangement(ids: Sequence[str], seed: int) -> Mapping[str, str]:
    """Each id with another one: drawn until none is its own, every third time or so."""
    rng = random.Random(short_hash("derangement", seed))
    drawn = list(ids)
    while any(a == b for a, b in zip(ids, drawn, strict=True)):
        rng.shuffle(drawn)
    return dict(zip(ids, drawn, strict=True))
