"""Lets the agent's language model play an arm of the experiment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import NO_HINTS, ArmSetup, GivenHints, RolloutParams, play
from hintdistill.core.cell import AgentParams, Cell, EvalParams, ModelParams, StepLimit
from hintdistill.core.files import write_jsonl
from hintdistill.core.params import AGENT_BLOCK, ENV_BLOCK, StageParams
from hintdistill.core.scratch import Scratch
from hintdistill.environments.common.registry import games_of
from hintdistill.llm.engine import Engine, EngineSetup, engine_names, open_engine
from hintdistill.stages.shared.server import make_server


class ModelRolloutParams(RolloutParams):
    """The whole shared block `rollout`, which says how a language model plays."""

    engine: str
    dtype: Literal["float32", "bfloat16"]  # of engine transformers
    threads: PositiveInt

    @field_validator("engine")
    @classmethod
    def _is_there(cls, engine: str) -> str:
        if engine not in (known := engine_names()):
            raise ValueError(f"expected one of {known}")
        return engine


class PlayingAgentParams(AgentParams):
    """The agent's whole block."""

    max_new_tokens: PositiveInt  # of one turn


class PlayParams(StageParams):
    """Params of every stage that lets the model play."""

    model: ModelParams
    rollout: ModelRolloutParams
    task: StepLimit = Field(alias=ENV_BLOCK)
    agent: PlayingAgentParams = Field(alias=AGENT_BLOCK)


class EvalPlayParams(PlayParams):
    """Params of a stage that lets the model play the split that is reported."""

    eval: EvalParams


def make_engine(params: PlayParams, cell: Cell, adapter: Path | None, caller: str) -> Engine:
    """The engine of `rollout.engine`, its model loaded; a server's ledger notes the `caller`."""
    rollout = params.rollout
    setup = EngineSetup(
        folder=params.model.folder(cell),
        adapter=adapter,
        max_new_tokens=params.agent.max_new_tokens,
        threads=rollout.threads,
        dtype=rollout.dtype,
        seed=rollout.seed,
        make_server=lambda: make_server(caller),
        chat_template_kwargs={},
    )
    return open_engine(rollout.engine, setup)


def play_arm(
    stage: str,
    item: Mapping[str, str],  # the stage's values of dvc.yaml's matrix
    params: PlayParams,
    *,
    arm: str,
    split: str,
    out: Path,
    adapter: Path | None = None,  # a student's
    hints: GivenHints = NO_HINTS,
) -> None:
    """Play one episode on every task of a split and write them to `out`, sorted."""
    cell, rollout = Cell(item["env"], item["agent"]), params.rollout
    engine = make_engine(params, cell, adapter, f"{stage}@{'-'.join(item.values())}")
    # A run that was stopped does not go on with another model of a server.
    settings = f"{params.model_dump_json()} {engine.model.model_dump_json()} {hints.asks}"
    scratch = Scratch(stage, item, settings)
    panel = cell.read_panel()
    tasks = panel.tasks_of(split)
    agent = make_agent(cell.agent, cell.env, params.agent.protocol)
    setup = ArmSetup(arm, agent, hints, rollout, params.task.step_limit, rollout.seed)
    with games_of(cell.env).open_envs(panel, min(rollout.cohort, len(tasks))) as envs:
        episodes = play(tasks, envs, engine, setup, cohort=rollout.cohort, folder=scratch.folder)
    episodes.sort(key=lambda episode: episode.episode_id)
    write_jsonl(out, episodes)
    scratch.drop()
