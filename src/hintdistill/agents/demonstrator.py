"""A plain scripted player of ALFWorld; writes the demonstrations of the warm start.

It sees what an agent sees, observations only, and searches: open places first, then containers,
in the order in which the room lists them. Beforehand it knows the task sentences, which device
cleans, heats and cools, and which classes are containers that open.
"""

from hintdistill.agents.agent import Agent
from hintdistill.errors import UserError
from hintdistill.llm.engine import Request, Turn
from hintdistill.records import Message, Model
from hintdistill.tasks.alfworld import instruction_of
from hintdistill.tasks.alfworld_goal import STATIONS, class_of, is_closed, parse_goal, things_in

CONTAINERS = frozenset({"cabinet", "drawer", "fridge", "microwave", "safe"})


class Demonstrator:
    """Plays one game: `turn(observation)` gives the next line."""

    def __init__(self, agent: Agent, first_observation: str) -> None:
        sentence = instruction_of(first_observation)
        goal = parse_goal(sentence)
        if goal is None:
            raise UserError(f"demonstrator: it knows no task of the form {sentence!r}")
        self.agent, self.goal = agent, goal
        self.places = things_in(first_observation)
        self._lines = self._script()
        next(self._lines)

    def turn(self, observation: str) -> str:
        """The next line, after an observation (the first one included)."""
        return self._lines.send(observation)

    def _script(self):
        """The whole game as one coroutine: yields lines, is sent observations."""
        goal, agent = self.goal, self.agent
        self.here, self.seen, self._visited, self._open = "", {}, set(), set()
        yield ""  # primed; the first observation is the room, whose places are known already
        look = goal.type == "look_at_obj_in_light"
        yield agent.thought(self._intention())
        for _ in range(2 if goal.type == "pick_two_obj_and_place" else 1):
            obj = yield from self._find(goal.object)
            source = self.seen.pop(obj)
            yield from self._go(source)
            yield f"take {obj} from {source}"
            if goal.type in STATIONS:
                verb, device = STATIONS[goal.type]
                station = self._place_of(device)
                yield agent.thought(f"I have the {obj}. Now I {verb} it with the {device}.")
                yield from self._go(station, open_it=False)
                yield f"{verb} {obj} with {station}"
            if look:
                yield agent.thought(f"I have the {obj}. Now I find the {goal.target}.")
                lamp = yield from self._find(goal.target)
                yield from self._go(self.seen[lamp])
                yield f"use {lamp}"
            else:
                target = self._place_of(goal.target)
                yield agent.thought(f"Now I put the {obj} in the {goal.target}.")
                yield from self._go(target)
                yield f"move {obj} to {target}"
        while True:  # not reached where the game ends when it is won
            yield "look"

    def _intention(self) -> str:
        goal = self.goal
        if goal.type == "look_at_obj_in_light":
            return f"I need to find a {goal.object}, then use the {goal.target}."
        number = "two" if goal.type == "pick_two_obj_and_place" else "a"
        middle = f", {STATIONS[goal.type][0]} it" if goal.type in STATIONS else ""
        return f"I need to find {number} {goal.object}{middle}, then put it in the {goal.target}."

    def _place_of(self, cls: str) -> str:
        return next((place for place in self.places if class_of(place) == cls), f"{cls} 1")

    def _find(self, cls: str):
        """Search until something of the class is in sight; returns its name."""
        order = sorted(self.places, key=lambda place: class_of(place) in CONTAINERS)
        for place in order:
            if found := [name for name in self.seen if class_of(name) == cls]:
                return found[0]
            if place not in self._visited and class_of(place) != self.goal.target:
                yield from self._go(place)
        found = [name for name in self.seen if class_of(name) == cls]
        return found[0] if found else f"{cls} 1"

    def _go(self, place: str, *, open_it: bool = True):
        """Go to a place (if elsewhere), open it where it is closed, and note what is there."""
        observation = ""
        if self.here != place:
            observation = yield f"go to {place}"
            self.here = place
        closed = is_closed(observation) if observation else place not in self._visited
        if open_it and closed and class_of(place) in CONTAINERS and place not in self._open:
            observation = yield f"open {place}"
            self._open.add(place)
        if open_it:
            self._visited.add(place)
        if class_of(place) != self.goal.target or self.goal.type == "look_at_obj_in_light":
            self.seen.update(dict.fromkeys(things_in(observation), place))


class DemonstratorEngine:
    """Demonstrators behind the engine's interface, so that the same loop records them."""

    model = Model(name="demonstrator", sha256="0" * 64)
    adapter = None
    deterministic = True

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._players: dict[int, Demonstrator] = {}

    def start(self) -> None:
        self._players.clear()

    def is_full(self, messages: list[Message]) -> bool:
        return False

    def generate(self, requests: list[Request]) -> list[Turn]:
        turns = []
        for slot, messages in requests:
            if slot not in self._players:
                self._players[slot] = Demonstrator(self._agent, messages[1].content)
            turns.append(Turn(self._players[slot].turn(messages[-1].content), True, 0, 0, 0))
        return turns
