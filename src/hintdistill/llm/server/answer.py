"""Reads what a server sends for a chat completion: an answer, an error inside a 200, or neither."""

import json
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from hintdistill.llm.server.completion import Completion
from hintdistill.llm.server.refusal import UNKNOWN, Refusal, Said, retry_after, said_inside
from hintdistill.llm.thoughts import part_thoughts

# Whatever else a server gives as its reason ("stop", "eos", "end_turn", none), it came to an end.
_CUT_OFF = {"length", "max_tokens", "model_length"}
_FILTERED = {"content_filter", "safety", "recitation", "prohibited_content", "sensitive"}
# The server's own failure, after which another attempt may succeed: OpenRouter's, vLLM's,
# DeepSeek's and Zhipu's words for it.
_FAILED = {"error", "abort", "insufficient_system_resource", "network_error"}


class _PromptDetails(BaseModel):
    cached_tokens: int | None = Field(None, ge=0)


class _CompletionDetails(BaseModel):
    reasoning_tokens: int | None = Field(None, ge=0)


class _Usage(BaseModel):
    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)
    total_tokens: int | None = Field(None, ge=0)
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Part(BaseModel):
    """Mistral's API gives content in parts: thoughts, and text."""

    type: str = "text"
    text: str = ""
    thinking: Any = None


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: Any = None  # thoughts, as vLLM, llama.cpp and DeepSeek name them
    reasoning: Any = None  # and Ollama, OpenRouter and newer vLLM


class _Choice(BaseModel):
    message: _Message | None = None  # some vendors leave it out beside an error
    finish_reason: str | None = None
    error: Any = None


class _Answer(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


class WrongAnswer(Exception):
    """Says what a server sent in place of an answer; `paid` is its usage, as far as that came."""

    def __init__(self, came: str, paid: Completion | None = None) -> None:
        super().__init__(came)
        self.paid = paid


def _raise_error_inside(body: bytes, after: float | None) -> None:
    """Refusal where the whole body is an error: in `error`, as most have it, or bare."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return
    if not isinstance(parsed, dict):
        return
    bare = "choices" not in parsed and {"code", "status"} & parsed.keys()
    error = parsed.get("error") or (parsed if bare or parsed.get("object") == "error" else None)
    if error:
        begun = bool(parsed.get("choices"))
        raise Refusal(said_inside(error)._replace(after=after), begun=begun)


def _tokens(usage: _Usage) -> dict[str, int]:
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens if details else None) or 0
    if cached > prompt > 0:  # a gateway that counts only what was not cached
        prompt += cached
    # Some vendors leave a model's thoughts out of `completion_tokens`; they are paid for.
    if prompt:
        completion = max(completion, (usage.total_tokens or 0) - prompt)
    return {
        "tokens_prompt": prompt,
        "tokens_prompt_cached": min(cached, prompt),
        "tokens_completion": completion,
    }


def _texts(message: _Message) -> tuple[str, str]:
    """Thoughts and answer, wherever in the message the server has them."""
    apart = [text for text in (message.reasoning_content, message.reasoning) if text]
    content = message.content or ""
    if not isinstance(content, str):
        apart += [part.thinking for part in content if part.thinking]
        content = "".join(part.text for part in content)
    within, answer = part_thoughts(content)
    return "".join(map(str, apart)) + within, answer


def _thought(usage: _Usage, tokens: int, thoughts: str, answer: str) -> int:
    """How many tokens of an answer are thoughts: by the server's word, else by their length."""
    details = usage.completion_tokens_details
    said = details.reasoning_tokens if details else None
    share = len(thoughts) / max(len(thoughts) + len(answer), 1)
    return min(said or round(tokens * share), tokens)


def read_answer(body: bytes, pause: str | None = None) -> Completion:
    """The first choice of a chat completion, its thoughts cut off and counted.

    `pause`: the response's Retry-After, which errors inside a 200 may have as well.
    Refusal where it is an error, or an answer of no tokens; WrongAnswer where it is no completion,
    or has no choice.
    """
    after = retry_after(pause)
    _raise_error_inside(body, after)
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise WrongAnswer(f"{reason}, in {body.decode(errors='replace')}") from None
    usage = answer.usage or _Usage()
    tokens = _tokens(usage)
    none = Completion(text="", complete=False, **tokens)
    paid = none if none.counted else None
    if not answer.choices:
        raise WrongAnswer("an empty list of choices", paid)
    choice, message = answer.choices[0], answer.choices[0].message
    if choice.error:
        said = said_inside(choice.error)._replace(after=after)
        raise Refusal(said, paid, begun=True)
    reason = (choice.finish_reason or "").lower()
    if reason in _FAILED:
        said = Said(UNKNOWN, f"finish_reason {choice.finish_reason!r}", inside=True)
        raise Refusal(said, paid, begun=True)
    if message is None:
        raise WrongAnswer("a choice without a message", paid)
    thoughts, text = _texts(message)
    text = text or message.refusal or ""
    ended = reason not in _CUT_OFF | _FILTERED
    # Not even the token that ends a turn: a server that was starting, or full. As an answer it
    # would be an empty turn, for good.
    if ended and not (text or thoughts or tokens["tokens_completion"]):
        raise Refusal(Said(UNKNOWN, "an empty answer of 0 tokens", inside=True), paid, begun=True)
    whole = ended and message.content is not None and not message.refusal
    return Completion(
        text=text,
        complete=whole and bool(text or not thoughts),
        tokens_thought=_thought(usage, tokens["tokens_completion"], thoughts, text),
        **tokens,
    )
