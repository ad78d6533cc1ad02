"""What the stages share in which the language model plays an arm."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from hintdistill.agents.placement import Placement
from hintdistill.agents.prompts import PROMPTS
from hintdistill.agents.rollout import Retrieve, no_hints
from hintdistill.llm.engine import Engine
from hintdistill.params import StageParams, per_agent, per_env
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import REQUIREMENTS, Cell, ModelParams, ProtocolOfAgent
from hintdistill.stages._play import EnvParams, PlayParams, play_split
from hintdistill.stages._server import make_server


class RolloutParams(PlayParams):
    """The whole shared block `rollout`: how a language model plays."""

    engine: Literal["openvino", "transformers", "openai"]
    dtype: Literal["float32", "bfloat16"]  # of engine transformers
    threads: PositiveInt


class PlayingAgent(ProtocolOfAgent):
    """The agent's own block, where a language model plays."""

    max_new_tokens: PositiveInt  # of one turn


class RolloutStageParams(StageParams):
    """What every stage reads that lets the model play."""

    model: ModelParams
    rollout: RolloutParams
    task: EnvParams = per_env()
    agent: PlayingAgent = per_agent()


def make_engine(
    params: RolloutStageParams, cell: Cell, adapter: Path | None, caller: str
) -> Engine:
    """The engine that `rollout.engine` names, with the cell's model and an adapter loaded.

    Args:
        caller: who has it made; a server's ledger says what each has spent.

    Raises:
        UserError: a file, package or environment variable is missing, or the engine can't run
            that kind of model.
    """
    rollout, model = params.rollout, params.model.folder(cell)
    max_new_tokens = params.agent.max_new_tokens
    if rollout.engine == "openai":
        from hintdistill.llm.openai import OpenaiEngine

        turns = {"max_new_tokens": max_new_tokens, "seed": rollout.seed}
        return OpenaiEngine(model, adapter, make_server(caller), **turns)
    limits = {"threads": rollout.threads, "max_new_tokens": max_new_tokens}
    if rollout.engine == "openvino":
        from hintdistill.llm.openvino import OpenvinoEngine

        return OpenvinoEngine(model, adapter, **limits)
    from hintdistill.llm.transformers import TransformersEngine

    return TransformersEngine(model, adapter, dtype=rollout.dtype, **limits)


def play_arm(
    stage: str,
    cell: Cell,
    split: str,
    arm: str,
    *,
    out: Path,
    params: RolloutStageParams,
    adapter: Path | None = None,
    retrieve: Retrieve = no_hints,
    asks: str = "",
    hints: Iterable[Path] = (),
    placement: Placement = "system",
) -> None:
    """Let the cell's model play an arm on a split.

    Args:
        stage: module of the calling stage.
        adapter: the student's LoRA adapter, or None for the base model.
        asks: the server and model that `retrieve` asks.
        hints: the files that `retrieve` reads.
        placement: where the hints stand.
    """
    model = params.model.folder(cell)
    inputs = [cell.panel, cell.games, model, PROMPTS, REQUIREMENTS, *hints]
    inputs += [adapter] if adapter else []
    rollout = params.rollout
    engine = make_engine(params, cell, adapter, f"{stage}@{cell.name}-{arm}")
    # A run that was stopped does not go on with another model of a server.
    settings = f"{params.model_dump_json()} {engine.model.model_dump_json()} {asks}"
    play_split(
        cell,
        split,
        arm,
        out=out,
        play_params=rollout,
        step_limit=params.task.step_limit,
        protocol=params.agent.protocol,
        engine=engine,
        scratch=Scratch(stage, f"{cell.name}-{arm}", settings, inputs),
        retrieve=retrieve,
        placement=placement,
    )
