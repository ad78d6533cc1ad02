"""The panel as later stages use it: tasks joined with their games, and the split firewall."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import PositiveInt

from hintdistill.errors import UserError
from hintdistill.records import Game, Sha256, Task, content_sha256
from hintdistill.settings import Settings


class PanelParams(Settings):
    """Where an environment's tasks come from, and the sizes of the four splits, in tasks."""

    source: str  # each environment has its own
    seed: int
    panel_sha256: str | None  # pins the whole panel; None: not checked
    warmstart: PositiveInt
    train: PositiveInt
    dev: PositiveInt
    eval: PositiveInt


class Panel(dict[str, tuple[Task, Game]]):
    """Tasks with their games, by task_id; `shared` are games that several tasks' games name."""

    def __init__(
        self, pairs: Mapping[str, tuple[Task, Game]], shared: Mapping[str, Game] | None = None
    ) -> None:
        super().__init__(pairs)
        self.shared = dict(shared or {})


def check_content(task: Task, game: Game) -> None:
    """Refuse a game whose content is not the one that the panel pinned."""
    found = content_sha256(game.content)
    if found != task.content_sha256:
        raise UserError(
            f"game {task.task_id}: expected content with SHA-256 {task.content_sha256[:16]}..., "
            f"found {found[:16]}...: panel.jsonl and games.jsonl do not belong together. "
            f"Run `dvc checkout`, or `dvc repro -f panel@{task.env}`."
        )


def panel_sha256(tasks: Iterable[Task]) -> Sha256:
    """Digest of a whole panel: which games it has, with which content. Order does not matter."""
    pairs = sorted((task.task_id, task.content_sha256) for task in tasks)
    return hashlib.sha256(json.dumps(pairs, ensure_ascii=False).encode()).hexdigest()


def check_pin(tasks: Sequence[Task], expected: Sha256 | None, key: str, where: str) -> None:
    """Refuse a panel that is not the pinned one; None pins nothing.

    Raises:
        UserError: the digests differ.
    """
    found = panel_sha256(tasks)
    if expected not in (None, found):
        raise UserError(
            f"{where}: expected the panel with digest {expected} ({key}), found {found} "
            f"({len(tasks)} games). Games, seed or sizes are not the pinned ones: restore them, "
            f"or set {key} to the digest found if the change is wanted (null: not checked)."
        )


def load_panel(tasks: Iterable[Task], games: Iterable[Game]) -> Panel:
    """Join tasks and games by task_id; the order is the tasks'.

    Raises:
        UserError: a task has no game.
    """
    by_id = {game.task_id: game for game in games}
    panel = Panel({})
    for task in tasks:
        if task.task_id not in by_id:
            raise UserError(
                f"panel: task {task.task_id} has no game in games.jsonl. Run `dvc repro panel`."
            )
        panel[task.task_id] = (task, by_id[task.task_id])
    panel.shared = {name: game for name, game in by_id.items() if name not in panel}
    return panel


def require_split(task_ids: Iterable[str], tasks: Iterable[Task], split: str, what: str) -> None:
    """The split firewall: fail if one of the ids is not a task of `split`.

    Raises:
        UserError: names the first id that is of another split, or of none.
    """
    splits = {task.task_id: task.split for task in tasks}
    for task_id in task_ids:
        if splits.get(task_id) != split:
            raise UserError(
                f"{what}: expected tasks of split {split!r} only, found {task_id} of "
                f"{splits.get(task_id, 'no split')!r}. Nothing may be learnt from it; "
                "rebuild what was made from other episodes than those of `failures`."
            )
