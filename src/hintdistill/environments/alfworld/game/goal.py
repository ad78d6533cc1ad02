"""Reads ALFWorld's task sentences and observations."""

import re
from typing import NamedTuple

from hintdistill.core.errors import UserError

TASK_TYPES = (
    "look_at_obj_in_light",
    "pick_and_place_simple",
    "pick_clean_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_two_obj_and_place",
)
NOTHING_HAPPENS = "Nothing happens."
TASK_MARK = "Your task is to: "
# alfworld.gen.goal_library's sentence templates, one expression for the two of each type.
_CHANGED = r"(?:put a {} (\w+) in|{} some (\w+) and put it in) (\w+)"
_SENTENCES = {
    "look_at_obj_in_light": r"(?:look at|examine the) (\w+) (?:under|with) the (\w+)",
    "pick_clean_then_place_in_recep": _CHANGED.format("clean", "clean"),
    "pick_heat_then_place_in_recep": _CHANGED.format("hot", "heat"),
    "pick_cool_then_place_in_recep": _CHANGED.format("cool", "cool"),
    "pick_two_obj_and_place": r"(?:put two (\w+) in|find two (\w+) and put them in) (\w+)",
    "pick_and_place_simple": r"(?:put a|put some) (\w+) (?:in|on) (\w+)",
}
# What a transformation is done with.
STATIONS = {
    "pick_clean_then_place_in_recep": ("clean", "sinkbasin"),
    "pick_heat_then_place_in_recep": ("heat", "microwave"),
    "pick_cool_then_place_in_recep": ("cool", "fridge"),
}
_THING = re.compile(r"\ban? (\w+ \d+)")


class Goal(NamedTuple):
    """Classes as the game writes them ("apple"); `target` is a receptacle, or the lamp."""

    type: str
    object: str
    target: str


def parse_goal(sentence: str) -> Goal | None:
    """The goal of a task sentence, or None where it is none of alfworld's templates."""
    text = sentence.strip().rstrip(".").lower()
    for task_type, pattern in _SENTENCES.items():
        if found := re.fullmatch(pattern, text):
            obj, target = (group for group in found.groups() if group)
            return Goal(task_type, obj, target)
    return None


def require_goal(sentence: str) -> Goal:
    """The goal of a task sentence; a UserError where it is none of alfworld's templates."""
    if goal := parse_goal(sentence):
        return goal
    raise UserError(f"expected a task sentence of one of alfworld's templates, got {sentence!r}")


def instruction_of(first_observation: str) -> str:
    """The task's sentence, out of the first observation."""
    return first_observation.split(TASK_MARK, 1)[1].strip()


def things_in(observation: str) -> list[str]:
    """Names ("apple 1") that an observation lists, in its order."""
    return _THING.findall(observation.split(TASK_MARK)[0])


def class_of(name: str) -> str:
    """ "apple" of "apple 1"."""
    return name.rsplit(" ", 1)[0]


def is_closed(observation: str) -> bool:
    return observation.rstrip().endswith("is closed.")
