"""Splits ALFWorld's published result by whether a game meets a mistake that was planted.

    ALFWORLD_DATA=... python benchmarks/planted_habits.py     # writes metrics/planted_habits.json

A game meets a mistake where the scripted player would make one without hints, by the task's
sentence and the places in the room. Mistake `container` (to walk past what is closed) is left out:
it costs steps, and need not lose the game. Wins are those of the published episodes.csv.
"""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from hintdistill.core.files import write_json
from hintdistill.core.panel import PanelParams
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.alfworld.game.goal import require_goal, things_in
from hintdistill.environments.alfworld.player.habits import HABITS, situation_of
from hintdistill.environments.common.registry import games_of, new_panel

PUBLISHED = Path("metrics/published/official")
OUT = Path("metrics/planted_habits.json")
NOT_FATAL = {"container"}


def planted() -> dict[str, list[str]]:
    """Mistakes that each eval game meets, by task_id."""
    params = read_yaml(PUBLISHED / "alfworld-react/params.yaml")["alfworld"]
    panel = new_panel("alfworld", PanelParams.model_validate(params))
    tasks = sorted(panel.tasks_of("eval"), key=lambda task: task.task_id)
    with games_of("alfworld").open_envs(panel, len(tasks)) as envs:
        firsts = envs.reset(dict(enumerate(tasks)))
        envs.reset({})
    met = {}
    for i, task in enumerate(tasks):
        situation = situation_of(require_goal(task.instruction), things_in(firsts[i]))
        met[task.task_id] = sorted(HABITS.made(situation, "") - NOT_FATAL)
    return met


def main() -> None:
    met = planted()
    figures: dict[str, Any] = {
        "games": len(met),
        "task_folders": len({task_id.split("/")[0] for task_id in met}),
        "rooms": len({task_id.split("/")[0].rsplit("-", 1)[1] for task_id in met}),
        "games_with_mistake": dict(Counter(habit for habits in met.values() for habit in habits)),
    }
    with (PUBLISHED / "episodes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["env"] == "alfworld"]
    for planted_or_not, wanted in (("with_a_mistake", True), ("without", False)):
        games = {task_id for task_id, habits in met.items() if bool(habits) == wanted}
        figures[planted_or_not] = {"games": len(games)}
        for row in rows:
            if row["task_id"] in games:
                wins = figures[planted_or_not].setdefault(row["agent"], Counter())
                wins[row["arm"]] += int(row["success"])
    write_json(OUT, figures)


if __name__ == "__main__":
    main()
