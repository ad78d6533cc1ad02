"""Hints: diagnosis of scripted failures in real games, curation, retrieval, placebos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hintdistill.agents.rollout import play_cohort
from hintdistill.errors import UserError
from hintdistill.hints.curate import MAX_CHARACTERS, RawHint, curate, form_error
from hintdistill.hints.diagnose import RULES, TRANSFORM_HINTS, diagnose
from hintdistill.hints.retrieve import Bm25Retriever, PlaceboHints
from hintdistill.llm.scripted import ScriptedEngine
from hintdistill.records import Episode, Hint, Message, Model, Task, short_hash
from hintdistill.tasks.alfworld import TASK_TYPES, AlfworldEnv
from hintdistill.tasks.environment import InProcess


def play_script(games, base_arm, task_type, edit):
    """Play a train game's walkthrough as `edit` changes it; then look until the end."""
    task, game = next((t, g) for t, g in games if t.type == task_type and t.split == "train")
    turns = [*edit(list(game.content["walkthrough"])), *["look", "inventory"] * 20]
    engine = ScriptedEngine(lambda messages: turns[sum(m.own for m in messages)])
    envs = InProcess(lambda t: AlfworldEnv(t, game))
    return play_cohort([task], envs, engine, base_arm)[0]


def causes(episode):
    return {diagnosis.cause for diagnosis in diagnose(episode)}


def test_a_success_has_no_cause(games, base_arm):
    assert causes(play_script(games, base_arm, "pick_and_place_simple", lambda plan: plan)) == set()


@pytest.mark.parametrize("verb", ["clean", "heat", "cool"])
def test_missed_transformation(games, base_arm, verb):
    episode = play_script(
        games, base_arm, f"pick_{verb}_then_place_in_recep",
        lambda plan: [step for step in plan if not step.startswith(verb)],
    )  # fmt: skip
    texts = {diagnosis.text for diagnosis in diagnose(episode)}
    assert TRANSFORM_HINTS[verb] in texts


def test_second_object(games, base_arm):
    def one_only(plan):
        return plan[: next(i for i, step in enumerate(plan) if step.startswith("move")) + 1]

    episode = play_script(games, base_arm, "pick_two_obj_and_place", one_only)
    assert "second_object" in causes(episode)


def test_unmet_precondition(games, base_arm):
    episode = play_script(
        games, base_arm, "pick_and_place_simple",
        lambda plan: [step for step in plan if step.startswith("take")],
    )  # fmt: skip
    assert causes(episode) == {"unmet_precondition"}


def test_skipped_container(games, base_arm):
    def only_visit(plan):
        return [f"go to {place} 1" for place in ("fridge", "drawer", "cabinet", "safe")]

    episodes = [play_script(games, base_arm, kind, only_visit) for kind in TASK_TYPES]
    closed = [e for e in episodes if any("is closed" in s.observation for s in e.steps)]
    assert closed
    for episode in closed:
        assert "skipped_container" in causes(episode)


def episode_of(task_id, **changes):
    fields = dict(
        episode_id=short_hash(task_id), task_id=task_id, env="alfworld", agent="react", arm="base",
        attempt=0, seed=0, model=Model(name="m", sha256="0"), adapter=None, deterministic=True,
        hints=[], messages=[Message(role="system", content="s")], steps=[], success=0, reward=0.0,
        n_steps=0, n_turns=0, n_invalid=0, stop_reason="step_limit", tokens_prompt=0,
        tokens_prompt_new=0, tokens_completion=0,
    )  # fmt: skip
    return Episode(**{**fields, **changes})


words = st.sampled_from(["open", "every", "closed", "{container}", "second", "{object}", "lamp"])
raw_hints = st.builds(
    RawHint,
    type=st.sampled_from(["a", "b"]),
    text=st.lists(words, min_size=2, max_size=6).map(" ".join),
    writer=st.just("diagnose"),
    episode=st.sampled_from([episode_of(f"task-{i}") for i in range(4)]),
)


@given(st.lists(raw_hints, max_size=12), st.randoms())
def test_curation_ignores_order_and_keeps_every_source(raw, random):
    bank = curate(raw, "alfworld", 0.85)
    shuffled = list(raw)
    random.shuffle(shuffled)
    assert curate(shuffled, "alfworld", 0.85) == bank
    assert sum(hint.mentions for hint in bank) == len(raw)
    assert {t for h in bank for t in h.source_task_ids} == {r.episode.task_id for r in raw}
    assert len({hint.hint_id for hint in bank}) == len(bank)
    assert bank == sorted(bank, key=lambda hint: (hint.type, hint.hint_id))


def test_curation_merges_near_duplicates_of_a_type_only():
    def raw(task_type, text):
        return RawHint(task_type, text, "diagnose", episode_of("t"))

    near = ["Open every closed {container}.", "open every closed {container}!"]
    assert len(curate([raw("a", t) for t in near], "alfworld", 0.85)) == 1
    assert len(curate([raw("a", near[0]), raw("b", near[1])], "alfworld", 0.85)) == 2
    assert len(curate([raw("a", near[0]), raw("a", "Use {lamp}.")], "alfworld", 0.85)) == 2


def test_form():
    assert form_error("Open every {container}.") is None
    assert "120" in form_error("x" * (MAX_CHARACTERS + 1))
    assert form_error("two\nlines") and form_error(" ") and form_error("Open fridge 1.")


def test_every_rules_hint_is_well_formed():
    import inspect

    texts = [*TRANSFORM_HINTS.values()]
    for rule in RULES.values():
        texts += [c for c in rule.__code__.co_consts if isinstance(c, str) and "{" in c]
        assert inspect.getdoc(rule)
    assert len(texts) >= 8
    assert [form_error(text) for text in texts] == [None] * len(texts)


def hint(text, task_type="a", mentions=1, sources=()):
    return Hint(
        hint_id=short_hash(text, task_type), env="alfworld", type=task_type, text=text,
        mentions=mentions, writer="w", source_task_ids=list(sources), source_episode_ids=[],
    )  # fmt: skip


def task(task_id, instruction, split="train"):
    return Task(
        task_id=task_id, env="alfworld", split=split, type="a", source="generated",
        instruction=instruction, content_sha256="0",
    )  # fmt: skip


def test_retrieval_ranks_by_the_tasks_that_hints_came_from():
    tasks = {
        t.task_id: t for t in (task("1", "put a mug in fridge"), task("2", "put a pen on bed"))
    }
    bank = [hint("Open it.", sources=["1"]), hint("Take it.", sources=["2"]), hint("No.", "b")]
    retrieve = Bm25Retriever(bank, tasks, k=1)
    assert retrieve(task("3", "put a mug in fridge"), "You see a shelf 1.")[0].text == "Open it."
    assert retrieve(task("3", "put some pen on bed"), "You see a shelf 1.")[0].text == "Take it."


def test_ties_go_by_mentions_then_id_and_only_the_type_counts():
    bank = [
        hint("Aa.", mentions=1),
        hint("Bb.", mentions=3),
        hint("Cc.", mentions=3),
        hint("Dd", "b"),
    ]
    found = Bm25Retriever(bank, {}, k=9)(task("3", "zzz"), "")
    assert found[-1].text == "Aa." and len(found) == 3
    assert found[0].hint_id < found[1].hint_id
    other = task("3", "zzz").model_copy(update={"type": "none"})
    assert Bm25Retriever(bank, {}, k=9)(other, "") == []


def test_a_bank_with_an_eval_task_is_refused():
    tasks = {"1": task("1", "put a mug in fridge", split="eval")}
    with pytest.raises(UserError, match="eval"):
        Bm25Retriever([hint("Open it.", sources=["1"])], tasks, k=1)


def test_placebos_have_nine_sentences_of_hint_form_for_each_type(at_root):
    for arm in ("placebo_constant", "placebo_wrong_type"):
        placebo = PlaceboHints(arm, "alfworld", 9)
        for task_type in TASK_TYPES:
            refs = placebo(task("1", "x").model_copy(update={"type": task_type}), "")
            assert len({ref.text for ref in refs}) == 9
            assert [form_error(ref.text) for ref in refs] == [None] * 9
    with pytest.raises(UserError, match="at least"):
        PlaceboHints("placebo_constant", "alfworld", 10)(task("1", "x"), "")
