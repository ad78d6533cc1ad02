"""Answers and errors inside a 200: what is asked again, what stops, and what is never kept."""

import json
from pathlib import Path

import pytest
from loopback import Reply, ask, completion, echo

from hintdistill.core.errors import UserError
from hintdistill.llm.server.ledger import Ledger


def inside(error, **more):
    return {"error": error, **more}


BUSY = [
    inside({"message": "Rate limited", "code": 429}),
    inside({"message": "slow down", "code": "429"}),
    inside({"message": "slow down", "code": "rate_limit_exceeded", "type": "requests"}),
    inside({"message": "slow down", "status": "RESOURCE_EXHAUSTED", "code": None}),
    inside({"message": "Overloaded", "type": "overloaded_error"}),
    inside({"message": "Provider returned error", "code": 502, "metadata": {"raw": "x"}}),
    inside({"message": "no room", "code": 503}, choices=[]),
    inside("Too many requests"),
    inside("the model is being loaded"),
    inside(["odd"]),
    {"object": "error", "message": "busy", "type": "InternalServerError", "code": 503},
    inside({"code": 429}, **completion("")),
    completion("", tokens=0, finish_reason="error"),
    completion("half a tu", finish_reason="error"),
    completion("half a tu", finish_reason="abort"),
    completion("half a tu", finish_reason="insufficient_system_resource"),
    completion("half a tu", finish_reason="ERROR"),
    {"code": 1302, "msg": "Too many requests at once"},
    {"status": 503, "message": "busy"},
    completion("", tokens=0, error={"message": "Provider disconnected", "code": 502}),
    {"choices": [{"finish_reason": "error", "error": {"code": 429, "message": "later"}}]},
    completion("", tokens=0),
    {**completion(""), "usage": None},
]


@pytest.mark.parametrize("reply", BUSY, ids=map(str, range(len(BUSY))))
def test_an_error_inside_a_200_is_asked_again_and_never_kept(serve, client, reply, caplog):
    server = serve(lambda n, body: echo(n, body) if n >= 2 else reply)
    asker = client()
    for _ in range(2):
        (answer,) = asker.complete_all([ask("a")])
        assert (answer.text, answer.complete) == ("A", True)
    assert len(server.bodies) == 3
    assert "inside a 200" in caplog.text
    kept = [json.loads(path.read_text()) for path in Path(".cache/responses").rglob("*.json")]
    assert [entry["completion"]["text"] for entry in kept] == ["A"]


def test_one_that_stays_ends_at_the_deadline_with_its_words_and_keeps_nothing(serve, client):
    serve(lambda n, body: inside({"message": "all busy", "code": 429}))
    with pytest.raises(UserError, match="an error inside a 200, like status 429: all busy"):
        client(timeout=0.2, deadline=0.3).complete_all([ask("a")])
    assert not list(Path(".cache/responses").rglob("*.json"))


def test_the_pause_that_an_error_inside_a_200_asks_for_is_kept(serve, client):
    headers = (("Content-Type", "application/json"), ("Retry-After", "3600"))
    serve(lambda n, body: Reply(inside({"message": "tomorrow", "code": 429}), headers=headers))
    with pytest.raises(UserError, match="asks for 3600 s"):
        client().complete_all([ask("a")])


@pytest.mark.parametrize(
    "reply, say",
    [
        (inside({"message": "no such key", "code": 401}), ["OPENAI_API_KEY", "no such key"]),
        (inside({"message": "No endpoints", "code": "model_not_found"}), ["OPENAI_MODEL"]),
        (inside({"message": "pay", "code": 402}), ["status 402: pay"]),
        (inside({"message": "pay", "code": "insufficient_quota"}), ["pay"]),
        (inside({"message": "bad seed", "type": "invalid_request_error"}), ["llm.refuses"]),
        (inside("Incorrect API key: sk-planted-0123456789"), ["OPENAI_API_KEY", "***"]),
    ],
)
def test_an_error_inside_a_200_that_stays_is_said_at_once(serve, client, reply, say):
    server = serve(lambda n, body: reply)
    with pytest.raises(UserError) as error:
        client().complete_all([ask("a")])
    assert len(server.bodies) == 1 and "planted" not in str(error.value)
    for words in (server.url, *say):
        assert words in str(error.value)


@pytest.mark.parametrize(
    "reply",
    [
        inside({"message": "too long", "code": "context_length_exceeded"}),
        inside("The number of tokens to keep is greater than the context length."),
        inside({"message": "Prompt exceeds the context window", "code": 400}),
    ],
)
def test_a_full_context_inside_a_200_is_one(serve, client, reply):
    serve(lambda n, body: reply if body["messages"][0]["content"] == "a" else echo(n, body))
    full, answer = client().complete_all([ask("a"), ask("b")])
    assert full is None and answer.text == "B"


@pytest.mark.parametrize(
    ("reply", "calls", "unknown"),
    [
        (inside({"code": 429}), 1, 0),  # not answered, so not paid
        (inside({"code": 502}), 2, 1),  # it may have been
        (completion("ha", finish_reason="error"), 2, 0),  # paid, as its usage says
        ({"choices": [{"error": {"code": 429}}]}, 2, 1),  # begun
    ],
)
def test_what_an_error_inside_a_200_may_have_cost_is_noted(serve, client, reply, calls, unknown):
    serve(lambda n, body: reply if n == 0 else echo(n, body))
    client().complete_all([ask("a")])
    (stage,) = Ledger().by_stage()
    assert (stage.calls, stage.unknown) == (calls, unknown)


def test_a_model_that_ends_at_once_has_answered(serve, client):
    """It has one token, which ends the turn."""
    serve(lambda n, body: completion("", tokens=1))
    (answer,) = client().complete_all([ask("a")])
    assert (answer.text, answer.complete) == ("", True)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": None}]
)
def test_without_usage_a_call_counts_at_its_worst(serve, client, usage):
    serve(lambda n, body: {**completion("x"), "usage": usage})
    (answer,) = client().complete_all([ask("a")])
    assert (answer.text, answer.complete, answer.tokens_prompt) == ("x", True, 0)
    (stage,) = Ledger().by_stage()
    assert (stage.unknown, stage.tokens_completion) == (1, 8)


@pytest.mark.parametrize(("prompt", "cached", "whole"), [(100, 40, 100), (40, 900, 940)])
def test_cached_tokens_are_of_the_prompt_or_beside_it(serve, client, prompt, cached, whole):
    serve(lambda n, body: completion("x", prompt, cached))
    (answer,) = client().complete_all([ask("a")])
    assert (answer.tokens_prompt, answer.tokens_prompt_cached) == (whole, cached)
    assert answer.tokens_completion == 2


def test_answers_of_the_schema_before_are_not_used(serve, client):
    """They may be empty turns that were errors inside a 200."""
    server = serve(echo)
    client().complete_all([ask("a")])
    (path,) = Path(".cache/responses").rglob("*.json")
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "schema": "answer/1"}))
    client().complete_all([ask("a")])
    assert len(server.bodies) == 2
