"""Writes hints by a language model, which reads a failed episode whole.

Code checks its answer. Where anything is wrong it is asked once more, with the reasons; the answer
with more hints in good form counts, the second where they have as many. Whatever was refused is
kept with its reason. An episode of which nothing is left gives no hint.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from hintdistill.core.records import Episode, Message, Rejection, Task, normalise
from hintdistill.environments.common.prompts import render_prompt
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.hints.audit import LeakAudit
from hintdistill.hints.write.curate import RawHint
from hintdistill.hints.write.form import MAX_CHARACTERS, written_form_error
from hintdistill.hints.write.registry import Written
from hintdistill.llm.server.client import Server
from hintdistill.llm.server.completion import ChatRequest, Completion, quoted, unfenced

log = logging.getLogger(__name__)

MAX_HINTS = 4  # of an episode
MAX_TOKENS = 512  # of an answer; four hints have about 200
# Of an episode in a prompt: some 13,000 tokens, of the 32,000 that a Qwen2.5 reads.
EPISODE_CHARACTERS = 40_000
CHUNK = 64  # episodes asked about before a line of progress
SHOWN = 200  # characters of a refused text that are kept
_HINTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_HINTS}
SCHEMA = {
    "type": "object",
    "properties": {"hints": _HINTS},
    "required": ["hints"],
    "additionalProperties": False,
}


class Refused(NamedTuple):
    """A text that is no hint, or a whole answer that holds none."""

    reason: str
    text: str


NO_ROOM = Refused("the episode is longer than the model's context", "")


class Reading(NamedTuple):
    """An answer as it was read: hints in good form, and the rest."""

    hints: list[str]
    refused: list[Refused]


class _HintsAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hints: list[str]


def read_hints(text: str, names: Iterable[str], placeholders: Sequence[str]) -> Reading:
    """Read an answer, whatever it is; hints after the fourth are refused like bad ones."""
    try:
        written = _HintsAnswer.model_validate_json(unfenced(text)).hints
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        return Reading([], [Refused(f"not the JSON asked for: {reason}", text)])
    if not written:
        return Reading([], [Refused("no hint", text)])
    hints: list[str] = []
    refused: list[Refused] = []
    for number, hint in enumerate(line.strip() for line in written):
        if number >= MAX_HINTS:
            wrong: str | None = f"more than {MAX_HINTS} hints"
        elif normalise(hint) in map(normalise, hints):
            wrong = "a hint of this answer again"
        else:
            wrong = written_form_error(hint, names, placeholders)
        if wrong:
            refused.append(Refused(wrong, hint))
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
    """The text as data; where it is longer, its middle is left out."""
    half = characters // 2
    if len(text) <= 2 * half:
        return quoted(text)
    # It stands outside the data: nothing in an episode can be taken for it.
    mark = f"[... {len(text) - 2 * half} characters left out ...]"
    return f"{quoted(text[:half])}\n{mark}\n{quoted(text[-half:])}"


def request(
    episode: Episode, refused: Sequence[Refused] = (), characters: int = EPISODE_CHARACTERS
) -> ChatRequest:
    """The question about an episode; `refused` is what was wrong with the answer before."""
    about = hint_rules_of(episode.env)
    system = render_prompt(
        f"{episode.env}/extract.j2",
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


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _read(answer: Completion | None, episode: Episode, said: Sequence[str]) -> Reading:
    """Read an answer. `said`: what every player is told, of which no hint is a copy."""
    if answer is None:
        return Reading([], [NO_ROOM])
    if not answer.complete:
        reason = f"cut off at {MAX_TOKENS} tokens, or refused"
        return Reading([], [Refused(reason, answer.text)])
    about = hint_rules_of(episode.env)
    hints, refused = read_hints(answer.text, about.names_of(episode), about.placeholders)
    told = (episode.messages[0].content, *said)
    copies = [hint for hint in hints if any(map(LeakAudit([hint]).find, told))]
    refused += [Refused("what the task or the prompt says already", copy) for copy in copies]
    return Reading([hint for hint in hints if hint not in copies], refused)


def _read_all(
    episodes: Sequence[Episode], server: Server, said: Sequence[str]
) -> list[list[Reading]]:
    """Each episode's first answer, and the second where one was asked for."""

    def ask(requests: Mapping[int, ChatRequest]) -> dict[int, Reading]:
        answers = server.complete_all(list(requests.values()))
        return {i: _read(a, episodes[i], said) for i, a in zip(requests, answers, strict=True)}

    def ask_again(i: int, refused: list[Refused]) -> ChatRequest:
        if refused == [NO_ROOM]:
            return request(episodes[i], characters=EPISODE_CHARACTERS // 4)
        return request(episodes[i], refused)

    first = ask({i: request(episode) for i, episode in enumerate(episodes)})
    second = ask({i: ask_again(i, one.refused) for i, one in first.items() if one.refused})
    return [[r[i] for r in (first, second) if i in r] for i in range(len(episodes))]


def write_hints(
    failures: Sequence[Episode], tasks: Mapping[str, Task], make_server: Callable[[], Server]
) -> Written:
    """Ask about every failed episode, and log the progress; errors as of `Server.complete_all`."""
    server = make_server()
    server.look_for_model()
    writer = f"extract:{server.model}"
    found = Written([], [])
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
