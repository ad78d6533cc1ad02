"""The arms of the experiment, in one table.

dvc.yaml's matrices list the same arms; a test compares them.
"""

from typing import NamedTuple


class ArmEntry(NamedTuple):
    """A row of the table."""

    name: str
    words: str
    student: bool = False  # an adapter trained on its own rows plays; otherwise the base model does
    hinted: bool = False  # its prompts have hints, or what stands in their place
    against: tuple[str, ...] = ("base",)  # the arms that it is compared with
    headline: bool = False  # shown where there is room for few

    @property
    def stage(self) -> str:
        """The stage that plays it on the eval split."""
        return "student_eval" if self.student else "prompt_eval" if self.hinted else "base_eval"

    def address(self, cell: str) -> str:
        """How DVC names that stage for a cell, as in `prompt_eval@alfworld-react-rag`."""
        return f"{self.stage}@{cell}" + ("" if self.stage == "base_eval" else f"-{self.name}")


TABLE = (
    ArmEntry("base", "no hints", against=(), headline=True),
    ArmEntry("rag", "k retrieved hints in the prompt", hinted=True, headline=True),
    ArmEntry("placebo_wrong_type", "k hints for another task type", hinted=True),
    ArmEntry("placebo_constant", "k irrelevant sentences", hinted=True),
    ArmEntry("sft", "LoRA on base's own successes, no hints", student=True, headline=True),
    ArmEntry(
        "distilled",
        "LoRA on the teacher's stripped successes, no hints",
        student=True,
        against=("base", "sft", "rag"),
        headline=True,
    ),
)
ARMS = {arm.name: arm for arm in TABLE}
STUDENTS = tuple(arm.name for arm in TABLE if arm.student)
COMPARISONS = tuple((arm.name, other) for arm in TABLE for other in arm.against)
