"""Stripping and the leak audit: what must be found is found, what must go is gone."""

import pytest
from conftest import NO_EXAMPLES, TYPE
from hypothesis import given
from hypothesis import strategies as st
from records_of import episode_of, task

from hintdistill.agents.episode.placement import open_episode
from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.stateact import FIELDS
from hintdistill.core.errors import UserError
from hintdistill.core.panel import require_split
from hintdistill.core.records import HintRef, Message, TrainingRow
from hintdistill.hints.audit import LeakAudit
from hintdistill.training.sft.rows import training_order
from hintdistill.training.strip import keep_episode, match_size, strip, strip_hints

HINT = "Clean {object} with the sinkbasin before you move it to {container}."


def row(*own, system="s", row_id="r", task_id="1"):
    turns = [Message(role="assistant", content=text, own=True) for text in own]
    return TrainingRow(
        row_id=row_id, messages=[Message(role="system", content=system), *turns], task_id=task_id,
        episode_id="e", arm="distilled", unlocked=False,
    )  # fmt: skip


def played(agent, task_id, hints=(), own=("go to fridge 1",), placement="system", **changes):
    messages = open_episode(agent, list(hints), TYPE, "room", placement)
    for text in own:
        messages += [Message(role="assistant", content=text, own=True)]
        messages += [Message(role="user", content="You arrive.")]
    refs = [HintRef(hint_id=str(i), text=text) for i, text in enumerate(hints)]
    return episode_of(task_id, hints=refs, messages=messages, **changes)


@pytest.mark.parametrize(
    "text",
    [
        HINT,
        HINT.upper(),
        f"think: {HINT}",
        "think: clean the mug 1 with the sinkbasin before you move it to the shelf 2",
        "think: I clean mug 1, with the sinkbasin; before you move it to cabinet 3!",
    ],
)
def test_copies_of_a_hint_are_found(text):
    assert [leak.where for leak in LeakAudit([HINT]).leaks([row("look", text)])] == ["own turn"]


@pytest.mark.parametrize("text", ["clean mug 1 with sinkbasin 1", "think: I clean it.", "look"])
def test_what_any_player_says_is_no_leak(text):
    assert LeakAudit([HINT]).leaks([row(text)]) == []


def test_a_hint_in_the_prompt_is_found_and_short_hints_are_not_looked_for():
    audit = LeakAudit([HINT, "Open it."])
    assert audit.leaks([row("look", system=f"s\n- {HINT}")])[0].where == "prompt"
    assert audit.leaks([row("Open it.")]) == []
    assert audit.prove(row("look")) == 18  # two hints, three wordings, three places


def test_a_hint_left_under_the_first_observation_is_found():
    shown = Message(role="user", content=f"You see a cup 1.\n- {HINT}")
    left = row("look").model_copy(update={"messages": [row().messages[0], shown]})
    assert LeakAudit([HINT]).leaks([left])[0].where == "prompt"


@pytest.mark.parametrize("examples", [0, 2])
@pytest.mark.parametrize("name", ["react", "stateact"])
def test_hints_go_wherever_they_stand_and_leave_the_same_row(name, examples, at_root):
    agent = make_agent(name, "alfworld", {"examples": examples, "fields": FIELDS})
    rows = []
    for placement in ("system", "first_user"):
        episode = played(agent, "1", [HINT, "Look."], placement=placement)
        shown = [HINT in message.content for message in episode.messages[:2]]
        assert shown == [placement == "system", placement == "first_user"]
        rows.append(strip_hints(episode, TYPE, agent, "distilled", unlocked=False))
    plain = played(agent, "1")
    assert rows[0] == rows[1] == strip_hints(plain, TYPE, agent, "distilled", unlocked=False)
    assert rows[0].messages[0].content == agent.system_prompt([], TYPE)  # as in an evaluation
    assert rows[0].messages[0].content.count("Example of a finished game") == examples
    other = episode.model_copy(update={"hints": [HintRef(hint_id="0", text="Another one.")]})
    with pytest.raises(UserError, match="older than the template"):
        strip_hints(other, TYPE, agent, "distilled", unlocked=False)


def test_a_blind_audit_is_not_trusted(monkeypatch):
    audit = LeakAudit([HINT])
    monkeypatch.setattr(audit, "find", lambda text: None)
    with pytest.raises(UserError, match="canary"):
        audit.prove(row("look"))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=5, max_size=9), st.text(max_size=20))
def test_any_hint_of_five_words_is_found_inside_any_text(words, around):
    hint = " ".join(word * 3 for word in words)
    assert LeakAudit([hint]).leaks([row(f"{around} {hint} {around}")])


@pytest.mark.parametrize("between", [", ", " ", " and "])
def test_a_list_of_placeholders_is_found_and_takes_no_time(between):
    hint = f"Take {between.join(['{object}'] * 10)} before you put it there."
    audit = LeakAudit([hint])
    for thing in ("mug 1", "green mug 1"):
        assert audit.find(hint.replace("{object}", thing)) == hint
    assert audit.find(hint.replace("{object}", "")) is None
    assert audit.find("Take " + "a mug or a cup and then one more of that kind " * 100) is None


def test_overlaps_are_counted():
    audit = LeakAudit([HINT])
    shared = "think: with the sinkbasin before you go"
    assert audit.overlaps([row(shared), row("look")])["rows_sharing_5_words"] == 1
    assert audit.overlaps([row(shared)])["rows_sharing_7_words"] == 0


def test_strip_removes_hints_drops_leaks_and_matches(at_root):
    agent = make_agent("react", "alfworld", NO_EXAMPLES)
    tasks = {str(i): task(str(i), "x") for i in range(6)}
    base = [played(agent, str(i), success=int(i < 2)) for i in range(6)]
    teacher = [played(agent, str(i), [HINT], success=int(i < 5), arm="rag") for i in range(6)]
    teacher[4] = played(agent, "4", [HINT], own=(f"think: {HINT}",), success=1, arm="rag")
    done = strip(base, teacher, tasks, [HINT], agent, keep="success", seed=0)
    assert len(done.sft) == len(done.distilled) == 2
    assert done.audit.distilled.leaks_in_own_turns == 1
    assert done.audit.distilled.kept == 5
    for stripped in [*done.sft, *done.distilled]:
        assert stripped.messages[0].content == agent.system_prompt([], TYPE)
        assert stripped.messages[-1].own
    assert strip(base, teacher, tasks, [HINT], agent, keep="success", seed=0) == done
    unlocked = {r.task_id for r in done.distilled if r.unlocked}
    assert unlocked == {r.task_id for r in done.distilled} - {"0", "1"}


def test_no_row_left_says_what_to_change(at_root):
    agent = make_agent("react", "alfworld", NO_EXAMPLES)
    tasks = {"0": task("0", "x")}
    lost = [played(agent, "0")]
    with pytest.raises(UserError, match=r"strip\.keep"):
        strip(lost, lost, tasks, [HINT], agent, keep="success", seed=0)
    assert len(strip(lost, lost, tasks, [HINT], agent, keep="all", seed=0).sft) == 1


def test_an_episode_of_another_template_is_refused(at_root):
    agent = make_agent("react", "alfworld", NO_EXAMPLES)
    old = played(agent, "0", [HINT], success=1)
    old.messages[0] = Message(role="system", content="an older prompt")
    with pytest.raises(UserError, match="template"):
        strip([old], [old], {"0": task("0", "x")}, [HINT], agent, keep="success", seed=0)


def test_the_filter():
    own = [Message(role="assistant", content="look", own=True)]
    assert keep_episode(episode_of("1", success=1, n_invalid=1, messages=own), "success")
    assert not keep_episode(episode_of("1", success=1, n_invalid=2, messages=own), "success")
    assert not keep_episode(episode_of("1", success=0, messages=own), "success")
    assert keep_episode(episode_of("1", success=0, n_invalid=9, messages=own), "all")
    assert not keep_episode(episode_of("1", success=1), "all")


@pytest.mark.parametrize("split", ["dev", "eval", "warmstart"])
def test_the_firewall(split):
    with pytest.raises(UserError, match=split):
        require_split(["1"], [task("1", "x", split=split)], "train", "rows")
    with pytest.raises(UserError, match="no split"):
        require_split(["2"], [task("1", "x")], "train", "rows")
    require_split(["1"], [task("1", "x")], "train", "rows")


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
def test_matching_is_balanced_and_drawn_by_seed(n, size, seed):
    rows = [row("look", row_id=f"{i:02d}", task_id=str(i)) for i in range(n)]
    types = {str(i): "ab"[i % 5 == 0] for i in range(n)}
    chosen = match_size(rows, size, types, seed)
    assert len(chosen) == min(n, size)
    assert chosen == match_size(rows[::-1], size, types, seed)
    counts = [sum(types[r.task_id] == t for r in chosen) for t in "ab"]
    available = [sum(v == t for v in types.values()) for t in "ab"]
    assert abs(counts[0] - counts[1]) <= 1 or counts[1] == available[1] or counts[0] == available[0]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 3))
def test_training_order_visits_every_row_in_every_epoch(lengths, batch, epochs):
    order = training_order(lengths, batch, epochs, seed=1)
    assert sorted(order) == sorted(list(range(len(lengths))) * epochs)
    assert order == training_order(lengths, batch, epochs, seed=1)
    for epoch in range(epochs):
        n = len(lengths)
        assert sorted(order[epoch * n : (epoch + 1) * n]) == list(range(n))
    if len(lengths) >= batch:
        batches = [order[i : i + batch] for i in range(0, len(order), batch)]
        assert all(len(set(b)) == len(b) for b in batches)
