"""Stage figures: what the report needs of all arms' episodes of one environment and agent.

That is a row an episode, and causes of failure. Rates and tests are the report's: they need the
rows alone, so they can be computed anew from what git has.

All cells write to metrics/cells/: DVC can't list a matrix's cells as the report's dependencies.
"""

from hintdistill.core.cell import Cell, cell_command
from hintdistill.core.files import read_json, read_jsonl, write_json
from hintdistill.core.records import Audit, Episode
from hintdistill.evaluation.arms import ARMS
from hintdistill.evaluation.causes import cause_rows
from hintdistill.evaluation.figures import CellFigures
from hintdistill.evaluation.metrics import check_same_tasks, episode_rows, invalid_turns


@cell_command
def command(env: str, agent: str) -> None:
    """Write the figures of all arms: metrics/cells/{env}-{agent}.json."""
    cell = Cell(env, agent)
    tasks = cell.read_tasks()
    played = {arm: read_jsonl(cell.eval(arm), Episode) for arm in ARMS}
    check_same_tasks(played, str(cell.data / "eval"))
    episodes = [episode for own in played.values() for episode in own]
    # Before and after hints on the training tasks, then every arm.
    failures, teacher = read_jsonl(cell.failures, Episode), read_jsonl(cell.teacher, Episode)
    read = [("base", failures), ("rag", teacher), *played.items()]
    figures = CellFigures(
        models=sorted({episode.model.name for episode in episodes}),
        deterministic=all(episode.deterministic for episode in episodes),
        audit=read_json(cell.audit, Audit),
        causes=[row for arm, own in read for row in cause_rows(own, tasks, arm)],
        invalid=invalid_turns(played),
        episodes=list(episode_rows(played, tasks)),
    )
    write_json(cell.figures, figures.model_dump())
