"""Two engines beside each other: how fast each plays, and how often they say the same."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from hintdistill.evaluation.stats import wilson
from hintdistill.llm.engine import Engine, Request
from hintdistill.records import Episode, Message

log = logging.getLogger(__name__)
REPLAYED_TURNS = 300  # at least; whole episodes are replayed


def timed(play: Callable[[], list[Episode]]) -> dict[str, Any]:
    """Play a cohort; wall time in seconds, which holds the environments' time as well."""
    began = time.monotonic()
    episodes = play()
    seconds = time.monotonic() - began
    return {
        "seconds": round(seconds, 1),
        "episodes_a_minute": round(60 * len(episodes) / seconds, 2),
        "tokens_a_second": round(sum(e.tokens_completion for e in episodes) / seconds, 1),
        "success": sum(e.success for e in episodes),
    }


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
    said = []
    for first in range(0, len(episodes), cohort):
        prompts = [_prompts(episode) for episode in episodes[first : first + cohort]]
        engine.start()
        for turn in range(max(map(len, prompts))):
            running = [(slot, p[turn]) for slot, p in enumerate(prompts) if turn < len(p)]
            requests = [Request(slot, messages) for slot, messages in running]
            said += [answer.text for answer in engine.generate(requests)]
        log.info("%s: %d turns replayed", type(engine).__name__, len(said))
    return said


def agreement(a: Sequence[str], b: Sequence[str]) -> dict[str, float]:
    """The share of equal turns, with its 95 % interval."""
    assert len(a) == len(b) > 0, f"{len(a)} against {len(b)} turns"
    equal = sum(x == y for x, y in zip(a, b, strict=True))
    lo, hi = wilson(equal, len(a))
    return {"turns": len(a), "equal": equal, "share": equal / len(a), "lo": lo, "hi": hi}
