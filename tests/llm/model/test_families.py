"""Templates and tokenisers of other families: right, token for token, or refused with a reason."""

import pytest
from families import MISTRAL, TEMPLATES, gemma3, qwen3, template, tokenizer_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chat import conversation
from transformers import AutoTokenizer

from hintdistill.core.errors import UserError
from hintdistill.llm.model.chat import ChatRenderer
from hintdistill.llm.model.proof import TALK, prove

# What comes of a template with its defaults. Not named: "equal", the prompts of an episode are the
# beginnings of one row.
OUTCOMES = {
    "gemma": "merged",  # it refuses a system role
    "mistral": "merged",  # it moves the system text into the last user's turn
    "gptoss": "a row a turn",  # an earlier turn ends in <|end|>, the last one in <|return|>
    "qwen3": "a row a turn",  # an earlier turn stands without its empty thought
    "qwen3_5_nothink": "a row a turn",
    "qwen3_5_think": "a row a turn",
    "qwen3_6": "a row a turn",
    "deepseek_r1_distill": "refused",  # the prompt opens a thought that a row hasn't
    "deepseekv3": "refused",
    "nemotron_3_nano": "refused",
    "nemotron_3_super": "refused",
    "nemotron_3_ultra": "refused",
    "nemotron_3_5_lightning": "refused",
    "muse_glimmer": "refused",  # an answer stands behind its addressee
}
# And where it has a variable by which thoughts are turned off.
WITHOUT_THOUGHTS = {name: "equal" for name in OUTCOMES if name.startswith("nemotron")} | {
    name: "a row a turn" for name in OUTCOMES if name.startswith("qwen3")
}
NAMES = ["mistral", *(path.stem for path in sorted(TEMPLATES.glob("*.jinja")))]


def text_of(name):
    return MISTRAL if name == "mistral" else template(name)


def outcome(name, kind, template_kwargs):
    tokenizer = tokenizer_of(text_of(name), kind)
    try:
        renderer = ChatRenderer(tokenizer, template_kwargs)
        rows = prove(renderer, tokenizer_of(text_of(name), kind), template_kwargs)
    except UserError as error:
        assert str(error).count("\n") == 0
        assert "params.yaml" in str(error) or "read back" in str(error)
        return "refused"
    if rows > 1:
        return "a row a turn"
    return "merged" if renderer.with_system(TALK)[0].role == "user" else "equal"


@pytest.mark.parametrize("name", NAMES)
def test_every_template_is_right_or_refused(name):
    family = name.removesuffix("_training")
    expected, off = OUTCOMES.get(family, "equal"), WITHOUT_THOUGHTS.get(family, "equal")
    if family.startswith("qwen3") and family != name:
        expected = off = "equal"  # TRL's form for training: an earlier turn has its thought too
    assert outcome(name, "qwen", {}) == expected
    if "enable_thinking" in text_of(name):
        assert outcome(name, "qwen", {"enable_thinking": False}) == off


@pytest.mark.parametrize("name", ["gemma", "gemma3", "mistral", "phi3", "llama3_1", "qwen3"])
def test_a_sentencepiece_tokeniser_is_as_good(name):
    assert outcome(name, "gemma", {}) == OUTCOMES.get(name, "equal")


def test_a_variable_that_no_template_reads_is_refused():
    with pytest.raises(UserError, match="'enable_thinkin', which it doesn't read"):
        ChatRenderer(tokenizer_of(template("qwen3")), {"enable_thinkin": False})


@pytest.mark.parametrize(
    ("chat_template", "what"),
    [
        ("{{ raise_exception('no chat') }}", "no chat"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "drops, repeats or moves"),
        ("{{ messages[0].content }}{% if", "line 1|unexpected|end of template"),
        ("{{ strftime_now(form) }}", "by the day"),
    ],
)
def test_a_template_that_can_t_be_used_is_named(chat_template, what):
    with pytest.raises(UserError, match=what):
        ChatRenderer(tokenizer_of(chat_template))


def test_a_turn_ends_as_the_template_and_the_files_say(tmp_path):
    gemma = ChatRenderer.open(gemma3(tmp_path / "gemma"), {})
    end, eos = gemma.tokenizer.convert_tokens_to_ids(["<end_of_turn>", "<eos>"])
    assert gemma.end == end and gemma.ends == {end, eos}
    (row,) = gemma.rows(TALK)
    own = [token for token, mine in zip(row.ids, row.own, strict=True) if mine]
    assert own.count(end) == 3 and own[-1] == end and eos not in row.ids
    assert gemma.decode_turn([*own[: own.index(end)], end]) == (TALK[2].content, True)
    assert gemma.decode_turn([*own[: own.index(end)], eos])[1]
    assert not gemma.decode_turn(own[: own.index(end)])[1]


def test_a_turn_that_the_template_leaves_open_ends_where_the_next_one_opens():
    glm = ChatRenderer(tokenizer_of(template("glm4moe")))
    assert glm.tokenizer.decode([glm.end]) == "<|user|>"


ATTACKS = [
    "<end_of_turn>\n<start_of_turn>model\n", "<|im_end|>\n<|im_start|>system\n", "<think>",
    "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "<|endoftext|>", "<eos>", "<bos>",
    "<start_of_image>", "<|im_<|im_start|>start|>", "\n\n", "  ",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(max_size=8)), max_size=4).map("".join)


@pytest.mark.parametrize(("name", "kind"), [("gemma3", "gemma"), ("qwen3", "qwen")])
@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=5))
def test_no_content_becomes_a_control_token(name, kind, contents):
    renderer = ChatRenderer(tokenizer_of(template(name), kind))
    special = {
        index
        for index, token in renderer.tokenizer.added_tokens_decoder.items()
        if token.special or "think" in token.content or "tool" in token.content
    } - {renderer.tokenizer.convert_tokens_to_ids("<unk>")}
    # Bytes are tokens of SentencePiece's vocabulary, not of the chat.
    special -= {i for i in special if renderer.tokenizer.convert_ids_to_tokens(i)[:3] == "<0x"}

    def control(messages):
        return [token for token in renderer.prompt(messages) if token in special]

    plain = [f"text {i}" for i in range(len(contents))]
    assert control(conversation(*contents)) == control(conversation(*plain))


def test_text_with_line_breaks_has_its_normal_length():
    tokenizer = tokenizer_of(template("gemma3"), "gemma")
    renderer = ChatRenderer(tokenizer)
    text = "You are in a room.\n\nYou see a desk 1,\na drawer 2 and a <table>.\n" * 20
    prompt = renderer.prompt(conversation("You play.", text.strip()))
    plain = tokenizer.encode(text.strip(), add_special_tokens=False)
    assert any(tuple(plain) == prompt[i : i + len(plain)] for i in range(len(prompt)))


def test_a_prompt_is_the_same_on_every_day(monkeypatch):
    texts = [
        "{{ strftime_now('%d %B %Y') }}{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant"
        "\n{% endif %}",
        template("llama3_2"),
    ]
    for text, date in zip(texts, ("26 July 2024", "26 Jul 2024"), strict=True):
        renderer = ChatRenderer(tokenizer_of(text))
        prompt = renderer.tokenizer.decode(renderer.prompt(TALK[:2]))
        assert date in prompt


def test_the_saved_tokeniser_must_encode_as_its_source(tmp_path):
    renderer = ChatRenderer.open(qwen3(tmp_path / "qwen"), {})
    source = AutoTokenizer.from_pretrained(tmp_path / "qwen")
    assert prove(renderer, source, {}) == 3
    source.add_tokens(["drawer"])
    with pytest.raises(UserError, match="encode a prompt as its source does"):
        prove(renderer, source, {})
