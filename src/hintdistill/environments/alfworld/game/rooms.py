"""Writes new ALFWorld games from the contents of the alfworld package, with no download.

A game is a room of AI2-THOR (its receptacles and object classes: `alfworld/gen/layouts`), objects
put into the receptacles that may hold them (`alfworld.gen.constants`), a goal
(`alfworld.gen.goal_library`), and alfworld's own domain and grammar. The walkthrough is written
along with the game, so the game is solvable by construction; panel.py plays it to make sure.
"""

import json
import random
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from hintdistill.core.errors import UserError
from hintdistill.environments.alfworld.game.goal import TASK_TYPES

# Rooms of valid_unseen: only ever in `eval`, so that official and generated panels can be mixed.
OFFICIAL_EVAL_ROOMS = (10, 219, 308, 424)
KINDS = {"kitchen": 0, "livingroom": 200, "bedroom": 300, "bathroom": 400}
ROOMS_A_KIND = 30
# alfworld.gen.constants.GOALS_VALID, in this project's words.
KINDS_OF_TYPE = {
    "look_at_obj_in_light": ("livingroom", "bedroom"),
    "pick_and_place_simple": tuple(KINDS),
    "pick_clean_then_place_in_recep": ("kitchen", "bathroom"),
    "pick_cool_then_place_in_recep": ("kitchen",),
    "pick_heat_then_place_in_recep": ("kitchen",),
    "pick_two_obj_and_place": tuple(KINDS),
}
# Receptacle class a transformation needs, and the property that the object must have.
TRANSFORMS = {
    "pick_clean_then_place_in_recep": ("clean", "SinkBasin", "Cleanable"),
    "pick_heat_then_place_in_recep": ("heat", "Microwave", "Heatable"),
    "pick_cool_then_place_in_recep": ("cool", "Fridge", "Coolable"),
}
OPENABLE = frozenset({"Cabinet", "Drawer", "Fridge", "Microwave", "Safe"})
LAMPS = frozenset({"DeskLamp", "FloorLamp"})
# Grounding a game costs the square of its receptacles, so a class has few of them.
MAX_OF_CLASS = 3
MAX_CLUTTER = 12


class Room(NamedTuple):
    number: int
    receptacles: tuple[str, ...]  # class names, one entry an instance
    objects: tuple[str, ...]  # classes of what can be picked up there
    lamps: tuple[str, ...]


class NewGame(NamedTuple):
    type: str
    room: int
    name: str  # as alfworld names its folders: type-object-None-receptacle-room
    content: dict[str, str]  # game.tw-pddl without its walkthrough
    plan: list[tuple[str, ...]]  # commands as (verb, entity, ...), in entities of the problem


def rooms_of_split(split: str) -> dict[str, list[int]]:
    """Rooms by kind. Every room belongs to one split: of each kind eval has 6, dev 3, train 8."""
    rooms: dict[str, list[int]] = {}
    for kind, base in KINDS.items():
        numbers = range(base + 1, base + ROOMS_A_KIND + 1)
        reserved = [n for n in numbers if n in OFFICIAL_EVAL_ROOMS]
        free = [n for n in numbers if n not in OFFICIAL_EVAL_ROOMS]
        shares = {"eval": reserved + free[:5], "dev": free[5:8], "train": free[8:16]}
        rooms[kind] = {**shares, "warmstart": free[16:]}[split]
    return rooms


def load_room(number: int) -> Room:
    """Read a room's receptacles and object classes from the alfworld package."""
    from alfworld.gen import constants

    layouts = files("alfworld.gen") / "layouts"
    try:
        classes = set(json.loads((layouts / f"FloorPlan{number}-objects.json").read_text()))
        instances = json.loads((layouts / f"FloorPlan{number}-openable.json").read_text())
    except FileNotFoundError:
        raise UserError(f"room {number}: alfworld ships no such AI2-THOR floor plan") from None
    holders = set(constants.VAL_RECEPTACLE_OBJECTS) - set(constants.MOVABLE_RECEPTACLES)
    # The instance list leaves out some fixed receptacles; a class that is there stands there once.
    counts = Counter(name.split("|")[0] for name in instances)
    receptacles = [
        cls
        for cls in sorted(holders & (classes | set(counts)))
        for _ in range(min(max(counts[cls], 1), MAX_OF_CLASS))
    ]
    holdable = set().union(*constants.VAL_RECEPTACLE_OBJECTS.values())
    objects = tuple(sorted(c for c in classes & holdable if not c.endswith("Sliced")))
    return Room(number, tuple(receptacles), objects, tuple(sorted(LAMPS & classes)))


def _entity(cls: str, number: int) -> str:
    """Entity names in ALFRED's manner, from which alfworld derives "apple 1", "sinkbasin 1"."""
    if cls.endswith("Basin"):
        return f"{cls.removesuffix('Basin')}_bar_{number}_bar_{cls}"
    return f"{cls}_bar_{number}"


class _Draft:
    """A room being furnished: receptacle entities, and where each object lies."""

    def __init__(self, room: Room, rng: random.Random) -> None:
        from alfworld.gen import constants

        self.can_hold = constants.VAL_RECEPTACLE_OBJECTS
        self.properties = constants.VAL_ACTION_OBJECTS
        self.rng = rng
        self.receptacles: dict[str, str] = {}
        self.objects: dict[str, tuple[str, str]] = {}  # entity -> class, receptacle
        counts: Counter[str] = Counter()
        for cls in room.receptacles:
            self.receptacles[_entity(cls, counts[cls])] = cls
            counts[cls] += 1
        self._counts: Counter[str] = Counter()

    def holders(self, obj: str, *, without: str = "") -> list[str]:
        return [
            r for r, cls in self.receptacles.items() if obj in self.can_hold[cls] and cls != without
        ]

    def put(self, obj: str, receptacle: str) -> str:
        entity = _entity(obj, self._counts[obj])
        self._counts[obj] += 1
        self.objects[entity] = (obj, receptacle)
        return entity

    def problem(self, goal: str) -> str:
        """The PDDL problem, with the facts that alfworld's own games have."""
        locations = {r: f"loc_bar_{i}" for i, r in enumerate(self.receptacles, start=1)}
        held = sorted({cls for cls, _ in self.objects.values()})
        kinds = sorted(set(self.receptacles.values()))
        objects = ["agent1 - agent", "loc_bar_0 - location"]
        objects += [f"{c}Type - otype" for c in held] + [f"{c}Type - rtype" for c in kinds]
        objects += [f"{o} - object" for o in self.objects]
        objects += [f"{r} - receptacle" for r in self.receptacles]
        objects += [f"{location} - location" for location in locations.values()]
        facts = ["atLocation agent1 loc_bar_0"]
        for receptacle, cls in self.receptacles.items():
            facts.append(f"receptacleType {receptacle} {cls}Type")
            facts.append(f"receptacleAtLocation {receptacle} {locations[receptacle]}")
            if cls in OPENABLE:
                facts.append(f"openable {receptacle}")
        for cls in kinds:
            facts += [f"canContain {cls}Type {o}Type" for o in held if o in self.can_hold[cls]]
        for obj, (cls, receptacle) in self.objects.items():
            facts.append(f"objectType {obj} {cls}Type")
            facts.append(f"inReceptacle {obj} {receptacle}")
            facts.append(f"objectAtLocation {obj} {locations[receptacle]}")
            facts.append(f"toggleable {obj}" if cls in LAMPS else f"pickupable {obj}")
            facts += [
                f"{prop.lower()} {obj}"
                for prop in ("Cleanable", "Heatable", "Coolable")
                if cls in self.properties[prop]
            ]
        lines = ["(define (problem game)", "(:domain alfred)"]
        lines += ["(:objects", *(f"    {entity}" for entity in objects), ")"]
        lines += ["(:init", *(f"    ({fact})" for fact in facts), ")", goal]
        return "\n".join(lines)


def _choose(draft: _Draft, room: Room, task_type: str) -> tuple[str, str] | None:
    """An object class and a target receptacle class (or lamp) for the type; None: not here."""
    rng = draft.rng
    if task_type == "look_at_obj_in_light":
        small = [o for o in room.objects if draft.holders(o)]
        return (rng.choice(small), rng.choice(room.lamps)) if room.lamps and small else None
    pairs = []
    for obj in room.objects:
        if task_type in TRANSFORMS:
            _, station, prop = TRANSFORMS[task_type]
            if obj not in draft.properties[prop] or station not in draft.receptacles.values():
                continue
        targets = {draft.receptacles[r] for r in draft.holders(obj)}
        pairs += [(obj, t) for t in sorted(targets) if draft.holders(obj, without=t)]
    return rng.choice(pairs) if pairs else None


def write_game(task_type: str, number: int, rng: random.Random) -> NewGame | None:
    """Write one game of a type in a room, or None where the room does not allow that type."""
    from alfworld.gen.goal_library import gdict
    from alfworld.info import ALFRED_PDDL_PATH, ALFRED_TWL2_PATH

    assert task_type in TASK_TYPES, task_type
    room = load_room(number)
    draft = _Draft(room, rng)
    chosen = _choose(draft, room, task_type)
    if chosen is None:
        return None
    obj, target = chosen
    look = task_type == "look_at_obj_in_light"
    copies = 2 if task_type == "pick_two_obj_and_place" else 1
    sources = draft.holders(obj, without="" if look else target)
    wanted = [draft.put(obj, rng.choice(sources)) for _ in range(copies)]
    if look:
        stands = [r for r, cls in draft.receptacles.items() if cls not in OPENABLE]
        goal_entity = draft.put(target, rng.choice(stands))
        place = draft.objects[goal_entity][1]
    else:
        goal_entity = place = rng.choice([r for r, c in draft.receptacles.items() if c == target])
    clutter = [o for o in room.objects if o != obj]
    for extra in rng.sample(clutter, min(len(clutter), MAX_CLUTTER)):
        if holders := draft.holders(extra):
            draft.put(extra, rng.choice(holders))

    recep = "" if look else target
    template = rng.choice(gdict[task_type]["templates"])
    words = template.format(obj=obj.lower(), recep=recep.lower(), toggle=target.lower())
    content = {
        "pddl_domain": Path(ALFRED_PDDL_PATH).read_text(),
        "grammar": Path(ALFRED_TWL2_PATH).read_text().replace("UNKNOWN GOAL", words),
    }
    # goal_library writes types as "?x # type", and closes the whole problem after its goal.
    goal = gdict[task_type]["pddl"].replace("#", "-").format(obj=obj, recep=recep, toggle=target)
    name = "-".join([task_type, obj, "None", target, str(number)])
    content["pddl_problem"] = draft.problem(" ".join(goal.split()))
    plan = _plan(draft, task_type, wanted, place, goal_entity)
    return NewGame(task_type, number, name, content, plan)


def _plan(
    draft: _Draft, task_type: str, wanted: list[str], place: str, goal_entity: str
) -> list[tuple[str, ...]]:
    """A walkthrough for whoever knows where everything is."""
    plan: list[tuple[str, ...]] = []
    opened: set[str] = set()
    here = ""

    def go(receptacle: str, *, open_it: bool = True) -> None:
        nonlocal here
        if receptacle != here:
            plan.append(("go to", receptacle))
            here = receptacle
        if open_it and draft.receptacles[receptacle] in OPENABLE and receptacle not in opened:
            opened.add(receptacle)
            plan.append(("open", receptacle))

    for obj in wanted:
        source = draft.objects[obj][1]
        go(source)
        plan.append(("take", obj, "from", source))
        if task_type in TRANSFORMS:
            verb, station_class, _ = TRANSFORMS[task_type]
            station = next(r for r, c in draft.receptacles.items() if c == station_class)
            go(station, open_it=False)
            plan.append((verb, obj, "with", station))
        go(place)
        if task_type == "look_at_obj_in_light":
            plan.append(("use", goal_entity))
        else:
            plan.append(("move", obj, "to", place))
    return plan
