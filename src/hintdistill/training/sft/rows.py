"""Training rows as tokens: a loss mask over the agent's own turns, and the order of the batches."""

import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field, PositiveFloat, PositiveInt

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message, short_hash
from hintdistill.core.settings import Settings
from hintdistill.llm.model.chat import ChatRenderer

IGNORED = -100  # the label that torch's cross entropy leaves out
# Rows are sorted by length within this many batches, so that batches need little padding.
BATCHES_GROUPED = 8


class SftParams(Settings):
    """One fine-tuning: LoRA's shape and the optimiser's settings.

    `dtype` is that of the frozen base; the adapter is in float32. Which is faster depends on the
    CPU: an AMD EPYC with AVX512-BF16 multiplies bfloat16 four times as fast as float32, an Intel
    Xeon with the same instructions half as fast. An optimiser step takes `accumulation` batches of
    `batch` rows from each process that `launcher` starts; empty, training runs in this one.
    """

    dtype: Literal["float32", "bfloat16"]
    r: PositiveInt
    alpha: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    learning_rate: PositiveFloat
    epochs: PositiveInt
    batch: PositiveInt
    accumulation: PositiveInt
    activation_checkpointing: bool
    max_length: PositiveInt
    seed: int
    threads: PositiveInt
    launcher: str


class TokenisedRow(NamedTuple):
    """Token ids, and labels of the same length: the id for own tokens, IGNORED elsewhere."""

    input_ids: list[int]
    labels: list[int]


class Tokenised(NamedTuple):
    """What a conversation is to be trained on; more rows than one where its template wants it."""

    rows: list[TokenisedRow]
    cut: bool  # whether own tokens were left out


def tokenise(renderer: ChatRenderer, messages: list[Message], max_length: int) -> Tokenised:
    """Render a conversation as rollouts do, each row cut at `max_length`.

    A row without an own token left is left out; a UserError if that is so of all.
    """
    rendered = renderer.rows(messages)
    rows = []
    for ids, own in rendered:
        labels = [token if mine else IGNORED for token, mine in zip(ids, own, strict=True)]
        if any(own[:max_length]):
            rows.append(TokenisedRow(ids[:max_length], labels[:max_length]))
    if not rows:
        shortest = min((own.index(1) for _, own in rendered), default=0)
        raise UserError(
            f"training: expected own turns within max_length = {max_length} tokens, but the prompt "
            f"alone of a row has {shortest}. Raise max_length."
        )
    cut = len(rows) < len(rendered) or any(any(own[max_length:]) for _, own in rendered)
    return Tokenised(rows, cut)


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
