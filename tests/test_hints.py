"""Hints: curation, retrieval, placebos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hintdistill.errors import UserError
from hintdistill.hints.curate import MAX_CHARACTERS, RawHint, curate, form_error
from hintdistill.hints.retrieve import Bm25Retriever, PlaceboHints
from hintdistill.records import Episode, Hint, Message, Model, Task, short_hash
from hintdistill.tasks.alfworld_goal import TASK_TYPES


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


def test_what_went_wrong_often_ranks_above_a_rare_slip():
    """The usual settings of BM25 rank the shortest documents, the rarest mistakes, first."""
    objects = ["mug", "pen", "cup", "pot", "pan", "fork", "bowl", "plate"]
    tasks = [task(str(i), f"put a clean {obj} in cabinet.") for i, obj in enumerate(objects)]
    often = hint("Clean it.", mentions=8, sources=[t.task_id for t in tasks])
    rare = [hint("Open it.", sources=["1"]), hint("Go there.", sources=["2"])]
    retrieve = Bm25Retriever([*rare, often], {t.task_id: t for t in tasks}, k=3)
    room = "You see a cabinet 1, a cabinet 2, and a pen 1."
    for obj in ("spoon", "pen", "ladle"):
        assert retrieve(task("x", f"put a clean {obj} in cabinet."), room)[0].text == often.text
    # Among mistakes equally common, the one that was made at a task like this one comes first.
    assert retrieve(task("x", "put a clean cup in cabinet."), "")[1].text == "Go there."


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
