"""Hints by rule: reads a failed episode's own observations and says what would have helped.

No language model and no hidden state: only the instruction, the actions and the observations.
Each rule is a cause of failure with one hint; the hint names no object, place or number.
"""

from collections.abc import Iterator
from typing import NamedTuple

from hintdistill.records import Episode, Step
from hintdistill.tasks.alfworld import NOTHING_HAPPENS, instruction_of
from hintdistill.tasks.alfworld_goal import STATIONS, Goal, is_closed, parse_goal

WRITER = "diagnose"
TRANSFORM_HINTS = {
    "clean": "Clean {object} with the sinkbasin before you move it to {container}.",
    "heat": "Heat {object} with the microwave before you move it to {container}.",
    "cool": "Cool {object} with the fridge before you move it to {container}.",
}


class Diagnosis(NamedTuple):
    """A cause of failure, and the hint that would have prevented it."""

    cause: str
    text: str


def _unmet_precondition(goal: Goal, steps: list[Step]) -> str | None:
    """A take, move or device command that was not possible where the agent stood."""
    for step in steps:
        verb = step.action.split(" ", 1)[0]
        if step.observation != NOTHING_HAPPENS:
            continue
        if verb == "take":
            return "Go to {location} and look for {object} there before you take it."
        if verb in ("move", "put"):
            return "Hold {object} and stand at {container} before you move it there."
        if verb in ("clean", "heat", "cool", "use"):
            return "Go to {container} with {object} in hand before you use it there."
    return None


def _skipped_container(goal: Goal, steps: list[Step]) -> str | None:
    """A closed container that was visited and never opened, while the object was not found."""
    if _taken(goal, steps):
        return None
    closed = {
        step.action.removeprefix("go to ")
        for step in steps
        if step.action.startswith("go to ") and is_closed(step.observation)
    }
    opened = {
        step.action.removeprefix("open ")
        for step in steps
        if step.observation.startswith("You open ")
    }
    text = "Open every closed {container} you come to; {object} may be inside."
    return text if closed - opened else None


def _missed_transformation(goal: Goal, steps: list[Step]) -> str | None:
    """The object was taken and never cleaned, heated or cooled, as the task asks."""
    if goal.type not in STATIONS:
        return None
    verb, _ = STATIONS[goal.type]
    done = any(step.observation.startswith(f"You {verb} the {goal.object} ") for step in steps)
    return TRANSFORM_HINTS[verb] if _taken(goal, steps) and not done else None


def _second_object(goal: Goal, steps: list[Step]) -> str | None:
    """Two were asked for; one was placed and the second was not."""
    if goal.type != "pick_two_obj_and_place":
        return None
    placed = [step for step in steps if step.observation.startswith(f"You move the {goal.object} ")]
    text = "After the first {object} is in place, find the second {object} and bring it too."
    return text if placed else None


def _taken(goal: Goal, steps: list[Step]) -> bool:
    return any(step.observation.startswith(f"You pick up the {goal.object} ") for step in steps)


RULES = {
    "unmet_precondition": _unmet_precondition,
    "skipped_container": _skipped_container,
    "missed_transformation": _missed_transformation,
    "second_object": _second_object,
}


def diagnose(episode: Episode) -> Iterator[Diagnosis]:
    """The causes of one failed ALFWorld episode, with their hints; none for a success."""
    if episode.success:
        return
    goal = parse_goal(instruction_of(episode.messages[1].content))
    if goal is None:
        return
    for cause, rule in RULES.items():
        if text := rule(goal, episode.steps):
            yield Diagnosis(cause, text)
