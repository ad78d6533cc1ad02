"""Lists ALFWorld's official games, in the folder that `alfworld-download` makes.

`$ALFWORLD_DATA/json_2.1.1/{train,valid_seen,valid_unseen}/
<type>-<object>-<movable>-<receptacle>-<room>/<trial>/{game.tw-pddl,traj_data.json}`.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hintdistill.core.errors import UserError
from hintdistill.environments.alfworld.game.goal import TASK_TYPES
from hintdistill.environments.alfworld.game.rooms import OFFICIAL_EVAL_ROOMS

log = logging.getLogger(__name__)

DATA_VARIABLE = "ALFWORLD_DATA"
RELEASE = "json_2.1.1"
SEEN, UNSEEN = "valid_seen", "valid_unseen"  # in train's rooms; in rooms of their own
GAME_FILE, TRAJECTORY_FILE = "game.tw-pddl", "traj_data.json"
HELP = (
    "Fetch the games with `alfworld-download` (alfworld >= 0.4), and let the environment variable "
    f"{DATA_VARIABLE} name the folder that holds {RELEASE}/; or set alfworld.source: generated."
)


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


def official_folder(eval_part: str) -> Path:
    """The folder of the release, from the environment; a UserError where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        raise UserError(
            f"alfworld.source: official reads the folder that {DATA_VARIABLE} names, "
            f"and the variable is not set. {HELP}"
        )
    release = Path(named) / RELEASE
    for part in ("train", eval_part):
        if not (release / part).is_dir():
            raise UserError(
                f"{DATA_VARIABLE}={named}: expected the folder {RELEASE}/{part} in it, "
                f"found none. {HELP}"
            )
    return release


class Listing(NamedTuple):
    """A part of the release: its games, and by reason how many are left out and which are broken.

    Left out is what alfworld leaves out too, and what could be met in two splits.
    """

    part: Path
    trials: list[Trial]
    left_out: Counter[str]
    broken: dict[Path, str]

    def without(self, left_out: Callable[[Trial], bool], reason: str) -> "Listing":
        """The listing without some games, which are counted."""
        kept = [trial for trial in self.trials if not left_out(trial)]
        counts = self.left_out + Counter({reason: len(self.trials) - len(kept)})
        return self._replace(trials=kept, left_out=counts)

    def __str__(self) -> str:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(self.left_out.items()))
        return f"{self.part.name}: {len(self.trials)} games; left out: {reasons or 'none'}"


def _left_out(folder: str, has_game: bool) -> str | None:
    """Why alfworld does not play what a folder has; None: it does."""
    fields = folder.split("-")
    if "movable" in folder or "Sliced" in folder:
        return "with movable receptacles or sliced objects"
    if fields[0] not in TASK_TYPES:
        return "of other types"
    return None if has_game else f"without {GAME_FILE}"


def _read_trial(folder: Path) -> Trial | None:
    """The game of a trial's folder, None where its file says that it is unsolvable.

    A UserError says what is wrong with it.
    """
    task_folder, name = folder.parts[-2:]
    fields = task_folder.split("-")
    if len(fields) != 5 or not fields[4].isdecimal():
        raise UserError("expected a folder <type>-<object>-<movable>-<receptacle>-<room>")
    room, part = int(fields[4]), folder.parts[-3]
    if part != "train" and (part == UNSEEN) != (room in OFFICIAL_EVAL_ROOMS):
        raise UserError(f"room {room} is in {part}; {OFFICIAL_EVAL_ROOMS} are {UNSEEN}'s")
    if not (folder / TRAJECTORY_FILE).is_file():
        raise UserError(f"no {TRAJECTORY_FILE} beside it, so that alfworld would not find it")
    path = folder / GAME_FILE
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"expected JSON: {error}") from None
    solvable = content.get("solvable") if isinstance(content, dict) else None
    if not isinstance(solvable, bool):
        raise UserError(f"expected `solvable` to be true or false, got {solvable!r:.40}")
    return Trial(fields[0], room, task_folder, name, path) if solvable else None


def _list_part(part: Path) -> Listing:
    """Solvable games of the six task types in a part of the release, sorted by task_id."""
    listing = Listing(part, [], Counter(), {})
    found = {p.parent for name in (GAME_FILE, TRAJECTORY_FILE) for p in part.glob(f"*/*/{name}")}
    for folder in sorted(found):
        game = folder / GAME_FILE
        if reason := _left_out(folder.parent.name, game.is_file()):
            listing.left_out[reason] += 1
            continue
        try:
            trial = _read_trial(folder)
        except UserError as error:
            listing.broken[game] = str(error)
            continue
        if trial is None:
            listing.left_out["unsolvable"] += 1
        else:
            listing.trials.append(trial)
    if not listing.trials and not listing.broken:
        raise UserError(
            f"{listing}. Expected games in {part} as <type>-<object>-<movable>-<receptacle>-<room>/"
            f"<trial>/{GAME_FILE}, found none. {HELP}"
        )
    return listing._replace(trials=sorted(listing.trials, key=lambda trial: trial.task_id))


def list_release(release: Path, eval_part: str) -> tuple[Listing, Listing]:
    """The games for training, and those of `eval`, which share no task; says what is left out."""
    train, held_out = (_list_part(release / part) for part in ("train", eval_part))
    folders = {trial.folder for trial in held_out.trials}
    train = train.without(lambda t: t.room in OFFICIAL_EVAL_ROOMS, f"in rooms of {UNSEEN}")
    train = train.without(lambda t: t.folder in folders, f"of tasks that {eval_part} has too")
    for listing in (train, held_out):
        log.info("%s", listing)
    return train, held_out
