"""Reads ALFWorld's official games from the folder that `alfworld-download` makes.

`$ALFWORLD_DATA/json_2.1.1/{train,valid_unseen}/<type>-<object>-<movable>-<receptacle>-<room>/
<trial>/game.tw-pddl`. `eval` is valid_unseen; the other splits are drawn from train, no task
folder twice. All that is needed of a game goes into the panel, so later stages never come here.
"""

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from itertools import chain, cycle, zip_longest
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.records import SPLITS, Game, Task, content_sha256, short_hash
from hintdistill.environments.alfworld.game.goal import TASK_MARK, TASK_TYPES
from hintdistill.environments.alfworld.game.rooms import OFFICIAL_EVAL_ROOMS

DATA_VARIABLE = "ALFWORLD_DATA"
RELEASE = "json_2.1.1"
GAME_FILE = "game.tw-pddl"
HELP = (
    "Fetch the games with `alfworld-download` (alfworld >= 0.4), and let the environment variable "
    f"{DATA_VARIABLE} name the folder that holds {RELEASE}/; or set alfworld.source: generated."
)
# The sentence as it stands in the grammar; characters that the grammar would rewrite end it.
_SENTENCE = re.compile(re.escape(TASK_MARK) + r'([^"\\#{}\[\]\n]+)"')


class Trial(NamedTuple):
    """One game of the release, known by its folders."""

    type: str
    room: int
    folder: str
    name: str
    path: Path

    @property
    def task_id(self) -> str:
        return f"{self.folder}/{self.name}"


class _GameFile(BaseModel):
    """The parts of a game file that are kept."""

    pddl_domain: str
    grammar: str
    pddl_problem: str
    walkthrough: list[str]


def official_folder() -> Path:
    """The folder of the release, from the environment; a UserError where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        raise UserError(
            f"alfworld.source: official reads the folder that {DATA_VARIABLE} names, "
            f"and the variable is not set. {HELP}"
        )
    release = Path(named) / RELEASE
    for part in ("train", "valid_unseen"):
        if not (release / part).is_dir():
            raise UserError(
                f"{DATA_VARIABLE}={named}: expected the folder {RELEASE}/{part} in it, "
                f"found none. {HELP}"
            )
    return release


def _is_solvable(path: Path) -> bool:
    """Whether alfworld found the game solvable, as its file says; the others it skips itself."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a game in JSON: {error}. Unpack it again.") from None
    return isinstance(content, dict) and content.get("solvable") is True


def list_trials(part: Path) -> list[Trial]:
    """Solvable games of the six task types in a part of the release, sorted by task_id.

    Folders with `movable` or `Sliced` in their name are left out, as alfworld does. A UserError
    where a game file is broken, or there is no game at all.
    """
    trials = []
    for path in part.glob(f"*/*/{GAME_FILE}"):
        folder, name = path.parts[-3:-1]
        fields = folder.split("-")
        known = fields[0] in TASK_TYPES and len(fields) == 5 and fields[4].isdecimal()
        if known and not ("movable" in folder or "Sliced" in folder) and _is_solvable(path):
            trials.append(Trial(fields[0], int(fields[4]), folder, name, path))
    if not trials:
        raise UserError(
            f"{part}: expected games as <type>-<object>-<movable>-<receptacle>-<room>/<trial>/"
            f"{GAME_FILE}, found none. {HELP}"
        )
    return sorted(trials, key=lambda trial: trial.task_id)


def _queues(trials: list[Trial], seed: int, a_folder: int | None) -> dict[str, list[Trial]]:
    """Trials by type in the order of drawing: one of every task folder before a second.

    `a_folder` is how many trials of a folder there may be, None for all.
    """
    queues: dict[str, list[Trial]] = {}
    for task_type in TASK_TYPES:
        folders: dict[str, list[Trial]] = {}
        for trial in trials:
            if trial.type == task_type:
                folders.setdefault(trial.folder, []).append(trial)
        rng = random.Random(short_hash("alfworld-official", seed, task_type))
        drawn = [rng.sample(folder, len(folder))[:a_folder] for folder in folders.values()]
        rng.shuffle(drawn)
        rounds = zip_longest(*drawn)
        queues[task_type] = [trial for trial in chain.from_iterable(rounds) if trial is not None]
    return queues


def _draw(queues: Mapping[str, list[Trial]], number: int, split: str, where: Path) -> list[Trial]:
    """Take `number` trials off the queues, types in turn as long as they last."""
    left = {task_type: len(queue) for task_type, queue in queues.items()}
    if sum(left.values()) < number or (number >= len(left) and 0 in left.values()):
        raise UserError(
            f"{where}: expected {number} games of all types for alfworld.{split}, found of "
            f"{', '.join(f'{task_type} {n}' for task_type, n in left.items())}. "
            f"Lower the sizes of the splits, or unpack the whole release."
        )
    drawn: list[Trial] = []
    turns = cycle(queues.values())
    while len(drawn) < number:
        if queue := next(turns):
            drawn.append(queue.pop(0))
    return drawn


def draw_splits(release: Path, sizes: Mapping[str, int], seed: int) -> dict[str, list[Trial]]:
    """Games of every split, balanced over the types as far as there are games.

    A UserError where a room is in the wrong part, or there are too few games.
    """
    unseen = list_trials(release / "valid_unseen")
    if odd := next((t for t in unseen if t.room not in OFFICIAL_EVAL_ROOMS), None):
        raise UserError(
            f"{odd.path}: expected games in rooms {OFFICIAL_EVAL_ROOMS} only in valid_unseen, "
            f"found room {odd.room}. {HELP}"
        )
    train = [t for t in list_trials(release / "train") if t.room not in OFFICIAL_EVAL_ROOMS]
    queues = {"eval": _queues(unseen, seed, None)}
    # One dict for three splits: what one has drawn, the others can't.
    queues |= dict.fromkeys(("warmstart", "train", "dev"), _queues(train, seed, 1))
    return {split: _draw(queues[split], sizes[split], split, release) for split in SPLITS}


def instruction_in(grammar: str) -> str | None:
    """The task sentence in a game's grammar, or None where it isn't there once and plainly."""
    found = _SENTENCE.findall(grammar)
    return found[0].strip() if len(found) == 1 and grammar.count(TASK_MARK) == 1 else None


def read_trial(trial: Trial, split: str) -> tuple[Task, Game]:
    """Copy a game, its texts unchanged; a UserError where the file is none of alfworld >= 0.4."""
    try:
        kept = _GameFile.model_validate_json(trial.path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{trial.path}: expected a game: {reason}. Unpack it again.") from None
    if '"move {o} to {r}"' not in kept.grammar:
        raise UserError(
            f"{trial.path}: expected the grammar of alfworld >= 0.4 (`move ... to ...`), found "
            f"another (older games have `put ... in/on ...`). {HELP}"
        )
    if (instruction := instruction_in(kept.grammar)) is None:
        raise UserError(f"{trial.path}: expected one sentence {TASK_MARK!r} in its grammar. {HELP}")
    game = Game(task_id=trial.task_id, content=kept.model_dump())
    task = Task(
        task_id=trial.task_id, env="alfworld", split=split, type=trial.type, source="official",
        group=f"room {trial.room}", instruction=instruction,
        content_sha256=content_sha256(game.content),
    )  # fmt: skip
    return task, game


def read_official_panel(sizes: Mapping[str, int], seed: int) -> Iterator[tuple[Task, Game]]:
    """So many games of each split as `sizes` says, drawn with `seed`, in the order of task_ids."""
    for split, trials in draw_splits(official_folder(), sizes, seed).items():
        for trial in sorted(trials, key=lambda trial: trial.task_id):
            yield read_trial(trial, split)
