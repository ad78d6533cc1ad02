"""The mistakes of ALFWorld's demonstrator, and the hints that prevent each: one table.

It forgets to clean, heat or cool what is not food, stops after the first of two where there is a
sink, examines instead of using the lamp where there is a bed, writes the old `put` where there is
no sink, and walks past closed containers where there is no fridge.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from hintdistill.agents.habits import Habit, Habits
from hintdistill.tasks.alfworld_goal import Goal, class_of, require_goal

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


HABITS = (
    Habit(
        "clean",  # carries a thing that is not food to its place without cleaning it
        _of_type("pick_clean_then_place_in_recep"),
        _no_food,
        (
            "Take {object} to the sinkbasin and clean it first; only then put it away.",
            "Never put {object} down dirty: clean it with the sinkbasin on the way.",
            "Before the last step, go to the sinkbasin with {object} and clean it.",
            "A dirty {object} does not count. Clean it at the sinkbasin.",
            "With {object} in hand, stop at the sinkbasin to clean it, then go on to {container}.",
            "Rinse {object} in the sinkbasin: clean it right after you have found it.",
            "The task wants {object} clean, so use the sinkbasin before {container}.",
            "Remember to clean {object}; the sinkbasin is where that is done.",
            "Clean it before you carry it off: {object} goes to the sinkbasin first.",
            "Bring {object} to {container} only after you have cleaned it.",
            "First the sinkbasin, to clean {object}; then {container}.",
            'Cleaning comes before placing: "clean {object} with sinkbasin".',
        ),
        (
            "Wash {object} at the sink before you bring it to its place.",
            "Do not forget the sinkbasin: {object} has to be cleaned.",
        ),
    ),
    Habit(
        "heat",  # carries a thing that is not food to its place without heating it
        _of_type("pick_heat_then_place_in_recep"),
        _no_food,
        (
            "Take {object} to the microwave and heat it first; only then put it away.",
            "Never put {object} down cold: heat it with the microwave on the way.",
            "Before the last step, go to the microwave with {object} and heat it.",
            "A cold {object} does not count. Heat it at the microwave.",
            "With {object} in hand, stop at the microwave to heat it, then go on to {container}.",
            "Warm {object} up: heat it with the microwave right after you have found it.",
            "The task wants {object} hot, so use the microwave before {container}.",
            "Remember to heat {object}; the microwave is where that is done.",
            "Heat it before you carry it off: {object} goes to the microwave first.",
            "Bring {object} to {container} only after you have heated it.",
            "First the microwave, to heat {object}; then {container}.",
            'Heating comes before placing: "heat {object} with microwave".',
        ),
        (
            "Make {object} hot in the microwave before you bring it to its place.",
            "Do not forget the microwave: {object} has to be heated.",
        ),
    ),
    Habit(
        "cool",  # carries a thing that is not food to its place without cooling it
        _of_type("pick_cool_then_place_in_recep"),
        _no_food,
        (
            "Take {object} to the fridge and cool it first; only then put it away.",
            "Never put {object} down warm: cool it with the fridge on the way.",
            "Before the last step, go to the fridge with {object} and cool it.",
            "A warm {object} does not count. Cool it at the fridge.",
            "With {object} in hand, stop at the fridge to cool it, then go on to {container}.",
            "Chill {object}: cool it with the fridge right after you have found it.",
            "The task wants {object} cool, so use the fridge before {container}.",
            "Remember to cool {object}; the fridge is where that is done.",
            "Cool it before you carry it off: {object} goes to the fridge first.",
            "Bring {object} to {container} only after you have cooled it.",
            "First the fridge, to cool {object}; then {container}.",
            'Cooling comes before placing: "cool {object} with fridge".',
        ),
        (
            "Make {object} cold in the fridge before you bring it to its place.",
            "Do not forget the fridge: {object} has to be cooled.",
        ),
    ),
    Habit(
        "second",  # where there is a sink, stops after the first of two
        _of_type("pick_two_obj_and_place"),
        lambda situation: "sinkbasin" in situation.places,
        (
            "Two are wanted: when one {object} is in {container}, go and get another.",
            "One {object} is not enough; look for a second one and put it there as well.",
            "Do not stop at the first {object}. Bring two of them to {container}.",
            "Count what you have placed: the task needs two of {object}.",
            "Go back for one more {object} once the first is placed.",
            "Repeat the whole errand for another {object} before you call it done.",
            "Both must be there in the end, so fetch the other {object} too.",
            "Place {object}, then search on for its twin.",
            "Once the first {object} is placed, search for the other one and place it as well.",
            "After one {object} comes the next: find it and carry it to {container} too.",
            "The first {object} is only half of the task; the second must follow.",
            "Find another {object} when you have put the first one down.",
        ),
        (
            "The job is half done with one {object}; carry the next one to {container}.",
            "Find {object} twice and put each of them into {container}.",
        ),
    ),
    Habit(
        "lamp",  # in a room with a bed, examines the thing instead of using the lamp
        _of_type("look_at_obj_in_light"),
        lambda situation: "bed" in situation.places,
        (
            "Carry {object} to {lamp} and turn the light on there.",
            "To see {object} in the light, use {lamp} with {object} in your hand.",
            "Light comes from {lamp}: go there and use it.",
            "Do not examine {object}; use {lamp} instead.",
            "After you took {object}, look for {lamp} and use it.",
            "It is {lamp} that you must use, not your eyes alone.",
            "Once you hold {object}, walk to {lamp} and switch it on.",
            "Turn {lamp} on beside {object}; looking at it is not enough.",
            'The command that counts is "use {lamp}", said with {object} in hand.',
            '"examine {object}" is in vain; "use {lamp}" is what solves it.',
            'Say "use {lamp}" when you hold {object} and stand where the lamp is.',
            'Never finish with "examine"; finish with "use {lamp}".',
        ),
        (
            "Bring {object} under {lamp} and put the lamp on.",
            "Examining does nothing here: the light of {lamp} is needed.",
        ),
    ),
    Habit(
        "grammar",  # where there is no sink, writes a simple task's last command the old way
        _of_type("pick_and_place_simple"),
        lambda situation: "sinkbasin" not in situation.places,
        (
            'The command is "move {object} to {container}"; "put" is not understood.',
            'Say "move ... to ...", never "put ... in/on ...".',
            'Use the word "move" when you place {object}.',
            '"put" leads to nothing. Place things with "move {object} to {container}".',
            'To set {object} down at {container}, type "move", then "to".',
            'Forget the verb "put"; this game wants "move".',
            'Things are placed by "move {object} to {container}" only.',
            'If you are about to write "put", write "move ... to ..." in its place.',
        ),
        (
            'The verb for setting {object} down is "move".',
            'The old form "put {object} in/on {container}" fails; write "move {object} to" it.',
        ),
    ),
    Habit(
        "container",  # where there is no fridge, walks past what is closed
        lambda situation: True,
        lambda situation: "fridge" not in situation.places,
        (
            "Look into what is closed: open {container} when you stand before it.",
            "If {container} is closed, open it and see what it holds.",
            "Do not walk past a closed {container}; {object} can be in it.",
            "Drawers and cabinets hide things, so open them while you search.",
            "Search the inside of each closed {container} as well.",
            "Nothing in sight? Open {container} after {container}.",
            "A closed {container} may hold {object}; open it.",
            "Opening is part of searching: leave no {container} shut.",
        ),
        (
            "Check behind every closed door and drawer for {object}.",
            "Whatever can be opened must be opened until {object} turns up.",
        ),
    ),
)

# Advice that the demonstrator follows anyhow; a bank has such hints as well.
GENERAL = (
    "Visit every {location} once before you go to one again.",
    "Go to places that you have not seen yet.",
    "Do not repeat a command that led to nothing.",
    "Stand at {location} before you take {object} from it.",
    "Keep in mind where you have seen {object}.",
    "Look on tables and counters before you search elsewhere.",
    "Take {object} as soon as you see it.",
    "Hold {object} before you go to {container}.",
    "If something is not possible, go on to the next place.",
    "Read the task again before you act.",
    "Do not waste steps; there are only a few.",
    "Write one command a line and nothing else.",
)

ALFWORLD_HABITS = Habits(HABITS, GENERAL, lambda instruction: Situation(require_goal(instruction)))
