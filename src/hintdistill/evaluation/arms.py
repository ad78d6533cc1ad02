"""The arms of the experiment, in one table.

dvc.yaml's matrices list the same arms; a test compares them.
"""

from typing import Literal, NamedTuple


class ArmEntry(NamedTuple):
    """A row of the table."""

    name: str
    words: str
    weights: str = "base"  # or the student whose adapter plays
    # Of the bank, the sentences of prompts/{env}/placebos.yaml, or none at all.
    hints: Literal["none", "bank", "sentences"] = "none"
    against: tuple[str, ...] = ("base",)  # the arms that it is compared with
    headline: bool = False  # shown where there is room for few

    @property
    def stage(self) -> str:
        """The stage that plays it on the eval split."""
        if self.weights != "base":
            return "student_eval"
        return "base_eval" if self.hints == "none" else "prompt_eval"

    def address(self, cell: str) -> str:
        """How DVC names that stage for a cell, as in `prompt_eval@alfworld-react-rag`."""
        return f"{self.stage}@{cell}" + ("" if self.stage == "base_eval" else f"-{self.name}")


TABLE = (
    ArmEntry("base", "no hints", against=(), headline=True),
    ArmEntry("rag", "k retrieved hints in the prompt", hints="bank", headline=True),
    ArmEntry("placebo_wrong_type", "k hints for another task type", hints="sentences"),
    ArmEntry("placebo_constant", "k irrelevant sentences", hints="sentences"),
    ArmEntry("sft", "LoRA on base's own successes, no hints", weights="sft", headline=True),
    ArmEntry(
        "distilled",
        "LoRA on the teacher's stripped successes, no hints",
        weights="distilled",
        against=("base", "sft", "rag"),
        headline=True,
    ),
)
ARMS = {arm.name: arm for arm in TABLE}
STUDENTS = tuple(arm.name for arm in TABLE if arm.weights == arm.name != "base")
COMPARISONS = tuple((arm.name, other) for arm in TABLE for other in arm.against)
