"""Thoughts within an answer: families' blocks, cut-off ones, and what only looks like them."""

import pytest
from loopback import Reply, ask, completion

from hintdistill.core.errors import UserError
from hintdistill.llm.thoughts import part_thoughts


@pytest.mark.parametrize(
    "text, answer",
    [
        ("<think>\nThe mug is there.\n</think>\n\ngo to desk 1", "go to desk 1"),
        ("\n <think></think>\n\ngo to desk 1", "go to desk 1"),
        ("<think>a</think><think>b</think>go to desk 1", "go to desk 1"),
        ("<think>I was cut", ""),
        ("<think>done</think>", ""),
        ("The mug is there.\n</think>\n\ngo to desk 1", "go to desk 1"),
        ("<thinking>a <b> c</thinking> go", "go"),
        ("<THINK>a</think>go", "go"),
        ("<seed:think>a</seed:think>go", "go"),
        ("<longcat_think>a</longcat_think>go", "go"),
        ('<think time="5">a</think>go', "go"),
        ("<reasoning>a</reasoning>go", "go"),
        ("[THINK]a[/THINK]go", "go"),
        ("◁think▷a◁/think▷go", "go"),
        ("<|begin_of_thought|>a<|end_of_thought|>go", "go"),
        ("<|START_THINKING|>a<|END_THINKING|>go", "go"),
        ("<|channel>thought\na<channel|>go", "go"),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant"
            "<|channel|>final<|message|>go<|return|>", "go",
        ),
        ("<|channel|>analysis<|message|>I was cut", ""),
        ("analysisThe mug is there.assistantfinalgo", "go"),
    ],
)  # fmt: skip
def test_thoughts_before_an_answer_are_cut_off(text, answer):
    parted = part_thoughts(text)
    assert parted.answer == answer and parted.thoughts


@pytest.mark.parametrize(
    "text",
    [
        "think: the mug is on the desk",
        "> think: the mug <b>",
        "thought: I am at desk 1\naction: take mug 1",
        "go to desk 1 <think>why?</think>",
        "search[red think pad]",
        "analysis of the room",
        "  look\n",
        "",
    ],
)
def test_an_agents_own_words_are_no_block(text):
    assert part_thoughts(text) == ("", text)


def test_thoughts_are_counted_and_told_once(serve, client, caplog):
    thinks = f"<think>{'x' * 30}</think>{'y' * 10}"
    serve(lambda n, body: completion(thinks, tokens=94))
    asker = client()
    for texts in ("ab", "cd"):
        for answer in asker.complete_all([ask(text) for text in texts]):
            assert (answer.text, answer.complete, answer.tokens_completion) == ("y" * 10, True, 94)
            assert answer.tokens_thought == round(94 * 45 / 55)
    assert caplog.text.count("154 of the first 188 tokens are thoughts") == 1


def test_answers_that_are_all_cut_off_are_warned_of(serve, client, caplog):
    """Thoughts that the prompt has opened, and whose end did not come, look like any text."""
    serve(lambda n, body: completion("The mug may be in", finish_reason="length"))
    asker = client()
    for texts in ("ab", "cd"):
        asker.complete_all([ask(text) for text in texts])
    assert caplog.text.count("none of 2 answers asked for together has come to its end") == 1


@pytest.mark.parametrize(
    "message",
    [
        {"content": "go", "reasoning_content": "x" * 8},
        {"content": "go", "reasoning": "x" * 8},
        {"content": [{"type": "thinking", "thinking": "x" * 8}, {"type": "text", "text": "go"}]},
    ],
)
def test_thoughts_apart_from_the_content_are_counted_alike(serve, client, message):
    serve(lambda n, body: completion("", tokens=20, message=message))
    (answer,) = client().complete_all([ask("a")])
    assert (answer.text, answer.tokens_completion, answer.tokens_thought) == ("go", 20, 16)


def test_the_servers_own_count_of_thoughts_is_taken(serve, client):
    reply = completion("<think>x</think>go", tokens=20)
    reply["usage"]["completion_tokens_details"] = {"reasoning_tokens": 7}
    serve(lambda n, body: reply)
    (answer,) = client().complete_all([ask("a")])
    assert (answer.text, answer.tokens_thought) == ("go", 7)


@pytest.mark.parametrize(
    "reply",
    [
        completion("<think>The mug is", tokens=16, finish_reason="length"),
        completion("<think>The mug is there.</think>", tokens=16),
        completion("", tokens=16, message={"content": "", "reasoning_content": "The mug"}),
        {**completion("<think>The mug is there.</think>"), "usage": None},
    ],
)
def test_where_nothing_but_thoughts_comes_it_is_said_what_to_set(serve, client, reply):
    serve(lambda n, body: Reply(reply))
    with pytest.raises(UserError) as error:
        client().complete_all([ask("a"), ask("b")])
    for words in ("got 2 without", "thinking off", "enable_thinking: false", "max_new_tokens"):
        assert words in str(error.value)
    serve(lambda n, body: completion("go"))
    (answer,) = client().complete_all([ask("a")])
    assert answer.text == "go"
