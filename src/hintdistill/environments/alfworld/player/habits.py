"""The mistakes of ALFWorld's scripted player: which tasks suffer from each, and when it is made.

The hints that prevent them are in habits.yaml.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from hintdistill.environments.alfworld.game.goal import Goal, class_of, require_goal
from hintdistill.environments.scripted.habits import read_habits

FOOD = frozenset({"apple", "bread", "egg", "lettuce", "potato", "tomato"})


class Situation(NamedTuple):
    """A goal, and the classes of the places in the room where they are known."""

    goal: Goal
    places: frozenset[str] = frozenset()


def situation_of(goal: Goal, places: Iterable[str]) -> Situation:
    return Situation(goal, frozenset(map(class_of, places)))


def _of_type(task_type: str) -> Callable[[Situation], bool]:
    return lambda situation: situation.goal.type == task_type


def _no_food(situation: Situation) -> bool:
    return situation.goal.object not in FOOD


HABITS = read_habits(
    Path(__file__).with_name("habits.yaml"),
    {
        # Carries a thing that is not food to its place without cleaning, heating or cooling it.
        "clean": (_of_type("pick_clean_then_place_in_recep"), _no_food),
        "heat": (_of_type("pick_heat_then_place_in_recep"), _no_food),
        "cool": (_of_type("pick_cool_then_place_in_recep"), _no_food),
        # Where there is a sink, stops after the first of two.
        "second": (_of_type("pick_two_obj_and_place"), lambda at: "sinkbasin" in at.places),
        # In a room with a bed, examines the thing instead of using the lamp.
        "lamp": (_of_type("look_at_obj_in_light"), lambda at: "bed" in at.places),
        # Where there is no sink, writes a simple task's last command the old way, with "put".
        "grammar": (_of_type("pick_and_place_simple"), lambda at: "sinkbasin" not in at.places),
        # Where there is no fridge, walks past what is closed.
        "container": (lambda at: True, lambda at: "fridge" not in at.places),
    },
    lambda instruction: Situation(require_goal(instruction)),
)
