"""A chat request as the API wants it, and the answer as the rest of the package wants it."""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from hintdistill.core.records import Message, Record

# Text that tokenizers of common model families read as a control token: ChatML, Llama 3, Phi,
# gpt-oss and DeepSeek (`<|...|>`, also with full-width bars), Gemma, Llama 2, Mistral, EXAONE
# (`[|...|]`), MiniMax (`]~b]`).
_CONTROL = re.compile(
    r"<(?=[|｜])|<(?=/?s>)|<(?=<?/?SYS>)|<(?=(?:start|end)_of_turn>|/?(?:bos|eos|unk|pad)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])"
    r"|\[(?=[|｜])|\](?=[~!])"
)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\s*```\s*", re.DOTALL | re.IGNORECASE)
# Fields of a request that not every server takes.
Refusable = Literal["max_tokens", "temperature", "seed", "response_format"]
# Whatever else a server gives as its reason ("stop", "eos", "end_turn", none), it came to an end.
_CUT_OFF = {"length", "max_tokens", "model_length", "content_filter", "abort", "error"}
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
    """One answer."""

    text: str
    # False where it was cut off, has no content (a model that thought until its limit), or the
    # model or a filter refused.
    complete: bool
    tokens_prompt: int = Field(ge=0)
    tokens_prompt_cached: int = Field(ge=0)  # of the prompt's
    tokens_completion: int = Field(ge=0)


class _Details(BaseModel):
    cached_tokens: int | None = Field(None, ge=0)


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int | None = Field(None, ge=0)
    prompt_tokens_details: _Details | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Answer(BaseModel):
    choices: list[_Choice]
    usage: _Usage


class WrongAnswer(Exception):
    """Says what a server sent in place of an answer; `paid` is its usage, as far as that came."""

    def __init__(self, came: str, paid: Completion | None = None) -> None:
        super().__init__(came)
        self.paid = paid


def read_answer(body: bytes) -> Completion:
    """The first choice of a chat completion; WrongAnswer where it isn't one, or has no choice."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise WrongAnswer(f"{reason}, in {body.decode(errors='replace')}") from None
    usage, details = answer.usage, answer.usage.prompt_tokens_details
    cached = (details.cached_tokens if details else None) or 0
    tokens = {
        "tokens_prompt": usage.prompt_tokens,
        "tokens_prompt_cached": min(cached, usage.prompt_tokens),
        # Some vendors leave a model's thoughts out of `completion_tokens`; they are paid for.
        "tokens_completion": max(
            usage.completion_tokens, (usage.total_tokens or 0) - usage.prompt_tokens
        ),
    }
    if not answer.choices:
        raise WrongAnswer("an empty list of choices", Completion(text="", complete=False, **tokens))
    choice, message = answer.choices[0], answer.choices[0].message
    whole = message.content is not None and choice.finish_reason not in _CUT_OFF
    text = message.content or message.refusal or ""
    return Completion(text=text, complete=whole and not message.refusal, **tokens)
