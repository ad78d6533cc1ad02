"""The figures of one environment and agent, as stages figures and report exchange them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import Field

from hintdistill.core.records import Audit, Record


class Difference(Record):
    """How much more one arm has than another on the same tasks, with its 95 % interval."""

    diff: float
    lo: float
    hi: float


class Comparison(Difference):
    """A difference in success rate; `p` is McNemar's, exact and two-sided."""

    p: float


class ArmFigures(Record):
    """One arm's row of the summary; success is a share, the others are means an episode."""

    n: int
    success: float
    success_lo: float
    success_hi: float
    reward: float
    reward_lo: float | None = Field(None, exclude_if=lambda value: value is None)
    reward_hi: float | None = Field(None, exclude_if=lambda value: value is None)
    steps: float
    tokens: float
    tokens_new: float
    invalid: float


class CellSummary(Record):
    """All arms of a cell and their paired comparisons, by names as in "rag-base".

    Differences in reward are there only where rewards are graded, between 0 and 1.
    """

    arms: dict[str, ArmFigures]
    compare: dict[str, Comparison]
    compare_reward: dict[str, Difference] | None = Field(
        None, exclude_if=lambda value: value is None
    )

    def nested(self) -> dict[str, Any]:
        """As summary.json has it: arms and comparisons side by side."""
        content = self.model_dump()
        return {**content.pop("arms"), **content}

    @classmethod
    def of_nested(cls, content: Mapping[str, Any]) -> Self:
        """Of a cell of summary.json."""
        compared = {key: content[key] for key in ("compare", "compare_reward") if key in content}
        arms = {key: value for key, value in content.items() if key not in compared}
        return cls.model_validate({"arms": arms, **compared})


class EpisodeRow(NamedTuple):
    """One line of episodes.csv."""

    env: str
    agent: str
    arm: str
    seed: int
    task_id: str
    type: str
    success: int  # 0 or 1
    reward: float
    steps: int
    turns: int
    tokens: int  # prompt summed over turns, and completion
    tokens_new: int  # prompt not found in a cache, and completion
    stop_reason: str


class TypeRow(NamedTuple):
    """One line of types.csv: an arm's success on one type of task, with its 95 % interval."""

    env: str
    agent: str
    arm: str
    type: str
    n: int
    success: float
    lo: float
    hi: float


class CauseRow(NamedTuple):
    """One line of causes.csv; an episode may have several causes."""

    env: str
    agent: str
    split: str
    arm: str
    type: str
    cause: str
    n: int  # failed episodes that have the cause
    failures: int  # failed episodes of that arm and type
    episodes: int  # all episodes of that arm and type


class CellFigures(Record):
    """All that the report says of one environment and agent."""

    summary: CellSummary
    models: list[str]  # which played, by the names that episodes record
    deterministic: bool  # whether the same bytes would come again
    audit: Audit
    causes: list[CauseRow]
    types: list[TypeRow]
    episodes: list[EpisodeRow]
