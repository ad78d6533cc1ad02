"""Builds ALFWorld's panel: the games of each split, pinned by their content."""

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from hintdistill.core.errors import UserError
from hintdistill.core.panel import PanelParams
from hintdistill.core.records import SPLITS, Game, Task, content_sha256, short_hash
from hintdistill.environments.alfworld.game.check import make_all
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.game.goal import TASK_TYPES, instruction_of
from hintdistill.environments.alfworld.game.official import read_official_panel
from hintdistill.environments.alfworld.game.release import SEEN, UNSEEN
from hintdistill.environments.alfworld.game.rooms import (
    KINDS_OF_TYPE,
    NewGame,
    rooms_of_split,
    write_game,
)

SOURCES = ("generated", "official")
EVAL_GAMES = (UNSEEN, SEEN)


def _draw_game(split: str, number: int, seed: int) -> NewGame:
    """Game `number` of a split: types in turn, so that the panel is balanced over types."""
    rng = random.Random(short_hash("alfworld-game", seed, split, number))
    task_type = TASK_TYPES[number % len(TASK_TYPES)]
    rooms = rooms_of_split(split)
    while True:
        room = rng.choice(rooms[rng.choice(KINDS_OF_TYPE[task_type])])
        if (game := write_game(task_type, room, rng)) is not None:
            return game


def _make_task(split: str, number: int, seed: int) -> tuple[Task, Game]:
    """Write a game and play its plan; a UserError where that does not solve the game."""
    new = _draw_game(split, number, seed)
    task_id = f"{new.name}/generated_{split}_{number:04d}"
    fields = dict(
        task_id=task_id, env="alfworld", split=split, type=new.type, source="generated",
        group=f"room {new.room}",
    )  # fmt: skip
    draft = Game(task_id=task_id, content=new.content)
    env = AlfworldEnv(
        Task(**fields, instruction="", content_sha256=content_sha256(draft.content)), draft
    )
    instruction = instruction_of(env.reset())
    walkthrough = [
        " ".join(word if i % 2 == 0 else env.name_of(word) for i, word in enumerate(command))
        for command in new.plan
    ]
    solved = False
    for command in walkthrough:
        solved = env.step(command).done
    env.close()
    if not solved:
        raise UserError(f"game {task_id}: its plan does not solve it: {walkthrough}")
    game = Game(task_id=task_id, content={**new.content, "walkthrough": walkthrough})
    task = Task(**fields, instruction=instruction, content_sha256=content_sha256(game.content))
    return task, game


def build_panel(params: PanelParams, workers: int) -> Iterator[tuple[Task, Game]]:
    """The games of all splits, in order. New ones are played, by `workers` processes."""
    if params.source not in SOURCES:
        raise UserError(
            f"params.yaml, alfworld.source: expected one of {SOURCES}, got {params.source!r}"
        )
    if params.eval_games not in (None, *EVAL_GAMES):
        raise UserError(
            f"params.yaml, alfworld.eval_games: expected one of {EVAL_GAMES}, got "
            f"{params.eval_games!r}"
        )
    if params.source == "official":
        yield from read_official_panel(params, workers)
        return
    wanted = [(split, n, params.seed) for split in SPLITS for n in range(getattr(params, split))]
    with ProcessPoolExecutor(workers) as pool:
        yield from make_all(pool, _make_task, wanted, "Set alfworld.seed to another number.")
