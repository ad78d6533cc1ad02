"""Two engines beside each other: how fast each plays, and how often they say the same.

    python benchmarks/engines.py --env alfworld --agent react     # writes metrics/engines.json

Both play the first cohort of split dev, and replay recorded episodes of arm base. No stage, since
its times never come out the same.
"""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import NO_HINTS, ArmSetup, play_cohort
from hintdistill.core.cell import Cell, cell_options
from hintdistill.core.files import read_jsonl, write_json
from hintdistill.core.records import Episode, Message
from hintdistill.environments.common.registry import games_of
from hintdistill.evaluation.stats import wilson
from hintdistill.llm.engine import Engine, Request
from hintdistill.stages.shared.play import PlayParams, make_engine

log = logging.getLogger(__name__)
OUT = Path("metrics/engines.json")
SPLIT = "dev"
ENGINES = ("openvino", "transformers")
REPLAYED_TURNS = 300  # at least; whole episodes are replayed


def choose_replay(episodes: Sequence[Episode]) -> list[Episode]:
    """The first episodes that hold at least REPLAYED_TURNS turns together, or all there are."""
    chosen: list[Episode] = []
    for episode in sorted(episodes, key=lambda e: e.episode_id):
        if sum(e.n_turns for e in chosen) >= REPLAYED_TURNS:
            break
        chosen.append(episode)
    return chosen


def _prompts(episode: Episode) -> list[list[Message]]:
    """What the agent had before it at each of its turns."""
    return [episode.messages[:i] for i, message in enumerate(episode.messages) if message.own]


def replay(engine: Engine, episodes: Sequence[Episode], cohort: int) -> list[str]:
    """What an engine says at each turn of recorded episodes, given the recorded turns before it."""
    said: list[str] = []
    for first in range(0, len(episodes), cohort):
        prompts = [_prompts(episode) for episode in episodes[first : first + cohort]]
        engine.start()
        for turn in range(max(map(len, prompts))):
            running = [(slot, p[turn]) for slot, p in enumerate(prompts) if turn < len(p)]
            requests = [Request(slot, messages) for slot, messages in running]
            said += [answer.text if answer else "" for answer in engine.generate(requests)]
        log.info("%s: %d turns replayed", type(engine).__name__, len(said))
    return said


def agreement(a: Sequence[str], b: Sequence[str]) -> dict[str, float]:
    """The share of equal turns, with its 95 % interval."""
    assert len(a) == len(b) > 0, f"{len(a)} against {len(b)} turns"
    equal = sum(x == y for x, y in zip(a, b, strict=True))
    lo, hi = wilson(equal, len(a))
    return {"turns": len(a), "equal": equal, "share": equal / len(a), "lo": lo, "hi": hi}


def compare_engines(env: str, agent: str) -> dict[str, Any]:
    """Wall times, episodes a minute, their ratio, and the share of turns said alike."""
    cell, params = Cell(env, agent), PlayParams.read(env, agent)
    rollout, panel = params.rollout, cell.read_panel()
    tasks = sorted(panel.tasks_of(SPLIT), key=lambda task: task.task_id)[: rollout.cohort]
    recorded = choose_replay(read_jsonl(cell.failures, Episode))
    protocol = make_agent(agent, env, params.agent.protocol)
    arm = ArmSetup("base", protocol, NO_HINTS, rollout, params.task.step_limit, rollout.seed)
    figures: dict[str, Any] = {
        "episodes": len(tasks),
        "threads": rollout.threads,
        "transformers_dtype": rollout.dtype,
    }
    said = []
    for name in ENGINES:
        with_engine = rollout.model_copy(update={"engine": name})
        settings = params.model_copy(update={"rollout": with_engine})
        began = time.monotonic()
        engine = make_engine(settings, cell, None, "benchmark")
        loading = time.monotonic() - began
        with games_of(env).open_envs(panel, len(tasks)) as envs:
            began = time.monotonic()  # what follows holds the environments' time as well
            episodes = play_cohort(tasks, envs, engine, arm)
            seconds = time.monotonic() - began
        figures[name] = {
            "load_seconds": round(loading, 1),
            "seconds": round(seconds, 1),
            "episodes_a_minute": round(60 * len(episodes) / seconds, 2),
            "tokens_a_second": round(sum(e.tokens_completion for e in episodes) / seconds, 1),
            "success": sum(e.success for e in episodes),
        }
        said.append(replay(engine, recorded, rollout.cohort))
    openvino, transformers = (figures[name]["episodes_a_minute"] for name in ENGINES)
    figures["speedup"] = round(openvino / transformers, 2)
    figures["agreement"] = agreement(*said)
    return figures


@click.command()
@cell_options
def main(env: str, agent: str) -> None:
    """Compare engines openvino and transformers."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    figures = compare_engines(env, agent)
    write_json(OUT, {env: {agent: figures}})
    click.echo(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
