"""Stage demos: a scripted player demonstrates the warm-start tasks, with and without hints."""

import random

from pydantic import Field, NonNegativeInt

from hintdistill.agents.demonstrator import DemonstratorEngine
from hintdistill.agents.demonstrators import demonstrations_of
from hintdistill.agents.prompts import PROMPTS
from hintdistill.agents.registry import make_agent
from hintdistill.agents.rollout import Arm, Retrieve, no_hints, play
from hintdistill.params import StageParams, per_agent, per_env
from hintdistill.records import Episode, HintRef, Task, short_hash, write_jsonl
from hintdistill.scratch import Scratch
from hintdistill.settings import Settings
from hintdistill.stages._cell import REQUIREMENTS, Cell, ProtocolOfAgent, cell_command
from hintdistill.stages._play import EnvParams, PlayParams, tasks_of_split
from hintdistill.tasks.registry import find_env


class DemoParams(Settings):
    """Block `demos`: for which shares of the tasks there is a demonstration of each kind."""

    plain: float = Field(ge=0, le=1)  # no hints in the prompt
    helpful: float = Field(ge=0, le=1)  # hints against what goes wrong in such a task
    useless: float = Field(ge=0, le=1)  # hints for other tasks, or about nothing
    openings: NonNegativeInt  # of every task: its first turn, with any hints or none
    slips: float = Field(ge=0, lt=1)  # share of commands before which there is a slip
    seed: int


class Params(StageParams):
    demos: DemoParams
    rollout: PlayParams
    task: EnvParams = per_env()
    agent: ProtocolOfAgent = per_agent()


def _drawn_hints(draw, *seed: int) -> Retrieve:
    """Hints as the demonstrator knows them, drawn for each task by seed."""

    def hints_of(task: Task) -> list[HintRef]:
        rng = random.Random(short_hash("demo-hints", *seed, task.task_id))
        texts = draw(task.instruction, rng)
        return [HintRef(hint_id=f"demo-{i}", text=text) for i, text in enumerate(texts)]

    return lambda starts: [hints_of(task) for task, _ in starts]


@cell_command
def command(env: str, agent: str) -> None:
    """Demonstrate the warm-start tasks: demos.jsonl."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    demos, rollout = params.demos, params.rollout
    inputs = [cell.panel, cell.games, PROMPTS, REQUIREMENTS]
    scratch = Scratch("demos", cell.name, params.model_dump_json(), inputs)
    panel = cell.read_panel()
    tasks = tasks_of_split(cell, panel, "warmstart")
    protocol = make_agent(agent, env, params.agent.protocol)
    make_player, habits = demonstrations_of(env)
    player = DemonstratorEngine(make_player, protocol, demos.slips, demos.seed)
    # An opening shows what is meant; a slip in it would leave little to learn.
    opener = DemonstratorEngine(make_player, protocol, 0.0, demos.seed)
    kinds = {
        "plain": no_hints,
        "helpful": _drawn_hints(habits.draw_helpful, demos.seed),
        "useless": _drawn_hints(habits.draw_useless, demos.seed),
    }
    limit, seed = params.task.step_limit, rollout.seed
    episodes: list[Episode] = []
    with find_env(env).open_envs(panel, rollout.cohort) as envs:

        def demonstrate(shown: list[Task], engine: DemonstratorEngine, arm: Arm) -> list[Episode]:
            folder = scratch.folder / f"{arm.name}-{arm.attempt}"
            return play(shown, envs, engine, arm, cohort=rollout.cohort, folder=folder)

        for attempt, (kind, retrieve) in enumerate(kinds.items()):
            rng = random.Random(short_hash("demo-tasks", demos.seed, kind))
            shown = rng.sample(tasks, round(getattr(demos, kind) * len(tasks)))
            arm = Arm(f"demo_{kind}", protocol, retrieve, rollout, limit, seed, attempt)
            episodes += demonstrate(shown, player, arm)
        one_turn = rollout.model_copy(update={"turn_limit": 1})
        for attempt in range(demos.openings):
            retrieve = _drawn_hints(habits.draw_any, demos.seed, attempt)
            arm = Arm("demo_opening", protocol, retrieve, one_turn, limit, seed, attempt)
            episodes += demonstrate(tasks, opener, arm)
    write_jsonl(cell.data / "demos.jsonl", sorted(episodes, key=lambda e: e.episode_id))
    scratch.drop()
