"""Diagnoses a failed ALFWorld episode by rules.

A slip that the agent itself made good is no cause, nor is a part of the task that it had no steps
left for.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from hintdistill.core.records import Episode
from hintdistill.environments.alfworld.game.goal import NOTHING_HAPPENS, STATIONS, class_of
from hintdistill.environments.alfworld.hints import located, texts
from hintdistill.environments.alfworld.hints.trace import HouseTrace, Moment
from hintdistill.environments.common.protocol import Diagnosis, HintRules, PlaceRules

# So many steps or turns lost in the same way are a cause, even where the agent found out at last.
MANY = 3
# To go somewhere and do something takes two steps; with fewer left, nothing was missed.
STEPS_TO_ACT = 2
# The same in every game, so that hints may name them.
_COMMON = frozenset(station for _, station in STATIONS.values())
# Other games' and older versions' words for commands that alfworld has.
_MEANT = {
    "put": "move", "place": "move", "insert": "move", "drop": "move", "pick": "take",
    "get": "take", "grab": "take", "walk": "go", "goto": "go", "enter": "go", "turn": "use",
    "switch": "use", "toggle": "use", "wash": "clean", "rinse": "clean", "chill": "cool",
}  # fmt: skip


def _meant(moment: Moment) -> str:
    return _MEANT.get(moment.verb, moment.verb)


def _unmended(trace: HouseTrace, slips: Sequence[int]) -> Moment | None:
    """The first of the slips that counts: not made good later, or made `MANY` times."""
    verbs = Counter(_meant(trace.moments[i]) for i in slips)
    for i in slips:
        verb = _meant(trace.moments[i])
        later = trace.moments[i + 1 :]
        if verbs[verb] >= MANY or all(m.failed for m in later if _meant(m) == verb):
            return trace.moments[i]
    return None


def _grammar(trace: HouseTrace) -> str | None:
    """A command in a form that the games don't know."""
    slips = [i for i, m in enumerate(trace.moments) if m.failed and m.command is None]
    moment = _unmended(trace, slips)
    return moment and texts.GRAMMAR.get(_meant(moment), texts.GRAMMAR["other"])


def _missed_transformation(trace: HouseTrace) -> str | None:
    """The object was taken and not cleaned, heated or cooled, or was placed before it was."""
    if trace.goal.type not in STATIONS or not trace.takes:
        return None
    verb, _ = STATIONS[trace.goal.type]
    placed_bare = any(trace.changed.get(name, i) >= i for i, name, _ in trace.drops)
    never = not trace.changed and trace.steps_after(trace.takes[0]) >= STEPS_TO_ACT
    return texts.TRANSFORMATION[verb] if placed_bare or never else None


def _second_object(trace: HouseTrace) -> str | None:
    """Two were asked for; one was placed, and the second was not, or somewhere else."""
    if not trace.two or not trace.drops:
        return None
    if len({name for _, name, _ in trace.drops}) > 1:
        return texts.SECOND_OBJECT["apart"]
    enough_left = trace.steps_after(trace.drops[0][0]) >= STEPS_TO_ACT
    return texts.SECOND_OBJECT["missing"] if enough_left else None


def _lamp(trace: HouseTrace) -> str | None:
    """The object was not looked at: no lamp found or used while it was in hand."""
    if trace.goal.type != "look_at_obj_in_light":
        return None
    lamp, either = trace.goal.target, {trace.goal.target, trace.goal.object}
    if not trace.takes:
        used = any(m.observation.startswith(f"You turn on the {lamp} ") for m in trace.moments)
        return texts.LAMP["first"] if used else None
    if trace.steps_after(trace.takes[0]) < STEPS_TO_ACT:
        return None
    holding = [m for m in trace.moments if class_of(m.held) == trace.goal.object]
    if any(m.verb in ("examine", "look") and either & set(m.action.split()) for m in holding):
        return texts.LAMP["examine"]
    return texts.LAMP["use" if any(class_of(name) == lamp for name in trace.seen) else "find"]


def _precondition_of(moment: Moment) -> str:
    """Which condition of a known command did not hold: a key of texts.PRECONDITION."""
    assert moment.command is not None
    verb, thing, place = moment.command
    there = place == moment.here
    if verb == "take" and there:
        return "take, shut" if moment.shut else "take, hands full" if moment.held else "take"
    if verb == "move" and there and moment.held == thing:
        return "move, shut" if moment.shut else "move, no room for it"
    return verb


def _unmet_precondition(trace: HouseTrace) -> str | None:
    """A command that was not possible where the agent stood or with what it held."""
    slips = [
        i
        for i, m in enumerate(trace.moments)
        if m.failed
        and m.command
        and m.verb in texts.PRECONDITION
        # To go or open again what is reached or open already changes nothing.
        and not (m.verb in ("go", "open") and m.command.place == m.here)
    ]
    moment = _unmended(trace, slips)
    return moment and texts.PRECONDITION[_precondition_of(moment)]


def _skipped_container(trace: HouseTrace) -> str | None:
    """A closed container was visited and never opened, while the object was not found."""
    return texts.SKIPPED_CONTAINER if not trace.found and trace.shut - trace.opened else None


def _repeated_search(trace: HouseTrace) -> str | None:
    """The same places again and again, others never; the object was not found."""
    visits = trace.visits()
    unvisited = set(trace.places) - set(visits)
    again = len(visits) - len(set(visits))
    return texts.REPEATED_SEARCH if not trace.found and unvisited and again >= MANY else None


def names_of(episode: Episode) -> set[str]:
    """Words for the episode's own things and places ("mug", "cabinet"), without the stations."""
    trace = HouseTrace(episode)
    seen = {class_of(name) for name in [*trace.places, *trace.seen]}
    return (seen | {trace.goal.object, trace.goal.target}) - _COMMON - {""}


_RULES: dict[str, Callable[[HouseTrace], str | None]] = {
    "grammar": _grammar,
    "missed_transformation": _missed_transformation,
    "second_object": _second_object,
    "lamp": _lamp,
    "unmet_precondition": _unmet_precondition,
    "skipped_container": _skipped_container,
    "repeated_search": _repeated_search,
}


def _malformed(episode: Episode) -> str | None:
    """Turns that were no turn of the protocol, or more text than the model's context holds."""
    if episode.stop_reason == "context_full":
        return texts.MALFORMED["context"]
    impossible = sum(step.observation == NOTHING_HAPPENS for step in episode.steps)
    malformed = episode.n_invalid - impossible
    return texts.MALFORMED["turn"] if malformed >= min(MANY, max(episode.n_turns, 1)) else None


def _budget(trace: HouseTrace) -> str:
    """The hint by how far the agent had come when its steps or turns ran out."""
    if not trace.takes:
        found = any(class_of(name) == trace.goal.object for name in trace.seen)
        return texts.BUDGET["not taken" if found else "not found"]
    late = trace.steps_after(trace.takes[0]) < STEPS_TO_ACT
    return texts.BUDGET["late" if late else "not placed"]


def diagnose_alfworld(episode: Episode) -> Iterator[Diagnosis]:
    """The causes of a failed episode, the most specific first.

    They are what the rules find and turns that were malformed; where neither is, one command over
    and over, or too few steps.
    """
    trace = HouseTrace(episode)
    found = [Diagnosis(cause, text) for cause, rule in _RULES.items() if (text := rule(trace))]
    if text := _malformed(episode):
        found.append(Diagnosis("malformed", text))
    if not found and episode.stop_reason == "repeated_action":
        found.append(Diagnosis("repeated_action", texts.REPEATED_ACTION))
    yield from found or [Diagnosis("budget", _budget(trace))]


RULES = HintRules(
    causes=tuple(texts.TEXTS),
    diagnose=diagnose_alfworld,
    placeholders=("{object}", "{container}", "{location}", "{lamp}"),
    common=_COMMON,
    names_of=names_of,
    places=PlaceRules(
        wanted_in=located.wanted_in,
        first_seen=located.first_seen,
        look_first=located.look_first,
        permuted=located.permuted,
    ),
)
