"""Stage base on other families' models: made, trained and played, or refused in one line."""

import json

import pytest
import torch
from families import gemma3, qwen3, template, tokenizer_of, write_model
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from hintdistill.core.errors import UserError
from hintdistill.llm.engine import Request
from hintdistill.llm.engines.transformers import TransformersEngine
from hintdistill.llm.model.chat import ChatRenderer
from hintdistill.llm.model.proof import TALK, prove
from hintdistill.training import base as base_module
from hintdistill.training.base import make_base
from hintdistill.training.sft.lora import lora_targets
from hintdistill.training.sft.rows import SftParams, tokenise
from hintdistill.training.sft.trainer import fine_tune

PARAMS = SftParams(
    dtype="float32", r=2, alpha=4, dropout=0.0, learning_rate=0.01, epochs=6, batch=2,
    accumulation=1, activation_checkpointing=False, launcher="",
    max_length=4096, seed=0, threads=1,
)  # fmt: skip


def gpt2(folder):
    from transformers import GPT2Config

    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=4096)
    return write_model(folder, tokenizer_of(template("qwen2_5")), config)


def neox(folder):
    from transformers import GPTNeoXConfig

    config = GPTNeoXConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    return write_model(folder, tokenizer_of(template("qwen2_5")), config)


def phi3(folder):
    from transformers import Phi3Config

    config = Phi3Config(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, sliding_window=24, original_max_position_embeddings=4096,
    )  # fmt: skip
    return write_model(folder, tokenizer_of(template("phi3")), config)


LAYERS = {
    gemma3: ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
    qwen3: ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
    phi3: ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"],
    gpt2: ["c_attn", "c_fc", "c_proj"],
    neox: ["dense", "dense_4h_to_h", "dense_h_to_4h", "query_key_value"],
}


@pytest.mark.parametrize("family", LAYERS, ids=lambda family: family.__name__)
def test_a_family_is_made_trained_and_played(family, tmp_path):
    base = tmp_path / "base"
    source = make_base(str(family(tmp_path / "source")), base, "# card\n")
    renderer = ChatRenderer.open(base, {})
    assert prove(renderer, source, {}) == (3 if family is qwen3 else 1)
    losses = []
    trained = fine_tune(
        base, [TALK] * 2, PARAMS, {}, tmp_path / "run", "lora", lambda _, loss: losses.append(loss)
    )
    rows = tokenise(renderer, TALK, 4096).rows
    assert trained.figures["tokens"] == 2 * sum(len(row.input_ids) for row in rows)
    assert losses[-1] < losses[0]
    trained.model.save_pretrained(tmp_path / "adapter")
    with safe_open(tmp_path / "adapter/adapter_model.safetensors", "pt") as weights:
        names = {name.split(".")[-3] for name in weights.keys()}  # noqa: SIM118 - it is no dict
    assert sorted(names) == LAYERS[family]

    engine = TransformersEngine(
        base, tmp_path / "adapter", {}, threads=1, dtype="float32", max_new_tokens=8
    )
    talks = [TALK[:2], TALK[:4]]
    for _ in range(2):  # the second time with what the first has cached
        turns = engine.generate([Request(i, talk) for i, talk in enumerate(talks)])
        for talk, turn in zip(talks, turns, strict=True):
            ids = torch.tensor([renderer.prompt(talk)])
            for _ in range(turn.tokens_completion):
                pick = engine._network(ids).logits[0, -1].argmax()
                ids = torch.cat([ids, pick.view(1, 1)], dim=1)
            new = ids[0, turn.tokens_prompt :].tolist()
            assert (turn.text, turn.complete) == renderer.decode_turn(new)
        talks = [TALK[:4], TALK[:6]]


def test_the_loss_is_that_of_the_models_own_forward(tmp_path):
    """Of one row: the mean cross entropy of its own tokens, which a model's forward gives too."""
    base = tmp_path / "base"
    make_base(str(gemma3(tmp_path / "source")), base, "# card\n")
    losses = []
    params = PARAMS.model_copy(update={"batch": 1, "epochs": 1})
    fine_tune(base, [TALK], params, {}, tmp_path / "run", "lora", lambda _, x: losses.append(x))
    ((ids, labels),) = tokenise(ChatRenderer.open(base, {}), TALK, 4096).rows
    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    own = network(torch.tensor([ids]), labels=torch.tensor([labels])).loss
    assert losses == [pytest.approx(float(own.detach()), abs=1e-5)]


def mixtral(folder):
    from transformers import MixtralConfig

    config = MixtralConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=4,
    )  # fmt: skip
    return write_model(folder, tokenizer_of(template("qwen2_5")), config)


def seeing(folder):
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    gemma3(folder)
    text = json.loads((folder / "config.json").read_text())
    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 1, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    config = Gemma3Config(text_config=text, vision_config=small, mm_tokens_per_image=4)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def quantised(folder):
    qwen3(folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def without_template(folder):
    qwen3(folder)
    (folder / "chat_template.jinja").unlink()
    return folder


def pickled(folder):
    qwen3(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


def cut_short(folder):
    qwen3(folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    return folder


def of_a_missing_shard(folder):
    qwen3(folder)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def of_unknown_kind(folder):
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "no-such"}')
    return folder


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (mixtral, "experts.*Take a model without them"),
        (seeing, "Gemma3ForConditionalGeneration, which sees more"),
        (quantised, "quantised by gptq"),
        (without_template, "no chat template"),
        (pickled, "missing: model.safetensors"),
        (cut_short, "whole safetensors"),
        (of_a_missing_shard, "missing: model-00001-of-00002.safetensors"),
        (of_unknown_kind, "could not be loaded"),
        (lambda folder: folder / "none", "found no folder"),
    ],
)
def test_what_can_t_be_trained_or_played_is_refused(make, what, tmp_path):
    with pytest.raises(UserError, match=what) as raised:
        make_base(str(make(tmp_path / "source")), tmp_path / "base", "# card\n")
    assert "\n" not in str(raised.value)


def test_a_set_of_layers_that_matches_in_part_is_refused():
    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(8, 8)
            self.fused = torch.nn.Parameter(torch.zeros(4, 8, 8))
            self.config = type("Config", (), {"model_type": "half"})

        def get_output_embeddings(self):
            return None

    with pytest.raises(UserError, match=r"80% of their weights in others, as \.?fused"):
        lora_targets(Half())


def test_a_large_model_is_converted_shard_by_shard(tmp_path, monkeypatch):
    source = qwen3(tmp_path / "source")
    network = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    network.save_pretrained(source, max_shard_size="60KB")
    (source / "model.safetensors").unlink()
    monkeypatch.setattr(base_module, "SHARD_BYTES", 20_000)
    written = []
    save = base_module.save_file

    def note(tensors, *arguments, **options):
        written.append([tensor.nbytes for tensor in tensors.values()])
        save(tensors, *arguments, **options)

    monkeypatch.setattr(base_module, "save_file", note)
    make_base(str(source), tmp_path / "base", "# card\n")
    assert len(written) > 3
    assert all(sum(shard) <= 20_000 or len(shard) == 1 for shard in written)
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    assert made.dtype == torch.bfloat16
    for name, weight in network.state_dict().items():
        assert torch.equal(made.state_dict()[name], weight.to(torch.bfloat16)), name


def test_what_ends_a_turn_is_kept(tmp_path):
    source = gemma3(tmp_path / "source")
    make_base(str(source), tmp_path / "base", "# card\n")
    ends = json.loads((source / "generation_config.json").read_text())["eos_token_id"]
    kept = json.loads((tmp_path / "base/generation_config.json").read_text())["eos_token_id"]
    assert kept == ends and len(ends) == 2


def test_a_saved_template_writes_no_date_of_today(tmp_path):
    tokenizer = tokenizer_of(template("llama3_2"))
    from transformers import LlamaConfig

    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
    )
    make_base(str(write_model(tmp_path / "source", tokenizer, config)), tmp_path / "base", "# c\n")
    saved = (tmp_path / "base/chat_template.jinja").read_text()
    assert "strftime_now(" not in saved and '"26 Jul 2024"' in saved
