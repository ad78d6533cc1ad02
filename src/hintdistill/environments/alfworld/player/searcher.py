"""Plays ALFWorld without mistakes, by a script that searches where a hint says first.

Where its prompt has a hint for the object that it wants, it begins at those classes of place;
otherwise at one to three that it draws. The other classes follow in an order that it draws as well,
so that its demonstrations teach no order. It says where it begins in its first thought.

The hints of its demonstrations are arbitrary: places drawn for each object by seed, right as often
as chance makes them. So what is learnt from them is to follow such a hint, and no fact of where
things are.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from hintdistill.environments.alfworld.game.goal import Goal, class_of, require_goal, things_in
from hintdistill.environments.alfworld.player.demonstrator import Demonstrator
from hintdistill.environments.alfworld.player.habits import HABITS, Situation
from hintdistill.environments.alfworld.player.places import (
    MOST_PLACES,
    OBJECTS,
    PLACES,
    LookFirst,
    hints_in,
    where,
)
from hintdistill.environments.scripted.habits import OPENINGS

MOST_OTHERS = 5  # hints for other objects, or general advice, in one prompt
# A bank is of other rooms too, so it names places that a room has not.
SHARE_OF_PLACES_ELSEWHERE = 0.25
SHARE_OF_ADVICE = 0.25  # of the hints that are not for the wanted object


class Searcher(Demonstrator):
    """Plays one game: `turn(observation)` gives the next line."""

    def _choose_habits(self, situation: Situation, prompt: str) -> set[str]:
        return set()

    def _search_order(self, prompt: str) -> list[str]:
        classes = sorted({class_of(place) for place in self.places})
        self._rng.shuffle(classes)
        told = [
            p for hint in hints_in(prompt) if hint.object == self.goal.object for p in hint.places
        ]
        drawn = classes[: self._rng.randint(1, MOST_PLACES)]
        self._begins_at = [place for place in told if place in classes] or drawn
        order = list(dict.fromkeys([*self._begins_at, *classes]))
        return sorted(self.places, key=lambda place: order.index(class_of(place)))

    def _plan(self) -> str:
        two = self.goal.type == "pick_two_obj_and_place"
        number, what = ("two", "both") if two else ("a", "it")
        begin = f"I look for {number} {self.goal.object} {where(self._begins_at)} first."
        return f"{begin} Then I {self._steps_after_taking(what)}."

    def _give_up(self):
        """It never does: it looks around and searches everything once more."""
        self._visited.clear()
        yield from self._act("look")
        yield from self._errand()


def _arbitrary(object_class: str, room: Sequence[str], rng: random.Random) -> str:
    """A hint for an object, at places that are drawn: most of them classes of the room's."""
    number = rng.randint(1, MOST_PLACES)
    known = [PLACES if rng.random() < SHARE_OF_PLACES_ELSEWHERE else room for _ in range(number)]
    places = dict.fromkeys(rng.choice(classes) for classes in known)
    return LookFirst(object_class, tuple(places)).sentence()


class PlaceHints(NamedTuple):
    """The hints of the searcher's demonstrations, as an environment's habits draw theirs."""

    habits: tuple = ()

    def _others(
        self, goal: Goal, room: Sequence[str], number: int, rng: random.Random
    ) -> list[str]:
        others = [name for name in OBJECTS if name != goal.object]
        advice = sum(rng.random() < SHARE_OF_ADVICE for _ in range(number))
        named = rng.sample(others, number - advice)
        return [*(_arbitrary(n, room, rng) for n in named), *rng.sample(HABITS.general, advice)]

    def draw_none(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        return []

    def draw_helpful(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """A hint for the wanted object, among others."""
        goal, room = require_goal(instruction), _classes(first)
        hints = self._others(goal, room, rng.randint(0, MOST_OTHERS), rng)
        hints.append(_arbitrary(goal.object, room, rng))
        rng.shuffle(hints)
        return hints

    def draw_useless(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """Hints for other objects, or general advice."""
        goal, room = require_goal(instruction), _classes(first)
        return self._others(goal, room, rng.randint(1, MOST_OTHERS + 1), rng)

    def draw_any(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        draws = (self.draw_none, self.draw_helpful, self.draw_useless)
        return rng.choices(draws, OPENINGS)[0](instruction, first, rng)


def _classes(first_observation: str) -> list[str]:
    return sorted({class_of(name) for name in things_in(first_observation)})
