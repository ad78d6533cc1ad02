"""Hints by a language model: it reads a failed episode whole and says what would have helped.

What it answers is checked by code. An answer in which anything is wrong is asked for once more,
with the reasons; of the two, the one with more hints in good form counts, and the second where they
have as many. Whatever was refused is kept with its reason. An episode of which nothing is left
gives no hint.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.agents.prompts import render_prompt
from hintdistill.hints.audit import LeakAudit
from hintdistill.hints.curate import RawHint
from hintdistill.hints.diagnose import hints_of_env
from hintdistill.hints.form import MAX_CHARACTERS, written_form_error
from hintdistill.llm.completion import ChatRequest, Completion, quoted, unfenced
from hintdistill.llm.server import Server
from hintdistill.records import Episode, Message, Rejection, Task, normalise

log = logging.getLogger(__name__)

MAX_HINTS = 4  # of an episode
MAX_TOKENS = 512  # of an answer; four hints have about 200
# Of an episode in a prompt: some 13,000 tokens, of the 32,000 that a Qwen2.5 reads.
EPISODE_CHARACTERS = 40_000
CHUNK = 64  # episodes asked about before a line of progress
SHOWN = 200  # characters of a refused text that are kept
SCHEMA = {
    "type": "object",
    "properties": {
        "hints": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MAX_HINTS,
        }
    },
    "required": ["hints"],
    "additionalProperties": False,
}


class Refused(NamedTuple):
    """A text that is no hint, or a whole answer that holds none."""

    reason: str
    text: str


NO_ROOM = Refused("the episode is longer than the model's context", "")


class Reading(NamedTuple):
    """What an answer holds: hints in good form, and the rest."""

    hints: list[str]
    refused: list[Refused]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hints: list[str]


def read_hints(text: str, names: Iterable[str], placeholders: Sequence[str]) -> Reading:
    """Read an answer, whatever it is; what is past the fourth hint is refused like a bad one.

    Args:
        names, placeholders: as `written_form_error` has them.
    """
    try:
        written = _Answer.model_validate_json(unfenced(text)).hints
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        return Reading([], [Refused(f"not the JSON asked for: {reason}", text)])
    if not written:
        return Reading([], [Refused("no hint", text)])
    hints: list[str] = []
    refused: list[Refused] = []
    for number, hint in enumerate(line.strip() for line in written):
        if number >= MAX_HINTS:
            error = f"more than {MAX_HINTS} hints"
        elif normalise(hint) in map(normalise, hints):
            error = "a hint of this answer again"
        else:
            error = written_form_error(hint, names, placeholders)
        if error:
            refused.append(Refused(error, hint))
        else:
            hints.append(hint)
    return Reading(hints, refused)


def _transcript(episode: Episode) -> str:
    """The episode without its system prompt, and so without examples and hints."""
    spoken = [(message.role, message.content) for message in episode.messages[1:]]
    if spoken[-1][0] == "assistant":  # the last action ended the episode: no message says to what
        spoken += [("user", step.observation) for step in episode.steps[-1:]]
    return "\n".join(f"{'Agent' if r == 'assistant' else 'Game'}: {text}" for r, text in spoken)


def _cut(text: str, characters: int) -> str:
    """The text as data, its middle left out where it is longer.

    The mark stands outside the data: nothing in an episode can be taken for it.
    """
    half = characters // 2
    if len(text) <= 2 * half:
        return quoted(text)
    mark = f"[... {len(text) - 2 * half} characters left out ...]"
    return f"{quoted(text[:half])}\n{mark}\n{quoted(text[-half:])}"


def request(
    episode: Episode, refused: Sequence[Refused] = (), characters: int = EPISODE_CHARACTERS
) -> ChatRequest:
    """What is asked about an episode.

    Args:
        refused: what was wrong with the answer before.
        characters: of the episode, at most.
    """
    about = hints_of_env(episode.env)
    system = render_prompt(
        f"extract_{episode.env}.j2",
        max_hints=MAX_HINTS,
        max_characters=MAX_CHARACTERS,
        placeholders=about.placeholders,
        common=sorted(about.common),
    )
    user = f"The game, ended by {episode.stop_reason}:\n{_cut(_transcript(episode), characters)}"
    if refused:
        reasons = "\n".join(f"{reason}: {_shown(text)}" for reason, text in refused)
        user += f"\n\nRefused:\n{quoted(reasons)}"
    messages = [Message(role="system", content=system), Message(role="user", content=user)]
    return ChatRequest(messages, max_tokens=MAX_TOKENS, schema=SCHEMA)


def _second_request(episode: Episode, first: Reading) -> ChatRequest:
    if first.refused == [NO_ROOM]:
        return request(episode, characters=EPISODE_CHARACTERS // 4)
    return request(episode, first.refused)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _read(answer: Completion | None, episode: Episode, said: Sequence[str]) -> Reading:
    """What an answer holds. `said`: what every player is told, of which no hint is a copy."""
    if answer is None:
        return Reading([], [NO_ROOM])
    if not answer.complete:
        reason = f"cut off at {MAX_TOKENS} tokens, or refused"
        return Reading([], [Refused(reason, answer.text)])
    about = hints_of_env(episode.env)
    reading = read_hints(answer.text, about.names_of(episode), about.placeholders)
    system = episode.messages[0].content
    hints, refused = [], [*reading.refused]
    for hint in reading.hints:
        if any(map(LeakAudit([hint]).find, (system, *said))):
            refused.append(Refused("what the task or the prompt says already", hint))
        else:
            hints.append(hint)
    return Reading(hints, refused)


def _read_all(
    episodes: Sequence[Episode], server: Server, said: Sequence[str]
) -> list[list[Reading]]:
    """Of each episode, what the first answer holds, and the second where one was asked for."""

    def ask(requests: Mapping[int, ChatRequest]) -> dict[int, Reading]:
        answers = server.complete_all(list(requests.values()))
        return {i: _read(a, episodes[i], said) for i, a in zip(requests, answers, strict=True)}

    first = ask({i: request(episode) for i, episode in enumerate(episodes)})
    wrong = {i: reading for i, reading in first.items() if reading.refused}
    second = ask({i: _second_request(episodes[i], wrong[i]) for i in wrong})
    return [[r[i] for r in (first, second) if i in r] for i in range(len(episodes))]


class Extracted(NamedTuple):
    """What came of all episodes."""

    hints: list[RawHint]
    rejections: list[Rejection]


def extract(failures: Sequence[Episode], tasks: Mapping[str, Task], server: Server) -> Extracted:
    """Ask about every failed episode, and log how far it is.

    Args:
        tasks: at least those of the episodes, by task_id.

    Raises:
        UserError: as `Server.complete_all`. Answers that came are in its cache.
    """
    writer = f"extract:{server.model}"
    found = Extracted([], [])
    said = sorted({task.instruction for task in tasks.values()})
    start = time.monotonic()
    for first in range(0, len(failures), CHUNK):
        chunk = failures[first : first + CHUNK]
        for episode, readings in zip(chunk, _read_all(chunk, server, said), strict=True):
            best = max(reversed(readings), key=lambda reading: len(reading.hints))
            task_type = tasks[episode.task_id].type
            found.hints.extend(RawHint(task_type, hint, writer, episode) for hint in best.hints)
            found.rejections.extend(
                Rejection(
                    episode_id=episode.episode_id,
                    task_id=episode.task_id,
                    attempt=attempt,
                    reason=reason,
                    text=_shown(text),
                )
                for attempt, reading in enumerate(readings)
                for reason, text in reading.refused
            )
        done = first + len(chunk)
        left = (len(failures) - done) * (time.monotonic() - start) / done
        log.info(
            "extract: %d of %d failures read, %d hints, %d texts rejected, %.0f s left",
            done, len(failures), len(found.hints), len(found.rejections), left,
        )  # fmt: skip
    return found
