"""What a language model engine is to the rest: messages in, one turn of text out."""

from typing import NamedTuple, Protocol

from hintdistill.records import Message, Model, Sha256


class Request(NamedTuple):
    """One turn to generate. `slot` names the running episode, whose cache may be reused."""

    slot: int
    messages: list[Message]


class Turn(NamedTuple):
    """One generated turn.

    `complete` is False where the token limit cut it off. `tokens_prompt` counts the whole
    prompt, `tokens_prompt_new` the part that was not found in a cache. `own` is False where the
    turn is not to be learnt from: a demonstrator's slip.
    """

    text: str
    complete: bool
    tokens_prompt: int
    tokens_prompt_new: int
    tokens_completion: int
    own: bool = True


class Engine(Protocol):
    """A model that answers a batch of requests, in their order.

    `deterministic` says whether equal requests in an equal history give equal bytes.
    """

    model: Model
    adapter: Sha256 | None
    deterministic: bool

    def start(self) -> None:
        """Forget all slots: a new cohort begins."""

    def is_full(self, messages: list[Message]) -> bool:
        """Whether the context is known to have no room left for one more turn."""

    def generate(self, requests: list[Request]) -> list[Turn | None]:
        """One turn for each request, greedily; None where the context turns out to be full."""
