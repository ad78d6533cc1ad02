"""Servers that cut prompts to their context, against those that count in other ways."""

import random
from pathlib import Path

import pytest
from loopback import completion

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message
from hintdistill.llm.server.completion import ChatRequest

SENTENCE = "go to the desk 1 and take a red mug from drawer 12 , then look"


def text(words, seed=0):
    return " ".join(random.Random(seed).choices(SENTENCE.split(), k=words))


def conversations(episodes=3, turns=12, system=300, seed=0):
    """Requests turn by turn: of each episode one, which continues the one before."""
    rules = Message(role="system", content=text(system))
    own = [[rules, Message(role="user", content=text(40, f"{seed} {e}"))] for e in range(episodes)]
    for turn in range(turns):
        yield [ChatRequest(list(messages), 8) for messages in own]
        for e, messages in enumerate(own):
            messages.append(Message(role="assistant", content=text(4, f"{e} {turn} a")))
            messages.append(Message(role="user", content=text(25, f"{seed} {e} {turn}")))


def counted(body):
    """Tokens as a server counts them: about a word each, and what the template adds."""
    return sum(len(message["content"].split()) + 5 for message in body["messages"])


class Newly:
    """Counts only what it has not in its cache, which has every prompt so far."""

    def __init__(self):
        self.cached = {}

    def __call__(self, body):
        spoken = [message["content"] for message in body["messages"]]
        known = max((self.cached.get(tuple(spoken[:n]), 0) for n in range(len(spoken))), default=0)
        self.cached[tuple(spoken)] = counted(body)
        if len(spoken) >= 2:
            self.cached[tuple(spoken[:1])] = counted({"messages": body["messages"][:1]})
        return counted(body) - known


def drop_messages(body, context):
    """Ollama's way: the system message stays, and of the others those that fit, from the end."""
    messages = body["messages"]
    while counted({"messages": messages}) > context and len(messages) > 2:
        messages = [messages[0], *messages[2:]]
    return min(counted({"messages": messages}), context)


CUTS = {
    "cut in the middle": lambda body: min(counted(body), 500),
    "cut from the first turn on": lambda body: min(counted(body), 250),
    "half of the context": lambda body: 252 if counted(body) > 500 else counted(body),
    "messages dropped": lambda body: drop_messages(body, 500),
}


@pytest.mark.parametrize("count", CUTS.values(), ids=CUTS)
def test_a_server_that_cuts_prompts_is_found_and_told_what_to_set(serve, client, count):
    server = serve(lambda n, body: completion(f"look {n}", count(body), 0))
    asker = client()
    with pytest.raises(UserError) as error:
        for requests in conversations(turns=30):
            asker.complete_all(requests)
    for words in (server.url, "OLLAMA_CONTEXT_LENGTH", "num_ctx", "small"):
        assert words in str(error.value)
    # Nothing that may have been cut is left: with a longer context it is asked for again.
    kept = len(list(Path(".cache/responses").rglob("*.json")))
    assert kept < len(server.bodies)


def whole_then_shorter_template(body):
    """Machines behind one address whose templates differ by a date and a default prompt."""
    return counted(body) + random.Random(str(body)).choice([0, 45])


def one_slot():
    """Counts only new tokens, and has only the system message in its cache."""
    asked = []

    def count(body):
        system = counted({"messages": body["messages"][:1]})
        asked.append(body)
        return counted(body) - (system if len(asked) > 1 else 0)

    return count


HEALTHY = {
    "all": lambda: counted,
    "only new tokens": Newly,
    "only new tokens, with one slot": one_slot,
    "always the same few": lambda: lambda body: 10,
    "none": lambda: lambda body: 0,
    "two templates": lambda: whole_then_shorter_template,
}


@pytest.mark.parametrize("make", HEALTHY.values(), ids=HEALTHY)
def test_other_ways_of_counting_are_no_alarm(serve, client, make):
    count = make()
    serve(lambda n, body: completion(f"look {n}", count(body), 0))
    asker = client(concurrency=1)
    for requests in conversations(turns=15):
        assert all(asker.complete_all(requests))


def question(words, seed):
    """A writer's request: its own prompt, and an episode of any length."""
    return ChatRequest([Message(role="system", content=text(100)),
                        Message(role="user", content=text(words, seed))], 8)  # fmt: skip


def test_unrelated_prompts_that_are_cut_are_found(serve, client):
    serve(lambda n, body: completion("hint", min(counted(body), 512), 0))
    with pytest.raises(UserError, match="num_ctx"):
        client().complete_all([question(words, words) for words in (100, 600, 900, 2000)])


def test_unrelated_prompts_of_any_length_are_no_alarm(serve, client):
    serve(lambda n, body: completion("hint", counted(body), 0))
    requests = [question(n, seed) for n in (100, 600, 601, 2000) for seed in range(8)]
    assert all(client().complete_all(requests))


def test_models_are_watched_apart(serve, client):
    """A student's template may be shorter."""
    serve(lambda n, body: completion("x", counted(body) // (1 + (body["model"] == "b")), 0))
    asker = client()
    for requests in conversations():
        asker.complete_all(requests)
        asker.complete_all([request._replace(model="b") for request in requests])
