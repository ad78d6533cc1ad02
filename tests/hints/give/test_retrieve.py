"""Retrieval: what each retriever finds, and what all of them keep to."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_of import hint, task

from hintdistill.core.errors import UserError
from hintdistill.hints.give import embed as embed_module
from hintdistill.hints.give.embed import embed
from hintdistill.hints.give.retrieve import RETRIEVERS, RetrievalParams, make_retriever


def opened(name, bank, tasks, k):
    """A retriever of one task at a time."""
    retrieve = make_retriever(name, bank, tasks, k)
    return lambda wanted, room: retrieve([(wanted, room)])[0]


ROOM = "You are in the middle of a room. You see a shelf 1, a drawer 1, and a bed 1."


def test_params_name_the_retrievers():
    names = get_args(RetrievalParams.model_fields["retriever"].annotation)
    assert names == (*RETRIEVERS, "llm")


texts = st.sampled_from(["Open {container}.", "Use {lamp}.", "Clean it.", "Go on.", "Take both."])
banks = st.lists(
    st.builds(
        hint, texts, st.sampled_from("ab"), st.integers(1, 3), st.sets(st.sampled_from("12"))
    ),
    max_size=8,
    unique_by=lambda h: h.hint_id,
)
TASKS = {t.task_id: t for t in (task("1", "put a mug in fridge."), task("2", "put a pen on bed."))}


@pytest.mark.parametrize("name", RETRIEVERS)
@settings(max_examples=30)
@given(bank=banks, k=st.integers(1, 4), instruction=st.sampled_from(["cool a cup.", "zzz"]))
@pytest.mark.long
def test_k_hints_of_the_type_once_each_whatever_the_banks_order(name, bank, k, instruction):
    wanted = task("3", instruction)
    found = opened(name, bank, TASKS, k)(wanted, ROOM)
    of_type = {h.hint_id for h in bank if h.type == wanted.type}
    assert len(found) == len({ref.hint_id for ref in found}) == min(k, len(of_type))
    assert {ref.hint_id for ref in found} <= of_type
    assert opened(name, bank[::-1], TASKS, k)(wanted, ROOM) == found
    assert make_retriever(name, bank, TASKS, k)([(wanted, ROOM)] * 2) == [found] * 2


BANK = [
    hint("Wash {object} at the tap.", mentions=1),
    hint("Turn on {lamp} and look at {object}.", mentions=1),
    hint("Never walk past a closed drawer.", mentions=2),
    hint("Write commands in lower case.", mentions=9),
]


def first_of(name, instruction, room=""):
    return opened(name, BANK, {}, 1)(task("3", instruction), room)[0].text


@pytest.mark.parametrize("name", ["bm25", "tfidf"])
def test_words_find_the_hint_that_has_them(name):
    assert first_of(name, "find the closed drawer") == "Never walk past a closed drawer."
    assert first_of(name, "look for mug below a lamp") == BANK[1].text


@pytest.mark.long
def test_embedding_finds_a_paraphrase_that_shares_no_word():
    """Words have nothing to go by there, and give the hint that is mentioned most."""
    for instruction, text in (
        ("clean some dirty plates with water", "Wash {object} at the tap."),
        ("examine a book by desklamp light", "Turn on {lamp} and look at {object}."),
        ("search every shut cabinet", "Never walk past a closed drawer."),
    ):
        assert first_of("embedding", instruction) == text
    instruction = "clean some dirty plates with water"
    assert first_of("bm25", instruction) == first_of("tfidf", instruction) == BANK[3].text


def test_embedding_goes_by_the_nearest_of_a_hints_tasks_too():
    near, far = hint("Do it.", sources=["1"]), hint("Do so.", sources=["2"])
    retrieve = opened("embedding", [near, far], TASKS, 2)
    assert retrieve(task("3", "place some cup inside refrigerator"), "")[0].text == near.text
    assert retrieve(task("3", "lay several pencils onto mattress"), "")[0].text == far.text


def test_random_draws_by_task_and_keeps_its_draw_when_other_hints_go():
    tasks = [task(str(i), "put a mug in fridge.") for i in range(40)]
    retrieve = opened("random", BANK, {}, 4)
    orders = [[ref.hint_id for ref in retrieve(t, "")] for t in tasks]
    assert {order[0] for order in orders} == {h.hint_id for h in BANK}
    fewer = opened("random", BANK[1:], {}, 4)
    for t, order in zip(tasks, orders, strict=True):
        kept = [hint_id for hint_id in order if hint_id != BANK[0].hint_id]
        assert [ref.hint_id for ref in fewer(t, "")] == kept


def test_vectors_have_length_one_and_do_not_depend_on_what_else_is_embedded():
    pair = embed(["Open it.", "Use the lamp."])
    assert pair.shape == (2, 384) and embed([]).shape == (0, 384)
    assert (pair**2).sum(axis=1) == pytest.approx([1, 1], abs=1e-6)
    embed_module._vector.cache_clear()
    assert (embed(["Use the lamp."])[0] == pair[1]).all()


def test_a_missing_sentence_model_and_other_weights_are_named(monkeypatch):
    embed_module._model.cache_clear()
    monkeypatch.setattr(embed_module, "WEIGHTS_SHA256", "0")
    with pytest.raises(UserError, match="other weights"):
        embed(["a text that no other test embeds"])
    monkeypatch.setattr(embed_module, "PACKAGE", "no-such-package")
    with pytest.raises(UserError, match="make setup"):
        embed(["a text that no other test embeds"])


def test_retrieval_ranks_by_the_tasks_that_hints_came_from():
    tasks = {
        t.task_id: t for t in (task("1", "put a mug in fridge"), task("2", "put a pen on bed"))
    }
    bank = [hint("Open it.", sources=["1"]), hint("Take it.", sources=["2"]), hint("No.", "b")]
    retrieve = opened("bm25", bank, tasks, k=1)
    assert retrieve(task("3", "put a mug in fridge"), "You see a shelf 1.")[0].text == "Open it."
    assert retrieve(task("3", "put some pen on bed"), "You see a shelf 1.")[0].text == "Take it."


def test_what_went_wrong_often_ranks_above_a_rare_slip():
    """The usual settings of BM25 rank the shortest documents, the rarest mistakes, first."""
    objects = ["mug", "pen", "cup", "pot", "pan", "fork", "bowl", "plate"]
    tasks = [task(str(i), f"put a clean {obj} in cabinet.") for i, obj in enumerate(objects)]
    often = hint("Clean it.", mentions=8, sources=[t.task_id for t in tasks])
    rare = [hint("Open it.", sources=["1"]), hint("Go there.", sources=["2"])]
    retrieve = opened("bm25", [*rare, often], {t.task_id: t for t in tasks}, k=3)
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
    found = opened("bm25", bank, {}, k=9)(task("3", "zzz"), "")
    assert found[-1].text == "Aa." and len(found) == 3
    assert found[0].hint_id < found[1].hint_id
    other = task("3", "zzz").model_copy(update={"type": "none"})
    assert opened("bm25", bank, {}, k=9)(other, "") == []


CHINESE = ["打开柜子。", "先把杯子洗干净。", "打开灯。"]


@pytest.mark.parametrize("name", RETRIEVERS)
@pytest.mark.parametrize(
    "texts",
    [[], ["Open it."], ["打开柜子。"], CHINESE, ["!?", "—", "..."], ["", " ", "Open it."],
     ["Open it.", "打开灯。", "Открой шкаф."]],
)  # fmt: skip
def test_texts_and_queries_without_a_word_are_ranked_too(name, texts):
    """By words none of them is known: then mentions and ids decide, as between equal scores."""
    bank = [hint(text, mentions=i) for i, text in enumerate(texts, start=1)]
    tasks = {"1": task("1", "把杯子放进柜子")}
    bank = [h.model_copy(update={"source_task_ids": ["1"]}) for h in bank]
    for instruction, room in (("", ""), ("把杯子洗干净", "你看见一张桌子。"), ("!?", " ")):
        found = opened(name, bank, tasks, 2)(task("3", instruction), room)
        assert len(found) == min(2, len(bank))
        if name in ("bm25", "tfidf"):
            assert [ref.text for ref in found] == texts[::-1][:2]


@pytest.mark.parametrize("name", RETRIEVERS)
def test_hints_of_equal_texts_are_each_a_hint(name):
    twins = [hint("Open it.", mentions=m).model_copy(update={"hint_id": i}) for i, m in
             (("b", 1), ("a", 1), ("c", 2))]  # fmt: skip
    found = opened(name, twins, {}, 3)(task("3", "open the fridge"), ROOM)
    assert sorted(ref.hint_id for ref in found) == ["a", "b", "c"]
    if name != "random":
        assert [ref.hint_id for ref in found] == ["c", "a", "b"]


def test_a_bank_with_an_eval_task_is_refused():
    tasks = {"1": task("1", "put a mug in fridge", split="eval")}
    with pytest.raises(UserError, match="eval"):
        make_retriever("bm25", [hint("Open it.", sources=["1"])], tasks, k=1)
