"""The StateAct protocol: fields, what is read, and what the demonstrator writes in it."""

import re

import pytest
from conftest import ROOT, TYPE, envs_of
from hypothesis import given
from hypothesis import strategies as st

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.examples import examples_file
from hintdistill.agents.episode.protocol import Belief
from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.commands import examples as _examples
from hintdistill.core.by_name import names_in
from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Example
from hintdistill.environments.alfworld.game.goal import TASK_TYPES
from hintdistill.environments.alfworld.player.demonstrator import Demonstrator

FIELDS = [
    "goal", "locations_visited", "current_location", "current_inventory", "thought", "action"
]  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


def stateact(fields=FIELDS, examples=0):
    return make_agent("stateact", "alfworld", {"examples": examples, "fields": fields})


@given(WORDS, WORDS, st.sets(st.sampled_from(FIELDS[:-1])), st.lists(WORDS, max_size=4))
def test_a_written_turn_is_read_as_its_action(thought, action, chosen, visited):
    agent = stateact([field for field in FIELDS if field in chosen] + ["action"])
    belief = Belief(goal="find a mug.", visited=tuple(visited), here="", held="", intent="I go.")
    (turn,) = agent.turns(thought, action, belief)
    assert [line.split(":")[0] for line in turn.splitlines()] == [
        field for field in FIELDS if field in {*chosen, "action"}
    ]
    assert agent.parse(turn, complete=True) == ("action", action)
    assert agent.parse(turn, complete=False).kind == "malformed"


@given(st.text(max_size=80), st.booleans())
def test_any_text_parses_and_what_is_parsed_is_of_its_last_line(text, complete):
    parsed = stateact().parse(text, complete=complete)
    if parsed.kind == "malformed":
        assert parsed.text == ""
    else:
        assert complete and parsed.kind == "action"
        assert parsed.text and parsed.text in text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "text, action",
    [
        ("action: look", "look"),
        ("goal: x\nthought: y\nAction: go to fridge 1", "go to fridge 1"),
        ("I think.\naction: look", "look"),
        ("goal: x\nthought: y", None),
        ("action:", None),
        ("action: look\naction: inventory", None),
        ("action: look\nThe fridge is closed.", None),
        ("look", None),
        ("", None),
    ],
)
def test_what_is_an_action(text, action):
    parsed = stateact().parse(text, complete=True)
    assert parsed == (("action", action) if action else ("malformed", ""))


def test_the_prompt_names_the_fields_that_are_asked_for(at_root):
    whole = stateact().system_prompt([], TYPE)
    assert [f for f in FIELDS if f"\n{f}: " in whole] == FIELDS
    short = stateact(["thought", "action"]).system_prompt(["Open every {container}."], TYPE)
    assert [f for f in FIELDS if f"\n{f}: " in short] == ["thought", "action"]
    assert short.endswith("\n\nHints from earlier attempts:\n- Open every {container}.")


@pytest.mark.parametrize(
    "protocol, said",
    [
        ({"examples": 0, "fields": ["action", "thought"]}, "last of the fields"),
        ({"examples": 0, "fields": ["thought", "thought", "action"]}, "in the order"),
        ({"examples": 0, "fields": ["thought", "goal", "action"]}, "in the order"),
        ({"examples": 0, "fields": ["mood", "action"]}, r"stateact\.protocol\.fields\.0"),
        ({"examples": 0}, "fields"),
        ({"examples": -1, "fields": FIELDS}, "examples"),
    ],
)
def test_wrong_protocols_are_named(protocol, said):
    with pytest.raises(UserError, match=said):
        make_agent("stateact", "alfworld", protocol)


@pytest.mark.parametrize("agent", names_in("hintdistill.agents"))
def test_the_prompt_shows_finished_games_of_the_tasks_type(at_root, agent):
    fields = {"fields": FIELDS} if agent == "stateact" else {}
    protocol = make_agent(agent, "alfworld", {"examples": 2, **fields})
    for task_type in TASK_TYPES:
        prompt = protocol.system_prompt([], task_type)
        first, *shown = prompt.split("\n\nExample of a finished game:\n")
        assert len(shown) == 2 and "Example" not in first
        for example in shown:
            turns = re.split(r"^(You|Game): ", example, flags=re.MULTILINE)[1:]
            assert turns[0] == "Game" and "Your task is to: " in turns[1]
            said = [t.strip() for who, t in zip(*[iter(turns)] * 2, strict=True) if who == "You"]
            assert said and all(protocol.parse(t, complete=True).kind != "malformed" for t in said)


@pytest.mark.long
@pytest.mark.parametrize("agent", names_in("hintdistill.agents"))
def test_examples_are_short_wins_of_the_demonstrator(tmp_path, monkeypatch, agent):
    for name in ("examples_and_hints.j2", f"alfworld/{agent}/system.j2"):
        (tmp_path / "prompts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "prompts" / name).symlink_to(ROOT / "prompts" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_examples, "GAMES", _examples.GAMES.model_copy(update={"warmstart": 6}))
    path = _examples.write_examples("alfworld", agent)
    examples = read_jsonl(path, Example)
    assert len({e.type for e in examples}) >= 4
    for example in examples:
        assert not any(m.role == "system" for m in example.messages)
        assert all(m.own for m in example.messages if m.role == "assistant")
    monkeypatch.chdir(ROOT)
    committed = read_jsonl(examples_file(agent, "alfworld"), Example)
    assert {e.type for e in examples} <= {e.type for e in committed}


def test_the_demonstrator_says_where_it_is_and_what_it_holds(games, base_arm):
    panel = {task.task_id: (task, game) for task, game in games if task.split == "train"}
    limits = base_arm.limits.model_copy(update={"turn_limit": 100})
    arm = base_arm._replace(agent=stateact(), limits=limits, step_limit=100)
    engine = DemonstratorEngine(Demonstrator, arm.agent.turns, 0.3, seed=0)
    tasks = [task for task, _ in panel.values()]
    for task, episode in zip(tasks, play_cohort(tasks, envs_of(panel), engine, arm), strict=True):
        assert episode.n_turns == episode.n_steps
        here, held, visited = "middle of the room", "nothing", []
        said = [m.content for m in episode.messages if m.role == "assistant"]
        for text, step in zip(said, episode.steps, strict=True):
            fields = dict(line.split(": ", 1) for line in text.splitlines())
            assert fields["goal"] == task.instruction
            assert fields["current_location"] == here
            assert fields["current_inventory"] == held
            assert fields["locations_visited"] == (", ".join(visited) or "none")
            assert fields["thought"] and fields["action"] == step.action
            if found := re.match(r"You arrive at (\w+ \d+)\.", step.observation):
                here = found[1]
                visited += [here] if here not in visited else []
            elif found := re.match(r"You pick up the (\w+ \d+) ", step.observation):
                held = found[1]
            elif step.observation.startswith("You move the "):
                held = "nothing"
