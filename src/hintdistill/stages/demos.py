"""Stage demos: a scripted player demonstrates the warm-start tasks, with and without hints."""

import random
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveInt

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import NO_HINTS, ArmSetup, GivenHints, RolloutParams, play
from hintdistill.core.cell import AgentParams, Cell, StepLimit, cell_command
from hintdistill.core.files import write_jsonl
from hintdistill.core.params import AGENT_BLOCK, ENV_BLOCK, StageParams
from hintdistill.core.records import Episode, HintRef, Task, short_hash
from hintdistill.core.scratch import Scratch
from hintdistill.core.settings import Settings
from hintdistill.environments.common.registry import games_of
from hintdistill.environments.scripted.player import DrawHints, player_of


class DemoParams(Settings):
    """Block `demos`: the shares of the tasks that are demonstrated with each kind of prompt."""

    player: str  # `habitual` makes mistakes that hints prevent, `searching` none
    plain: float = Field(ge=0, le=1)  # no hints in the prompt
    helpful: float = Field(ge=0, le=1)  # hints against what goes wrong in such a task
    useless: float = Field(ge=0, le=1)  # hints for other tasks, or about nothing
    openings: NonNegativeInt  # of every task: its first turn, with any hints or none
    step_limit: PositiveInt | None  # actions of one; null: the environment's own limit
    slips: float = Field(ge=0, lt=1)  # share of commands before which there is a slip
    seed: int


class DemosParams(StageParams):
    demos: DemoParams
    rollout: RolloutParams
    task: StepLimit = Field(alias=ENV_BLOCK)
    agent: AgentParams = Field(alias=AGENT_BLOCK)


def _drawn_hints(draw: DrawHints, *seed: int) -> GivenHints:
    """Hints as the player knows them, drawn for each task by seed."""

    def hints_of(task: Task, first: str) -> list[HintRef]:
        rng = random.Random(short_hash("demo-hints", *seed, task.task_id))
        texts = draw(task.instruction, first, rng)
        return [HintRef(hint_id=f"demo-{i}", text=text) for i, text in enumerate(texts)]

    return GivenHints(lambda starts: [hints_of(*start) for start in starts])


def _demonstrate(cell: Cell, params: DemosParams, folder: Path) -> list[Episode]:
    """Play the shares that block `demos` asks for; finished cohorts are kept in `folder`."""
    demos, rollout = params.demos, params.rollout
    step_limit = demos.step_limit or params.task.step_limit
    panel, scripted = cell.read_panel(), player_of(cell.env, demos.player)
    tasks, known = panel.tasks_of("warmstart"), scripted.hints
    agent = make_agent(cell.agent, cell.env, params.agent.protocol)
    player = DemonstratorEngine(scripted.make, agent.turns, demos.slips, demos.seed)
    # An opening shows what is meant; a slip in it would leave little to learn.
    opener = DemonstratorEngine(scripted.make, agent.turns, 0.0, demos.seed)
    kinds = {
        "plain": NO_HINTS,
        "helpful": _drawn_hints(known.draw_helpful, demos.seed),
        "useless": _drawn_hints(known.draw_useless, demos.seed),
    }
    arms: list[tuple[list[Task], DemonstratorEngine, ArmSetup]] = []
    for attempt, (kind, hints) in enumerate(kinds.items()):
        rng = random.Random(short_hash("demo-tasks", demos.seed, kind))
        shown = rng.sample(tasks, round(getattr(demos, kind) * len(tasks)))
        setup = ArmSetup(f"demo_{kind}", agent, hints, rollout, step_limit, rollout.seed, attempt)
        arms.append((shown, player, setup))
    one_turn = rollout.model_copy(update={"turn_limit": 1})
    for attempt in range(demos.openings):
        hints = _drawn_hints(known.draw_any, demos.seed, attempt)
        setup = ArmSetup("demo_opening", agent, hints, one_turn, step_limit, rollout.seed, attempt)
        arms.append((tasks, opener, setup))
    episodes: list[Episode] = []
    with games_of(cell.env).open_envs(panel, rollout.cohort) as envs:
        for shown, engine, setup in arms:
            kept = folder / f"{setup.name}-{setup.attempt}"
            episodes += play(shown, envs, engine, setup, cohort=rollout.cohort, folder=kept)
    return episodes


@cell_command
def command(env: str, agent: str) -> None:
    """Demonstrate the warm-start tasks: demos.jsonl."""
    cell, params = Cell(env, agent), DemosParams.read(env, agent)
    scratch = Scratch("demos", cell.item, params.model_dump_json())
    episodes = _demonstrate(cell, params, scratch.folder)
    episodes.sort(key=lambda episode: episode.episode_id)
    write_jsonl(cell.data / "demos.jsonl", episodes)
    scratch.drop()
