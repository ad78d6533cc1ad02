"""What `hintdistill compare-engines` does; no stage, since its times never come out the same."""

import time
from functools import partial
from pathlib import Path
from typing import Any

from hintdistill.agents.registry import make_agent
from hintdistill.agents.rollout import Arm, no_hints, play_cohort
from hintdistill.errors import UserError
from hintdistill.evaluation.engines import agreement, choose_replay, replay, timed
from hintdistill.records import Episode, read_jsonl, write_json
from hintdistill.stages._arms import RolloutStageParams, make_engine
from hintdistill.stages._cell import Cell
from hintdistill.tasks.registry import find_env

OUT = Path("metrics/engines.json")
SPLIT = "dev"
ENGINES = ("openvino", "transformers")


def compare_engines(env: str, agent: str) -> dict[str, Any]:
    """Play the first cohort of split dev with both engines, and replay episodes of arm base.

    Writes the figures to metrics/engines.json and returns them: wall times, episodes a minute,
    their ratio, and the share of turns that both engines say alike.

    Raises:
        UserError: there is no panel, model or recorded episode.
    """
    cell, params = Cell(env, agent), RolloutStageParams.read(env, agent)
    rollout = params.rollout
    panel = cell.read_panel()
    source = cell.data / "failures.jsonl"
    ordered = sorted(t.task_id for t, _ in panel.values() if t.split == SPLIT)
    tasks = [panel[task_id][0] for task_id in ordered[: rollout.cohort]]
    recorded = choose_replay(read_jsonl(source, Episode))
    if not tasks or not recorded:
        raise UserError(
            f"{cell.panel}, {source}: expected tasks of split {SPLIT!r} and recorded episodes, "
            f"found {len(tasks)} and {len(recorded)}. Run `dvc repro failures`."
        )
    step_limit, protocol = params.task.step_limit, make_agent(agent, env, params.agent.protocol)
    arm = Arm("base", protocol, no_hints, rollout, step_limit, rollout.seed)
    figures: dict[str, Any] = {
        "episodes": len(tasks),
        "threads": rollout.threads,
        "transformers_dtype": rollout.dtype,
    }
    said = {}
    for name in ENGINES:
        with_engine = rollout.model_copy(update={"engine": name})
        settings = params.model_copy(update={"rollout": with_engine})
        began = time.monotonic()
        engine = make_engine(settings, cell, None, "compare-engines")
        loading = round(time.monotonic() - began, 1)
        with find_env(env).open_envs(panel, len(tasks)) as envs:
            played = timed(partial(play_cohort, tasks, envs, engine, arm))
        figures[name] = {"load_seconds": loading, **played}
        said[name] = replay(engine, recorded, rollout.cohort)
    openvino, transformers = (figures[name]["episodes_a_minute"] for name in ENGINES)
    figures["speedup"] = round(openvino / transformers, 2)
    figures["agreement"] = agreement(*said.values())
    write_json(OUT, {env: {agent: figures}})
    return figures
