"""The records that stages exchange; each kind has a versioned schema, checked on read and write.

Unknown fields are refused. Nothing in a record tells when, where or by whom it was made.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["warmstart", "train", "dev", "eval"]
SPLITS = get_args(Split)
HINT_SOURCE_SPLIT = "train"
ANY_TYPE = "any"  # of a hint that is good for tasks of every type
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

    schema_: Literal["task/2"] = Field("task/2", alias="schema")
    task_id: str
    env: str
    split: Split
    type: str
    source: str
    group: str  # tasks of one group are alike: ALFWorld's room, WebShop's product
    instruction: str
    content_sha256: Sha256


class Game(Record):
    """The content that a task needs to be played, so that later stages need no other data."""

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
    """A hint as it stood in a prompt."""

    hint_id: str
    text: str
    # How it was chosen, where a language model was asked: by the model, or by bm25 to fill up the
    # model's answer. Left out where none was asked.
    picked: Literal["llm", "bm25"] | None = Field(None, exclude_if=lambda how: how is None)


class Model(Record):
    """The weights that played: the folder's name and the hash of its weights."""

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
    """A text that a language model wrote after an episode, and that was refused as a hint."""

    schema_: Literal["rejection/1"] = Field("rejection/1", alias="schema")
    episode_id: str
    task_id: str
    attempt: int = Field(ge=0)  # 0, or 1 where the model was asked again
    reason: str  # begins with a kind of error, which ends at a colon where there is more to say
    text: str  # its beginning


class Example(Record):
    """One finished game as a prompt shows it; its first message is the first observation."""

    schema_: Literal["example/1"] = Field("example/1", alias="schema")
    type: str
    messages: list[Message]


class TrainingRow(Record):
    """One episode as training text; it is `unlocked` if the base model never solved its task."""

    schema_: Literal["training-row/1"] = Field("training-row/1", alias="schema")
    row_id: str
    messages: list[Message]
    task_id: str
    episode_id: str
    arm: str
    unlocked: bool


class RowCounts(Record):
    """How many of one student's episodes were kept, and how many rows they gave."""

    episodes: int
    kept: int
    leaks_in_prompt: int
    leaks_in_own_turns: int
    rows: int
    # Rows that share so many words in a row with a hint are counted, not dropped.
    rows_sharing_5_words: int
    rows_sharing_7_words: int
    rows_sharing_9_words: int
    unlocked_rows: int


class Audit(Record):
    """The leak audit of both students' rows; it found all `canaries_found` hints planted for it."""

    keep: str
    canaries_found: int
    sft: RowCounts
    distilled: RowCounts


def until_last_own(messages: Sequence[Message]) -> list[Message]:
    """The messages without those after the last own turn, which carry no loss."""
    last = max((i for i, message in enumerate(messages) if message.own), default=-1)
    return list(messages[: last + 1])


def content_sha256(content: object) -> Sha256:
    """SHA-256 of the canonical JSON of a game's content, or of anything else."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def short_hash(*parts: object) -> str:
    """16 hex digits that name something by its parts; stable over processes and machines."""
    return content_sha256(parts)[:16]


def normalise(text: str) -> str:
    """Text as identity and leak checks compare it: lower case, words and digits only."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
