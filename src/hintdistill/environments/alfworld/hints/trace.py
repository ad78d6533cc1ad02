"""Follows an ALFWorld episode by its observations: where the agent stood, what it held and saw.

The game's hidden state is not used, so a trace knows no more than the agent could have known.
"""

import re
from typing import NamedTuple

from hintdistill.core.records import Episode
from hintdistill.environments.alfworld.game.goal import (
    NOTHING_HAPPENS,
    STATIONS,
    Goal,
    class_of,
    instruction_of,
    is_closed,
    parse_goal,
    things_in,
)

# The command forms of alfworld's grammar (alfred.twl2). The engine compares them literally: a
# capital or a full stop is a form that it does not know.
_NAME = r"[a-z]+ \d+"
_COMMAND = re.compile(
    rf"(?:(?P<to>go to|open|close|use|examine) (?P<what>{_NAME})"
    rf"|take (?P<taken>{_NAME}) from (?P<source>{_NAME})"
    rf"|move (?P<moved>{_NAME}) to (?P<target>{_NAME})"
    rf"|(?:clean|heat|cool|slice) (?P<changed>{_NAME}) with (?P<tool>{_NAME})"
    r"|look|inventory|help)"
)
_ARRIVAL = re.compile(rf"You arrive at ({_NAME})\.")
_PICK_UP = re.compile(rf"You pick up the ({_NAME}) ")
_PUT_DOWN = re.compile(rf"You move the ({_NAME}) to the ({_NAME})\.")
_CHANGE = re.compile(rf"You (clean|heat|cool) the ({_NAME}) ")


class Command(NamedTuple):
    """An action in a form that the games know; names that it does not have are empty."""

    verb: str  # its first word
    object: str
    place: str


def parse_command(action: str) -> Command | None:
    """Read an action; None where the games know no such form."""
    if not (found := _COMMAND.fullmatch(action.strip())):
        return None
    verb = action.split()[0]
    if verb in ("use", "examine"):
        return Command(verb, found["what"], "")
    thing = found["taken"] or found["moved"] or found["changed"] or ""
    place = found["what"] or found["source"] or found["target"] or found["tool"] or ""
    return Command(verb, thing, place)


class Moment(NamedTuple):
    """One step, and the state that the agent took it in."""

    action: str
    observation: str
    command: Command | None
    here: str  # place where it stood, empty before the first arrival
    held: str  # what it held, empty for nothing
    shut: bool  # whether `here` was closed

    @property
    def failed(self) -> bool:
        return self.observation == NOTHING_HAPPENS

    @property
    def verb(self) -> str:
        """The action's first word, known to the games or not."""
        return self.action.split()[0].lower() if self.action.split() else ""


class HouseTrace:
    """An episode's moments, and what they add up to."""

    def __init__(self, episode: Episode) -> None:
        first = episode.messages[1].content
        # Its classes are empty where the task's sentence is none of alfworld's templates.
        self.goal = parse_goal(instruction_of(first)) or Goal("", "", "")
        self.places = things_in(first)  # as the room listed them at first
        self.moments: list[Moment] = []
        # Things that observations listed: the moment of the first time, and the place then.
        self.seen: dict[str, int] = {}
        self.seen_at: dict[str, str] = {}
        self.shut: set[str] = set()  # containers that were found closed
        self.opened: set[str] = set()
        self.takes: list[int] = []  # moments that picked up an object of the wanted class
        # (moment, object, place) of wanted objects moved to a place of the wanted class.
        self.drops: list[tuple[int, str, str]] = []
        # Wanted objects that were cleaned, heated or cooled as asked, with the first moment of it.
        self.changed: dict[str, int] = {}
        asked, _ = STATIONS.get(self.goal.type, ("", ""))
        here = held = ""
        closed: set[str] = set()
        for i, (action, text) in enumerate((s.action, s.observation) for s in episode.steps):
            command = parse_command(action)
            self.moments.append(Moment(action, text, command, here, held, here in closed))
            if found := _ARRIVAL.match(text):
                here = found[1]
            elif found := _PICK_UP.match(text):
                held = found[1]
                if class_of(held) == self.goal.object:
                    self.takes.append(i)
            elif found := _PUT_DOWN.match(text):
                held = ""
                thing, place = found.groups()
                if (class_of(thing), class_of(place)) == (self.goal.object, self.goal.target):
                    self.drops.append((i, thing, place))
            elif found := _CHANGE.match(text):
                verb, thing = found.groups()
                if (verb, class_of(thing)) == (asked, self.goal.object):
                    self.changed.setdefault(thing, i)
            for name in things_in(text):
                self.seen.setdefault(name, i)
                self.seen_at.setdefault(name, here)
            if is_closed(text):
                closed.add(here)
                self.shut.add(here)
            elif text.startswith(f"You open the {here}."):
                closed.discard(here)
                self.opened.add(here)
            elif text.startswith(f"You close the {here}."):
                closed.add(here)

    @property
    def two(self) -> bool:
        return self.goal.type == "pick_two_obj_and_place"

    @property
    def found(self) -> bool:
        """Whether as many objects of the wanted class were in sight as the task asks for."""
        wanted = [name for name in self.seen if class_of(name) == self.goal.object]
        return len(wanted) >= (2 if self.two else 1)

    def steps_after(self, index: int) -> int:
        return len(self.moments) - 1 - index

    def visits(self) -> list[str]:
        """Places that the agent went to, or tried to go to again while there, in order."""
        return [
            moment.command.place
            for moment in self.moments
            if moment.verb == "go"
            and moment.command
            and (not moment.failed or moment.command.place == moment.here)
        ]
