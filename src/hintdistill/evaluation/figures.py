"""The figures of one environment and agent, as stages figures and report exchange them."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from hintdistill.core.records import Audit, Record


def _maybe() -> Any:
    """A figure that older results, or some arms, have not; it is left out there."""
    return Field(None, exclude_if=lambda value: value is None)


class Difference(Record):
    """How much more one arm has than another on the same tasks, with its 95 % interval."""

    diff: float
    lo: float
    hi: float


class Comparison(Difference):
    """A difference in success rate, and the exact two-sided p of its test.

    Results published before clusters were taken into account have a bootstrap interval over tasks,
    McNemar's p, and none of the other figures.
    """

    p: float
    p_holm: float | None = _maybe()  # corrected for all comparisons of the cell
    test: Literal["mcnemar", "sign_flip"] | None = _maybe()
    pairs: int | None = _maybe()
    clusters: int | None = _maybe()
    effective: float | None = _maybe()  # how many unrelated pairs tell as much
    only_a: int | None = _maybe()  # pairs that the first arm won and the second lost
    only_b: int | None = _maybe()
    smallest: float | None = _maybe()  # difference that so many pairs show with 80 % power


class Means(Difference):
    """A difference, and the two means that it is between."""

    a: float
    b: float


class BothWon(Record):
    """Two arms on the n pairs of episodes that both won."""

    n: int
    steps: Means
    tokens: Means


class ArmFigures(Record):
    """One arm's row of the summary; success is a share, the others are means an episode."""

    n: int
    success: float
    success_lo: float
    success_hi: float
    reward: float
    reward_lo: float | None = _maybe()
    reward_hi: float | None = _maybe()
    steps: float
    tokens: float
    tokens_new: float
    tokens_per_win: float | None = _maybe()  # those of lost episodes too; none without a win
    invalid: float
    # Where an arm has several seeds: how many, and the success of the worst and the best.
    seeds: int | None = _maybe()
    seed_min: float | None = _maybe()
    seed_max: float | None = _maybe()


class CellSummary(Record):
    """All arms of a cell and their paired comparisons, by names as in "rag-base".

    Differences in reward are there only where rewards are graded, between 0 and 1; those on what
    both arms won, where there is such a pair.
    """

    arms: dict[str, ArmFigures]
    compare: dict[str, Comparison]
    compare_reward: dict[str, Difference] | None = _maybe()
    compare_won: dict[str, BothWon] | None = _maybe()

    def nested(self) -> dict[str, Any]:
        """As summary.json has it: arms and comparisons side by side."""
        content = self.model_dump()
        return {**content.pop("arms"), **content}

    @classmethod
    def of_nested(cls, content: Mapping[str, Any]) -> Self:
        """Of a cell of summary.json."""
        keys = ("compare", "compare_reward", "compare_won")
        compared = {key: content[key] for key in keys if key in content}
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
    """All that the report is made of, of one environment and agent."""

    models: list[str]  # which played, by the names that episodes record
    deterministic: bool  # whether the same bytes would come again
    audit: Audit
    causes: list[CauseRow]
    invalid: dict[str, float]  # mean of the invalid turns an episode, by arm
    episodes: list[EpisodeRow]
