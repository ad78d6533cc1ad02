"""Stage demos: a scripted player demonstrates the warm-start tasks."""

from hintdistill.agents.demonstrator import DemonstratorEngine
from hintdistill.agents.prompts import PROMPTS
from hintdistill.agents.registry import make_agent
from hintdistill.params import StageParams, per_env
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import Cell, cell_command
from hintdistill.stages._play import EnvParams, PlayParams, play_split


class Params(StageParams):
    rollout: PlayParams
    task: EnvParams = per_env()


@cell_command
def command(env: str, agent: str) -> None:
    """Demonstrate the warm-start tasks: demos.jsonl."""
    cell, params = Cell(env, agent), Params.read(env)
    inputs = [cell.panel, cell.games, PROMPTS]
    play_split(
        cell,
        "warmstart",
        "demo",
        out=cell.data / "demos.jsonl",
        play_params=params.rollout,
        step_limit=params.task.step_limit,
        engine=DemonstratorEngine(make_agent(agent, env)),
        scratch=Scratch("demos", cell.name, params.model_dump_json(), inputs),
    )
