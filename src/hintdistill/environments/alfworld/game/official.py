"""Draws ALFWorld's official games for the splits, and copies them.

`eval` is valid_unseen or valid_seen; the other splits are drawn from train, no task folder twice.
All that is needed of a game goes into the panel, so later stages never come here.
"""

import random
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, cycle, zip_longest
from pathlib import Path

from pydantic import BaseModel, ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.panel import PanelParams
from hintdistill.core.records import SPLITS, Game, Task, content_sha256, short_hash
from hintdistill.environments.alfworld.game.check import make_all, refuse_broken
from hintdistill.environments.alfworld.game.goal import TASK_MARK, TASK_TYPES
from hintdistill.environments.alfworld.game.release import (
    HELP,
    UNSEEN,
    Listing,
    Trial,
    list_release,
    official_folder,
)

# The sentence as it stands in the grammar; characters that the grammar would rewrite end it.
_SENTENCE = re.compile(re.escape(TASK_MARK) + r'([^"\\#{}\[\]\n]+)"')


class _GameFile(BaseModel):
    """The parts of a game file that are kept."""

    pddl_domain: str
    grammar: str
    pddl_problem: str
    walkthrough: list[str]


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


def _draw(
    queues: Mapping[str, list[Trial]], number: int, split: str, listing: Listing
) -> list[Trial]:
    """Take `number` trials off the queues, types in turn as long as they last."""
    left = {task_type: len(queue) for task_type, queue in queues.items()}
    if sum(left.values()) < number or (number >= len(left) and 0 in left.values()):
        raise UserError(
            f"{listing.part}: expected {number} games of all types for alfworld.{split}, found of "
            f"{', '.join(f'{task_type} {n}' for task_type, n in left.items())} ({listing}). "
            f"Lower the sizes of the splits, or unpack the whole release."
        )
    drawn: list[Trial] = []
    turns = cycle(queues.values())
    while len(drawn) < number:
        if queue := next(turns):
            drawn.append(queue.pop(0))
    return drawn


def _draw_splits(
    train: Listing, held_out: Listing, sizes: Mapping[str, int], seed: int
) -> dict[str, list[Trial]]:
    """Games of every split, balanced over the types as far as there are games.

    A UserError where there are too few.
    """
    queues = {"eval": _queues(held_out.trials, seed, None)}
    # One dict for three splits: what one has drawn, the others can't.
    queues |= dict.fromkeys(("warmstart", "train", "dev"), _queues(train.trials, seed, 1))
    parts = {split: held_out if split == "eval" else train for split in SPLITS}
    return {split: _draw(queues[split], sizes[split], split, parts[split]) for split in SPLITS}


def instruction_in(grammar: str) -> str | None:
    """The task sentence in a game's grammar, or None where it isn't there once and plainly."""
    found = _SENTENCE.findall(grammar)
    return found[0].strip() if len(found) == 1 and grammar.count(TASK_MARK) == 1 else None


def read_game(release: Path, trial: Trial, split: str) -> tuple[Task, Game]:
    """Copy a game, its texts unchanged; a UserError names it where alfworld could not play it."""
    try:
        kept = _GameFile.model_validate_json(trial.path.read_bytes())
        if '"move {o} to {r}"' not in kept.grammar:
            raise UserError(
                "expected the grammar of alfworld >= 0.4 (`move ... to ...`), found another (older "
                "games have `put ... in/on ...`)"
            )
        if (instruction := instruction_in(kept.grammar)) is None:
            raise UserError(f"expected one sentence {TASK_MARK!r} in its grammar")
        refuse_broken(kept.model_dump(), instruction)
    except (OSError, ValidationError, UserError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{trial.path.relative_to(release)}: {reason}") from None
    game = Game(task_id=trial.task_id, content=kept.model_dump())
    task = Task(
        task_id=trial.task_id, env="alfworld", split=split, type=trial.type, source="official",
        group=f"room {trial.room}", instruction=instruction,
        content_sha256=content_sha256(game.content),
    )  # fmt: skip
    return task, game


def read_official_panel(params: PanelParams, workers: int) -> Iterator[tuple[Task, Game]]:
    """The games of all splits, each split in the order of task_ids.

    A UserError names all games that are broken: of those that the splits would have, and all whose
    files do not say whether they are solvable.
    """
    eval_part = params.eval_games or UNSEEN
    release = official_folder(eval_part)
    train, held_out = list_release(release, eval_part)
    broken = sorted(
        f"{path.relative_to(release)}: {reason}"
        for listing in (train, held_out)
        for path, reason in listing.broken.items()
    )
    if broken:  # nothing is drawn, and all are looked at, so that one message names them all
        wanted = [(release, trial, "train") for trial in (*train.trials, *held_out.trials)]
    else:
        sizes = {split: getattr(params, split) for split in SPLITS}
        wanted = [
            (release, trial, split)
            for split, trials in _draw_splits(train, held_out, sizes, params.seed).items()
            for trial in sorted(trials, key=lambda trial: trial.task_id)
        ]
    advice = f"They are in {release}. Unpack them again, or remove their folders. {HELP}"
    with ProcessPoolExecutor(workers) as pool:
        yield from make_all(pool, read_game, wanted, advice, known=broken)
