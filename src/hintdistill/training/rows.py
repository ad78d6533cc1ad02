"""Training rows: which episodes are kept, and how messages become tokens with a loss mask."""

import random
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pydantic import Field, PositiveFloat, PositiveInt

from hintdistill.errors import UserError
from hintdistill.llm.chat import ChatRenderer
from hintdistill.records import Episode, Message, TrainingRow, short_hash
from hintdistill.settings import Settings

IGNORED = -100  # the label that torch's cross entropy leaves out
MAX_INVALID = (
    1  # kept episodes have fewer than 2 invalid turns (Ibrahim et al. 2025: the authors' filter)
)
# Rows are sorted by length within this many batches, so that batches need little padding.
BATCHES_GROUPED = 8


class SftParams(Settings):
    """One fine-tuning: LoRA's shape and the optimiser's settings.

    `dtype` is that of the frozen base; the adapter is in float32. Which is faster depends on the
    CPU: an AMD EPYC with AVX512-BF16 multiplies bfloat16 four times as fast as float32, an Intel
    Xeon with the same instructions half as fast.
    """

    dtype: Literal["float32", "bfloat16"]
    r: PositiveInt
    alpha: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    learning_rate: PositiveFloat
    epochs: PositiveInt
    batch: PositiveInt
    max_length: PositiveInt
    seed: int
    threads: PositiveInt


class TokenisedRow(NamedTuple):
    """Token ids, and labels of the same length: the id for own tokens, IGNORED elsewhere."""

    input_ids: list[int]
    labels: list[int]
    truncated: bool


def until_last_own(messages: Sequence[Message]) -> list[Message]:
    """The messages without those after the last own turn, which carry no loss."""
    last = max((i for i, message in enumerate(messages) if message.own), default=-1)
    return list(messages[: last + 1])


def make_row(
    episode: Episode, messages: Sequence[Message], arm: str, *, unlocked: bool
) -> TrainingRow:
    """A training row of an episode's messages, from which its hints have been taken."""
    return TrainingRow(
        row_id=short_hash(episode.episode_id, arm),
        messages=until_last_own(messages),
        task_id=episode.task_id,
        episode_id=episode.episode_id,
        arm=arm,
        unlocked=unlocked,
    )


def tokenise(renderer: ChatRenderer, messages: list[Message], max_length: int) -> TokenisedRow:
    """Render a row as evaluation renders it; loss on own tokens only, cut at `max_length`.

    Raises:
        UserError: no own token is left after the cut.
    """
    ids, own = renderer.render(messages, add_generation_prompt=False)
    labels = [token if mine else IGNORED for token, mine in zip(ids, own, strict=True)]
    if not any(own[:max_length]):
        raise UserError(
            f"training: expected own turns within max_length = {max_length} tokens, but the prompt "
            f"alone of a row has {own.index(1) if 1 in own else len(own)}. Raise max_length."
        )
    return TokenisedRow(ids[:max_length], labels[:max_length], len(ids) > max_length)


def training_order(lengths: Sequence[int], batch: int, epochs: int, seed: int) -> list[int]:
    """Row indices of the whole training, epoch after epoch, in batches of like lengths.

    The order is laid out before training, so that a resumed run only has to skip. No batch holds
    a row twice where there are at least `batch` rows.
    """
    rng = random.Random(short_hash("training-order", seed))
    order: list[int] = []
    for _ in range(epochs):
        epoch = list(range(len(lengths)))
        rng.shuffle(epoch)
        # The batch that the last epoch left open is filled first, with rows that it has not got.
        opened = set(order[len(order) // batch * batch :])
        epoch.sort(key=opened.__contains__)
        head = epoch[: -len(order) % batch]
        rest = epoch[len(head) :]
        whole = len(rest) // batch * batch
        batches = []
        for first in range(0, whole, batch * BATCHES_GROUPED):
            last = min(first + batch * BATCHES_GROUPED, whole)
            like = sorted(rest[first:last], key=lambda i: -lengths[i])
            batches += [like[i : i + batch] for i in range(0, len(like), batch)]
        rng.shuffle(batches)
        order += [*head, *(i for b in batches for i in b), *rest[whole:]]
    return order


def keep_episode(episode: Episode, keep: str) -> bool:
    """Whether an episode may train a student. `keep`: `success` (the method) or `all` (smoke)."""
    if not any(message.own for message in episode.messages):
        return False
    return keep == "all" or (episode.success == 1 and episode.n_invalid <= MAX_INVALID)


def match_size(
    rows: Iterable[TrainingRow], size: int, types: dict[str, str], seed: int
) -> list[TrainingRow]:
    """`size` of the rows, drawn by seed and in turn over task types; sorted by row_id.

    Args:
        types: task type by task_id.
    """
    rng = random.Random(short_hash("match-size", seed))
    by_type: dict[str, list[TrainingRow]] = {}
    for row in sorted(rows, key=lambda row: row.row_id):
        by_type.setdefault(types[row.task_id], []).append(row)
    for group in by_type.values():
        rng.shuffle(group)
    chosen: list[TrainingRow] = []
    while len(chosen) < size and any(by_type.values()):
        for name in sorted(by_type):
            if by_type[name] and len(chosen) < size:
                chosen.append(by_type[name].pop())
    return sorted(chosen, key=lambda row: row.row_id)
