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


def tokenise(renderer: ChatRenderer, messages: list[Message], max_length: int) -> TokenisedRow:
    """Render a row as evaluation does, cut at `max_length`; a UserError if no own token is left."""
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
