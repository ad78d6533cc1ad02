"""Plays ALFWorld by a script, which makes mistakes and follows hints.

It sees what an agent sees, observations only. Its knowledge of the game is written down here and in
game/goal.py: the task sentences, which device cleans, heats and cools, which classes open, and in
which order of classes it searches a room. It has the habits of habits.py, which a hint in its
prompt prevents.

Now and then it slips: a command at random that it doesn't mean, from which it recovers. Slips are
not its own turns, so nothing learns to make them, only to go on after them (noise injected into
demonstrations, as in DART: Laskey et al. 2017).
"""

import random

from hintdistill.environments.alfworld.game.goal import (
    NOTHING_HAPPENS,
    STATIONS,
    class_of,
    instruction_of,
    is_closed,
    require_goal,
    things_in,
)
from hintdistill.environments.alfworld.player.habits import HABITS, Situation, situation_of
from hintdistill.environments.common.protocol import Belief
from hintdistill.environments.scripted.player import Line, WriteTurns

# Where it looks first, and where last: what opens. Other classes come in between.
SEARCH_ORDER = (
    "countertop", "diningtable", "desk", "sidetable", "coffeetable", "dresser", "bed", "sofa",
    "armchair", "shelf", "sinkbasin", "stoveburner", "toilet", "tvstand", "garbagecan",
    "coffeemachine",
)  # fmt: skip
LAST = ("fridge", "microwave", "drawer", "cabinet", "safe")
GIVE_UP = "inventory"  # said until the episode ends


def _search_rank(place: str) -> int:
    cls = class_of(place)
    if cls in SEARCH_ORDER:
        return SEARCH_ORDER.index(cls)
    return len(SEARCH_ORDER) + (1 + LAST.index(cls) if cls in LAST else 0)


class Demonstrator:
    """Plays one game: `turn(observation)` gives the next line."""

    def __init__(
        self,
        write_turns: WriteTurns,
        prompt: str,
        first_observation: str,
        slips: float,
        rng: random.Random,
    ) -> None:
        self._task = instruction_of(first_observation)
        self._write_turns, self.goal = write_turns, (goal := require_goal(self._task))
        self.places = things_in(first_observation)
        self._slips, self._rng = slips, rng
        self._habits = self._choose_habits(situation_of(goal, self.places), prompt)
        self._order = self._search_order(prompt)
        self._here = ""
        self._seen: dict[str, str] = {}  # thing -> place
        self._visited: list[str] = []
        self._shut: set[str] = set()
        self._at = self._held = ""  # where a slip has led it, unlike _here
        self._thought = ""  # not said yet
        self._intent = f"I look for the {goal.object}."
        self._lines = self._play()
        next(self._lines)

    def _choose_habits(self, situation: Situation, prompt: str) -> set[str]:
        return HABITS.made(situation, prompt)

    def _search_order(self, prompt: str) -> list[str]:
        """The room's places, in the order in which they are searched."""
        return sorted(self.places, key=_search_rank)

    def turn(self, observation: str) -> Line:
        """The next line, after an observation (the first one included)."""
        return self._lines.send(observation)

    def _play(self):
        """The whole game as one coroutine: yields lines, is sent observations."""
        yield Line("")  # primed; the first observation is the room, whose places are known already
        self._thought = self._plan()
        if self.goal.type == "pick_two_obj_and_place" and "second" not in self._habits:
            second = f"look for the second {self.goal.object}"
            yield from self._errand(then=f", then I {second}")
            self._think(f"Now I {second}.")
        yield from self._errand()
        self._intent = "I have done what I could."
        while True:  # not reached where the game ends when it is won
            yield from self._give_up()

    def _give_up(self):
        yield from self._act(GIVE_UP)

    def _errand(self, then: str = ""):
        """Find one object, do to it what the task wants, and bring it where it belongs.

        `then`: it says that it will do this afterwards.
        """
        goal = self.goal
        obj = yield from self._find(goal.object)
        if obj is None:
            return
        place = self._seen.pop(obj)
        self._intent = f"The {obj} is at the {place}. I take it."
        yield from self._go(place)
        yield from self._say(f"take {obj} from {place}")
        rest = self._steps_after_taking()
        self._think(f"I have the {obj}. Next I {rest}{then}.", f"Next I {rest}.")
        if goal.type == "look_at_obj_in_light":
            if "lamp" in self._habits:
                yield from self._say(f"examine {obj}")
                return
            lamp = yield from self._find(goal.target)
            if lamp is not None:
                yield from self._go(self._seen[lamp])
                yield from self._say(f"use {lamp}")
            return
        if goal.type in STATIONS and STATIONS[goal.type][0] not in self._habits:
            verb, device = STATIONS[goal.type]
            station = yield from self._go_to_class(device, open_it=False)
            yield from self._say(f"{verb} {obj} with {station}")
            self._think(f"Next I {self._placing(obj)}.")
        target = yield from self._go_to_class(goal.target)
        move = "move {} to {}" if "grammar" not in self._habits else "put {} in/on {}"
        yield from self._say(move.format(obj, target))

    def _plan(self) -> str:
        """Its plan, in the words of its first thought."""
        goal = self.goal
        number, what = "a", "it"
        if goal.type == "pick_two_obj_and_place":
            number, what = ("one", "it") if "second" in self._habits else ("two", "both")
        closed = "pass by" if "container" in self._habits else "open"
        then = self._steps_after_taking(what)
        return f"I look for {number} {goal.object}. I {closed} what is closed. Then I {then}."

    def _steps_after_taking(self, what: str = "it") -> str:
        goal = self.goal
        if goal.type == "look_at_obj_in_light":
            return "examine it" if "lamp" in self._habits else f"use the {goal.target}"
        steps = [self._placing(what)]
        if goal.type in STATIONS and STATIONS[goal.type][0] not in self._habits:
            verb, device = STATIONS[goal.type]
            steps.insert(0, f"{verb} it with the {device}")
        return ", then ".join(steps)

    def _placing(self, what: str) -> str:
        return f"bring {what} to the {self.goal.target}"

    def _find(self, cls: str):
        """Search until something of the class is in sight; returns its name, or None."""
        for place in self._order:
            if found := [name for name in self._seen if class_of(name) == cls]:
                return found[0]
            if place not in self._visited and not self._is_done(place):
                yield from self._go(place)
        return next((name for name in self._seen if class_of(name) == cls), None)

    def _is_done(self, place: str) -> bool:
        """Whether the objects that lie there are in their place already."""
        plain = self.goal.type in ("pick_and_place_simple", "pick_two_obj_and_place")
        return plain and class_of(place) == self.goal.target

    def _go_to_class(self, cls: str, *, open_it: bool = True):
        """Go to the first place of a class that can be reached; returns its name."""
        for place in [p for p in self.places if class_of(p) == cls]:
            yield from self._go(place, open_it=open_it, search=False)
            if self._here == place:
                return place
        return f"{cls} 1"

    def _go(self, place: str, *, open_it: bool = True, search: bool = True):
        """Go to a place (if elsewhere), open it where it is closed, and note what is there."""
        if self._here != place:
            observation = yield from self._say(f"go to {place}")
            self._visited.append(place)
            if observation == NOTHING_HAPPENS:
                return
            self._note(place, observation)
        passes = search and "container" in self._habits
        if open_it and place in self._shut and not passes:
            observation = yield from self._say(f"open {place}")
            self._note(place, observation)

    def _note(self, place: str, observation: str) -> None:
        """Remember where it stands and what it sees there."""
        self._here = place
        self._shut.discard(place)
        if is_closed(observation):
            self._shut.add(place)
        if not self._is_done(place):
            self._seen.update(dict.fromkeys(things_in(observation), place))

    def _say(self, command: str):
        """Send a command, at times after a slip; returns its observation."""
        if self._rng.random() < self._slips:
            yield from self._slip(command)
        return (yield from self._act(command))

    def _think(self, thought: str, intent: str = "") -> None:
        """Say a thought with the next command; go on with an intent, the thought if empty."""
        self._thought, self._intent = thought, intent or thought

    def _act(self, command: str, *, slip: bool = False):
        """Write the turns that say what it thinks and send a command; returns its observation."""
        visited = tuple(dict.fromkeys(self._visited))
        here = self._at or "middle of the room"
        belief = Belief(self._task, visited, here, self._held, self._intent)
        *thoughts, action = self._write_turns(self._thought, command, belief)
        for thought in thoughts:
            yield Line(thought)
        if thoughts or not slip:  # a thought that is part of a slip is said again
            self._thought = ""
        observation = yield Line(action, slip)
        if observation.startswith("You arrive at "):
            self._at = command.removeprefix("go to ")
        elif observation.startswith("You pick up the "):
            self._held = command.removeprefix("take ").split(" from ")[0]
        elif observation.startswith("You move the "):
            self._held = ""
        return observation

    def _slip(self, meant: str):
        """A command that does not help: one that is impossible, or back to an old place."""
        # Not where it is about to go: to go to a place twice is impossible.
        here_or_next = (self._here, meant.removeprefix("go to "))
        back = [place for place in self._visited[-4:] if place not in here_or_next]
        if back and self._rng.random() < 0.5:
            place = self._rng.choice(back)
            observation = yield from self._act(f"go to {place}", slip=True)
            if observation != NOTHING_HAPPENS and not meant.startswith("go to "):
                # It was to be done where it stood before.
                yield from self._act(f"go to {self._here}")
            return
        away = self._rng.choice([place for place in self.places if place != self._here])
        yield from self._act(f"take {self.goal.object} 1 from {away}", slip=True)
