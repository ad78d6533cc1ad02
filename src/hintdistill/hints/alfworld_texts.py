"""What the rules of diagnosis say: one hint for each cause of failure, or for each form of it.

A hint is an imperative of at most 120 characters that would have prevented the failure. It names
no object, place or number; what cleans, heats and cools is the same in every game and is named.
"""

from hintdistill.tasks.alfworld_goal import STATIONS

GRAMMAR = {
    "take": 'Write "take {object} from {location}", with both names as the game lists them.',
    "move": 'Write "move {object} to {container}"; the game does not know "put".',
    "go": 'Write "go to {location}" with a full name from the list of places.',
    "use": 'Write "use {lamp}" to switch a light on; the game knows no other command for it.',
    "clean": 'Write "clean {object} with {container}" in full, and name the sinkbasin.',
    "heat": 'Write "heat {object} with {container}" in full, and name the microwave.',
    "cool": 'Write "cool {object} with {container}" in full, and name the fridge.',
    "other": "Use the listed commands only, word for word, in lower case and without a full stop.",
}
TRANSFORMATION = {
    verb: f"{verb.capitalize()} {{object}} with the {station} before you move it to {{container}}."
    for verb, station in STATIONS.values()
}
SECOND_OBJECT = {
    "missing": "After the first {object} is in place, find the second {object} and bring it too.",
    "apart": "Bring the second {object} to the very {container} that holds the first {object}.",
}
LAMP = {
    "use": 'With {object} in hand, go to {lamp} and write "use {lamp}".',
    "find": "Once you hold {object}, search the other places for {lamp} and use it there.",
    "examine": 'Write "use {lamp}" while you hold {object}; "examine" does not switch it on.',
    "first": "Take {object} before you use {lamp}; the light counts only with {object} in hand.",
}
PRECONDITION = {
    "go": "Go only to a {location} that the room lists, under its full name.",
    "open": "Go to {container} before you open it.",
    "use": "Go to the place where you saw {lamp} before you use it.",
    "take": "Go to {location} and look for {object} there before you take it.",
    "take, hands full": "Put down what you hold before you take {object}; you can carry one thing.",
    "take, shut": "First open the closed {container}, then take {object} out of it.",
    "move": "Hold {object} and stand at {container} before you move it there.",
    "move, shut": "Open {container} before you move {object} into it.",
    "move, no room for it": "Move {object} only to the {container} that the task names.",
    "clean": "Hold {object} and stand at the sinkbasin before you clean it.",
    "heat": "Hold {object} and stand at the microwave before you heat it.",
    "cool": "Hold {object} and stand at the fridge before you cool it.",
}
SKIPPED_CONTAINER = "Open every closed {container} you come to; {object} may be inside."
REPEATED_SEARCH = (
    "Visit each {location} once; go to those you have not seen before you return to one."
)
MALFORMED = {
    "turn": "Write each turn in the form that is asked for, with a single command at most.",
    "context": "Think in few words and act; long turns use up the room that the episode has.",
}
REPEATED_ACTION = "When a command brings nothing new, do not write it again; try another one."
BUDGET = {
    "not found": "Search every {location} and {container} until you see {object}; leave the rest.",
    "not taken": "When you see {object}, take it at once.",
    "late": "Search quickly and in order, so that steps are left once you hold {object}.",
    "not placed": "Once {object} is ready, go straight to {container} and move it there.",
}
TEXTS: dict[str, dict[str, str]] = {
    "grammar": GRAMMAR,
    "missed_transformation": TRANSFORMATION,
    "second_object": SECOND_OBJECT,
    "lamp": LAMP,
    "unmet_precondition": PRECONDITION,
    "skipped_container": {"": SKIPPED_CONTAINER},
    "repeated_search": {"": REPEATED_SEARCH},
    "malformed": MALFORMED,
    "repeated_action": {"": REPEATED_ACTION},
    "budget": BUDGET,
}
