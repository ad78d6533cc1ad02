"""The JSONL records that stages exchange: one schema each, versioned, validated on read and write.

A file holds one kind of record. Lines have sorted keys and no float but a finite one, so equal
records are equal bytes; unknown fields are refused. Nothing in a record tells when, where or by
whom it was made.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar

import jsonlines
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hintdistill.errors import UserError

SPLITS = ("warmstart", "train", "dev", "eval")
HINT_SOURCE_SPLIT = "train"

Split = Literal["warmstart", "train", "dev", "eval"]
Sha256 = str
StopReason = Literal[
    "success", "done", "step_limit", "turn_limit", "repeated_action", "context_full"
]


class Record(BaseModel):
    """Base of every record. `schema` names the kind and its version, as in `"task/1"`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class Task(Record):
    """One game or goal, as the panel pins it."""

    schema_: Literal["task/1"] = Field("task/1", alias="schema")
    task_id: str
    env: str
    split: Split
    type: str
    source: str
    room: int | None = None  # ALFWorld: number of the AI2-THOR floor plan
    product: str | None = None  # WebShop: asin
    instruction: str
    content_sha256: Sha256


class Game(Record):
    """What a task needs to be played, so that later stages need no other data."""

    schema_: Literal["game/1"] = Field("game/1", alias="schema")
    task_id: str
    content: dict[str, str | list[str]]


class Message(Record):
    """One chat message; `own` marks the agent's own turns, the only ones that carry loss."""

    role: Literal["system", "user", "assistant"]
    content: str
    own: bool = False


class Step(Record):
    """One action sent to the environment; `turn` counts model calls from 0."""

    turn: int = Field(ge=0)
    action: str
    observation: str


class HintRef(Record):
    """A hint as it stood in a prompt.

    `picked` says how, where a language model was asked: by it, or by bm25 to fill up its answer.
    It is left out where none was asked.
    """

    hint_id: str
    text: str
    picked: Literal["llm", "bm25"] | None = Field(None, exclude_if=lambda how: how is None)


class Model(Record):
    """Which weights spoke: the folder's name and the hash of its weights."""

    name: str
    sha256: Sha256


class Episode(Record):
    """One attempt at one task."""

    schema_: Literal["episode/1"] = Field("episode/1", alias="schema")
    episode_id: str
    task_id: str
    env: str
    agent: str
    arm: str
    attempt: int = Field(ge=0)
    seed: int
    model: Model
    adapter: Sha256 | None
    deterministic: bool
    hints: list[HintRef]
    messages: list[Message]
    steps: list[Step]
    success: Literal[0, 1]
    reward: float
    n_steps: int = Field(ge=0)
    n_turns: int = Field(ge=0)
    n_invalid: int = Field(ge=0)
    stop_reason: StopReason
    tokens_prompt: int = Field(ge=0)
    tokens_prompt_new: int = Field(ge=0)
    tokens_completion: int = Field(ge=0)


class Hint(Record):
    """One entry of the bank, with the tasks and episodes that it was learnt from."""

    schema_: Literal["hint/1"] = Field("hint/1", alias="schema")
    hint_id: str
    env: str
    type: str
    text: str
    mentions: int = Field(ge=1)
    writer: str
    source_task_ids: list[str]
    source_episode_ids: list[str]


class Rejection(Record):
    """What a language model wrote after an episode and what is no hint; `attempt` is 0 or 1.

    `reason` begins with a kind of error, which ends at a colon where there is more to say.
    """

    schema_: Literal["rejection/1"] = Field("rejection/1", alias="schema")
    episode_id: str
    task_id: str
    attempt: int = Field(ge=0)
    reason: str
    text: str  # its beginning


class Example(Record):
    """One finished game as a prompt shows it; its first message is the first observation."""

    schema_: Literal["example/1"] = Field("example/1", alias="schema")
    type: str
    messages: list[Message]


class TrainingRow(Record):
    """One episode as training text. `unlocked`: the base model never solved this task."""

    schema_: Literal["training-row/1"] = Field("training-row/1", alias="schema")
    row_id: str
    messages: list[Message]
    task_id: str
    episode_id: str
    arm: str
    unlocked: bool


R = TypeVar("R", bound=Record)


def short_hash(*parts: object) -> str:
    """16 hex digits that name something by its parts; stable over processes and machines."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_sha256(content: dict) -> Sha256:
    """SHA-256 of a game's canonical JSON."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> Sha256:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def normalise(text: str) -> str:
    """Text as identity and leak checks compare it: lower case, words and digits only."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def dumps(record: Record) -> str:
    """The record's one line of JSON."""
    return json.dumps(
        record.model_dump(by_alias=True), ensure_ascii=False, sort_keys=True, allow_nan=False
    )


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: to a sibling first, then moved over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = str(path)  # a disk that is full does not say for which file
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write records to a JSONL file, whole or not at all."""
    write_text(path, "".join(dumps(record) + "\n" for record in records))


def read_jsonl(path: Path, kind: type[R]) -> list[R]:
    """Read a file of one kind of record.

    Raises:
        UserError: the file is missing, or a line is not such a record.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: expected a JSONL file of {kind.__name__} records, found no file. "
            "Make it with `dvc repro`, or fetch it with `dvc pull`."
        )
    records = []
    with jsonlines.open(path) as reader:
        lines = reader.iter(allow_none=True)
        while True:
            number = len(records) + 1
            try:
                records.append(kind.model_validate(next(lines)))
                continue
            except StopIteration:
                return records
            except jsonlines.InvalidLineError as error:
                reason = str(error).splitlines()[0]
            except UnicodeDecodeError as error:
                reason = str(error)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                reason = f"{where}: {first['msg']}, got {str(first['input'])[:80]!r}"
            raise UserError(
                f"{path}, line {number}: expected a {kind.__name__} record; {reason}. "
                "Remove the file and run `dvc repro`, or restore it with `dvc checkout`."
            )
