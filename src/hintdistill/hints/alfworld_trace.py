"""What happened in an ALFWorld episode, as its own observations tell it.

Replays the actions: where the agent stood, what it held, what it had seen. The game's hidden state
is not used, so a trace knows no more than the agent could have known.
"""

import re
from typing import NamedTuple

from hintdistill.records import Episode
from hintdistill.tasks.alfworld_goal import (
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
    found = _COMMAND.fullmatch(action.strip())
    if found is None:
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


class Trace:
    """An episode's moments, and what they add up to.

    Attributes:
        goal: of the task's sentence; classes are empty where it is none of alfworld's templates.
        places: what the room listed at first.
        seen: names of things that observations listed.
        shut, opened: containers found closed; containers opened.
        takes: indices of the moments that picked up an object of the wanted class.
        drops: (index, object, place) of wanted objects moved to a place of the wanted class.
        changed: wanted objects that were cleaned, heated or cooled as the task asks, with the
            first index.
    """

    def __init__(self, episode: Episode) -> None:
        first = episode.messages[1].content
        self.goal = parse_goal(instruction_of(first)) or Goal("", "", "")
        self.places = things_in(first)
        self.moments: list[Moment] = []
        self.seen: set[str] = set()
        self.shut: set[str] = set()
        self.opened: set[str] = set()
        self.takes: list[int] = []
        self.drops: list[tuple[int, str, str]] = []
        self.changed: dict[str, int] = {}
        here = held = ""
        closed: set[str] = set()
        for i, (action, text) in enumerate((s.action, s.observation) for s in episode.steps):
            command = parse_command(action)
            self.moments.append(Moment(action, text, command, here, held, here in closed))
            self.seen.update(things_in(text))
            if found := _ARRIVAL.match(text):
                here = found[1]
            elif found := _PICK_UP.match(text):
                held = found[1]
                self._taken(i, held)
            elif found := _PUT_DOWN.match(text):
                held = ""
                self._dropped(i, found[1], found[2])
            elif found := _CHANGE.match(text):
                self._changed(i, found[1], found[2])
            if is_closed(text):
                closed.add(here)
                self.shut.add(here)
            elif text.startswith(f"You open the {here}."):
                closed.discard(here)
                self.opened.add(here)
            elif text.startswith(f"You close the {here}."):
                closed.add(here)

    def _taken(self, index: int, name: str) -> None:
        if class_of(name) == self.goal.object:
            self.takes.append(index)

    def _dropped(self, index: int, name: str, place: str) -> None:
        if (class_of(name), class_of(place)) == (self.goal.object, self.goal.target):
            self.drops.append((index, name, place))

    def _changed(self, index: int, verb: str, name: str) -> None:
        asked, _ = STATIONS.get(self.goal.type, ("", ""))
        if (verb, class_of(name)) == (asked, self.goal.object):
            self.changed.setdefault(name, index)

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
