"""What `hintdistill keep-trial` does; no stage, since it is a person who chooses."""

from pathlib import Path

import yaml

from hintdistill.errors import UserError
from hintdistill.evaluation import trials
from hintdistill.evaluation.metrics import ARMS
from hintdistill.params import PARAMS_FILE, StageParams
from hintdistill.records import Episode, read_jsonl
from hintdistill.stages._cell import Cell, EvalParams


class Params(StageParams):
    eval: EvalParams


def keep_trial(name: str, env: str, agent: str, *, chosen: bool) -> Path:
    """Keep the arms that have been played on split dev, with all of params.yaml.

    Raises:
        UserError: the split is another one, or base and rag have not been played on it.
    """
    if Params.read().eval.split != "dev":
        raise UserError(
            "keep-trial: expected eval.split dev in params.yaml: settings are not chosen on eval. "
            "Run `dvc repro base_eval prompt_eval` with it first."
        )
    cell = Cell(env, agent)
    tasks = cell.read_tasks()
    arms = {arm: read_jsonl(cell.eval(arm), Episode) for arm in ARMS if cell.eval(arm).is_file()}
    on_dev = {
        arm: played
        for arm, played in arms.items()
        if all(tasks[e.task_id].split == "dev" for e in played)
    }
    if not {"base", "rag"} <= set(on_dev):
        raise UserError(
            f"{cell.data / 'eval'}: expected base and rag played on split dev, found "
            f"{sorted(on_dev) or 'none'}. Run `dvc repro base_eval prompt_eval`."
        )
    params = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    return trials.keep_trial(name, env, agent, on_dev, params, chosen=chosen)
