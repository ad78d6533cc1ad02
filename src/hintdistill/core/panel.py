"""The panel, which is the tasks of all splits with their games; and the split firewall."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from pydantic import PositiveInt

from hintdistill.core.errors import UserError
from hintdistill.core.records import Game, Sha256, Task, content_sha256
from hintdistill.core.settings import Settings


class PanelParams(Settings):
    """Source of an environment's tasks, and the sizes of the four splits, in tasks."""

    source: str  # each environment has its own
    seed: int
    panel_sha256: str | None  # pins the whole panel; None: not checked
    warmstart: PositiveInt
    train: PositiveInt
    dev: PositiveInt
    eval: PositiveInt
    # Which games `eval` is drawn from, where a source has several sets; None: the usual one.
    eval_games: str | None = None


class Panel(dict[str, tuple[Task, Game]]):
    """Tasks with their games, by task_id; `shared` are games of no task, which others name."""

    def __init__(
        self, pairs: Mapping[str, tuple[Task, Game]], shared: Mapping[str, Game] | None = None
    ) -> None:
        super().__init__(pairs)
        self.shared = dict(shared or {})

    def tasks_of(self, split: str) -> list[Task]:
        """The tasks of a split, of which there must be some."""
        tasks = [task for task, _ in self.values() if task.split == split]
        if not tasks:
            raise UserError(f"panel.jsonl: expected tasks of split {split!r}, found none")
        return tasks


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


def load_panel(tasks: Iterable[Task], games: Iterable[Game]) -> Panel:
    """Join tasks and games by task_id, in the order of the tasks; refuse a task without a game."""
    by_id = {game.task_id: game for game in games}
    pairs: dict[str, tuple[Task, Game]] = {}
    for task in tasks:
        if task.task_id not in by_id:
            raise UserError(
                f"panel: task {task.task_id} has no game in games.jsonl. Run `dvc repro panel`."
            )
        pairs[task.task_id] = (task, by_id[task.task_id])
    return Panel(pairs, {name: game for name, game in by_id.items() if name not in pairs})


def require_split(task_ids: Iterable[str], tasks: Iterable[Task], split: str, what: str) -> None:
    """The split firewall: a UserError names the first id that is of another split, or of none."""
    splits = {task.task_id: task.split for task in tasks}
    for task_id in task_ids:
        if splits.get(task_id) != split:
            raise UserError(
                f"{what}: expected tasks of split {split!r} only, found {task_id} of "
                f"{splits.get(task_id, 'no split')!r}. Nothing may be learnt from it; "
                "rebuild what was made from other episodes than those of `failures`."
            )
