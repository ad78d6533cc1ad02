"""A chat request as the API wants it, and the answer as the rest of the package wants it."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import Field

from hintdistill.core.records import Message, Record

# Text that tokenizers of common model families read as a control token: ChatML, Llama 3, Phi,
# gpt-oss and DeepSeek (`<|...|>`, also with full-width bars), Gemma (`<turn|>` too), Llama 2,
# Mistral, EXAONE (`[|...|]`), MiniMax (`]~b]`); and what opens or ends a block of thoughts or a
# call of a tool, of which templates cut text away.
_CONTROL = re.compile(
    r"<(?=[|｜])|<(?=/?s>)|<(?=<?/?SYS>)|<(?=(?:start|end)_of_turn>|/?(?:bos|eos|unk|pad)>)"
    r"|<(?=\w+\|>|/?(?:\w+:)?(?:think(?:ing)?|tool_calls?|tool_response|tools)>)"
    r"|\[(?=/?(?:THINK|INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])"
    r"|\[(?=[|｜])|\](?=[~!])"
)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\s*```\s*", re.DOTALL | re.IGNORECASE)
# Fields of a request that not every server takes.
Refusable = Literal["max_tokens", "temperature", "seed", "response_format"]
# Tokens that a chat template adds, at most: around a message, and once (a date, a default prompt).
_AROUND_MESSAGE, _AROUND_ALL = 16, 128


def as_data(text: str) -> str:
    """Text in which no control token of a common model family is left: a space breaks it up.

    A server renders its chat template as text and tokenises the whole, so that a control token
    inside a message's content would open a role.
    """
    return _CONTROL.sub(r"\g<0> ", text)


def quoted(text: str) -> str:
    """Text as a block of data within a message: each line begins with `| `, so none can end it."""
    return "\n".join(f"| {line}" for line in text.splitlines())


def unfenced(text: str) -> str:
    """The text without the Markdown fence that models without a schema put around their JSON."""
    fenced = _FENCED.fullmatch(text)
    return fenced[1] if fenced else text


class ChatRequest(NamedTuple):
    """One conversation to be continued by one message.

    `weights` says which weights are behind the model's name. It is not sent; it keeps answers of
    weights that were replaced under the same name apart in the cache.
    """

    messages: Sequence[Message]
    max_tokens: int  # of the answer
    temperature: float = 0.0
    seed: int = 0
    schema: dict[str, Any] | None = None  # JSON schema that the server is to keep the answer to
    model: str | None = None  # another than OPENAI_MODEL: an adapter's name
    weights: str = ""
    chat_template_kwargs: Mapping[str, Any] = MappingProxyType({})  # as in enable_thinking

    def body(self, default_model: str, refuses: Sequence[Refusable] = ()) -> dict[str, Any]:
        """The request's JSON, without the fields that the server refuses."""
        body: dict[str, Any] = {
            "model": self.model or default_model,
            "messages": [{"role": m.role, "content": as_data(m.content)} for m in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
        }
        if self.schema is not None:
            form = {"name": "answer", "schema": self.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if self.chat_template_kwargs:
            body["chat_template_kwargs"] = dict(self.chat_template_kwargs)
        if "max_tokens" in refuses:  # then the limit goes by its newer name
            body["max_completion_tokens"] = self.max_tokens
        return {key: value for key, value in body.items() if key not in refuses}


def most_tokens(body: dict[str, Any]) -> tuple[int, int]:
    """How many tokens prompt and answer have at most: of a prompt, a token is a byte at least."""
    contents = [message["content"] for message in body["messages"]]
    size = sum(len(content.encode()) for content in contents)
    size += len(str(body.get("response_format", "")).encode())
    answer = body.get("max_tokens") or body["max_completion_tokens"]
    return size + len(contents) * _AROUND_MESSAGE + _AROUND_ALL, answer


class Completion(Record):
    """One answer. Tokens are 0 where the server has not said how many."""

    text: str  # without the model's thoughts
    # False where it was cut off, has nothing but thoughts, or the model or a filter refused.
    complete: bool
    tokens_prompt: int = Field(ge=0)
    tokens_prompt_cached: int = Field(ge=0)  # of the prompt's
    tokens_completion: int = Field(ge=0)
    tokens_thought: int = Field(0, ge=0)  # of the completion's

    @property
    def counted(self) -> bool:
        """Whether the server has said what the answer used: no prompt has 0 tokens."""
        return bool(self.tokens_prompt and (self.tokens_completion or not self.text))
