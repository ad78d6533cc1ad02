"""The protocol of a language model engine: messages in, one turn of text out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hintdistill.core.by_name import import_by_name, names_in
from hintdistill.core.records import Message, Model, Sha256

if TYPE_CHECKING:
    from hintdistill.llm.server.client import Server


PACKAGE = "hintdistill.llm.engines"  # a module an engine


class Request(NamedTuple):
    """One turn to generate. `slot` names the running episode, whose cache may be reused."""

    slot: int
    messages: list[Message]


class Turn(NamedTuple):
    """One generated turn."""

    text: str
    complete: bool  # False where the token limit cut it off
    tokens_prompt: int  # of the whole prompt
    tokens_prompt_new: int  # of the part of it that was not found in a cache
    tokens_completion: int
    own: bool = True  # False where it is not to be learnt from: a demonstrator's slip


class Engine(Protocol):
    """A model that answers a batch of requests, in their order."""

    model: Model
    adapter: Sha256 | None
    deterministic: bool  # whether equal requests in an equal history give equal bytes

    def start(self) -> None:
        """Forget all slots: a new cohort begins."""

    def is_full(self, messages: list[Message]) -> bool:
        """Whether the context is known to have no room left for one more turn."""
        ...

    def generate(self, requests: list[Request]) -> Sequence[Turn | None]:
        """One turn for each request, greedily; None where the context turns out to be full."""
        ...


class EngineSetup(NamedTuple):
    """All that engines are made of; each takes what it needs."""

    folder: Path  # of the model, in Hugging Face's layout (safetensors)
    adapter: Path | None  # folder of a PEFT adapter
    max_new_tokens: int  # of one turn
    threads: int  # of the CPU; results are equal byte for byte at equal threads only
    dtype: str  # of the weights, `float32` or `bfloat16`
    seed: int
    make_server: "Callable[[], Server]"  # the one that the environment names
    chat_template_kwargs: dict[str, Any]  # settings of the model's chat template


def engine_names() -> list[str]:
    return names_in(PACKAGE)


def open_engine(name: str, setup: EngineSetup) -> Engine:
    """The engine of that name, with its model loaded.

    A UserError where a file, package or environment variable is missing, or the engine can't run
    that kind of model.
    """
    return import_by_name(PACKAGE, name, "engine").open_engine(setup)
