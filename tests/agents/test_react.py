"""The ReAct protocol: every text is exactly one of thought, action, malformed."""

import pytest
from conftest import NO_EXAMPLES, TYPE
from hypothesis import given
from hypothesis import strategies as st

from hintdistill.agents.episode.protocol import Belief
from hintdistill.agents.episode.registry import make_agent
from hintdistill.core.errors import UserError
from hintdistill.environments.common.prompts import render_prompt


@pytest.fixture
def agent():
    return make_agent("react", "alfworld", NO_EXAMPLES)


@given(st.text(max_size=80), st.booleans())
def test_any_text_parses_and_what_is_parsed_is_one_line_of_it(text, complete):
    parsed = make_agent("react", "alfworld", NO_EXAMPLES).parse(text, complete=complete)
    if parsed.kind == "malformed":
        assert parsed.text == ""
    else:
        assert complete
        assert parsed.text and parsed.text in text and len(parsed.text.splitlines()) == 1


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40))
def test_a_written_thought_is_read_as_that_thought(text):
    agent = make_agent("react", "alfworld", NO_EXAMPLES)
    belief = Belief(goal="", visited=(), here="", held="", intent="")
    thought, action = agent.turns(text, "look", belief)
    assert agent.parse(thought, complete=True) == ("thought", text)
    assert agent.parse(action, complete=True) == ("action", "look")
    assert agent.turns("", "look", belief) == ["look"]


@pytest.mark.parametrize(
    "text, complete, kind",
    [
        ("go to fridge 1", True, "action"),
        ("> open fridge 1", True, "action"),
        ("think: I need a mug.", True, "thought"),
        ("Think: I need a mug.", True, "thought"),
        ("think:", True, "malformed"),
        ("", True, "malformed"),
        ("go to fridge 1\nopen fridge 1", True, "malformed"),
        ("go to fridge 1", False, "malformed"),
    ],
)
def test_kinds(agent, text, complete, kind):
    assert agent.parse(text, complete=complete).kind == kind


def test_the_hint_block_is_there_only_with_hints(agent, at_root):
    plain = agent.system_prompt([], TYPE)
    hinted = agent.system_prompt(["Open every {container}.", "Second {object}."], TYPE)
    assert hinted.startswith(plain)
    assert hinted[len(plain) :].split("\n") == [
        "", "", "Hints from earlier attempts:", "- Open every {container}.", "- Second {object}."
    ]  # fmt: skip


def test_a_hint_is_data_not_a_template(agent, at_root):
    assert "{{ 7 * 7 }}" in agent.system_prompt(["{{ 7 * 7 }}"], TYPE)


def test_unset_variables_and_missing_templates_are_errors(at_root):
    with pytest.raises(UserError, match="examples"):
        render_prompt("alfworld/react/system.j2")
    with pytest.raises(UserError, match="no_such"):
        render_prompt("no_such.j2")
