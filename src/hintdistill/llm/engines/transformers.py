"""The in-process engine: transformers, batched, with the key-value cache kept over turns.

One cache serves all slots of a cohort. Each forward pass appends a block of the same width to
every slot; where a slot has fewer tokens, or its cached tokens turn out not to be in the next
prompt, the positions are masked out, and a token's position counts only what is not masked.

A model of which a layer sees a window of tokens, or keeps a state instead of them, can't be cached
so: its prompts are encoded anew each turn, by transformers' own `generate`.
"""

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, GenerationConfig

from hintdistill.core.records import Message
from hintdistill.llm.engine import EngineSetup, Request, Turn
from hintdistill.llm.model.chat import ChatRenderer, common_prefix
from hintdistill.llm.model.weights import adapter_identity, model_identity


class _Slots:
    """The rows of the running batch: their cache, its mask, and which token is where."""

    def __init__(self, slots: list[int], device: torch.device) -> None:
        self.slots = slots
        self.cache = DynamicCache()
        self.mask = torch.zeros(len(slots), 0, dtype=torch.long, device=device)
        self.ids: list[list[int]] = [[] for _ in slots]  # visible tokens of each row
        self.columns: list[list[int]] = [[] for _ in slots]  # and the cache column of each

    def keep(self, slots: list[int]) -> None:
        """Drop the rows of episodes that have ended."""
        if slots == self.slots:
            return
        rows = [self.slots.index(slot) for slot in slots]
        index = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        self.ids = [self.ids[row] for row in rows]
        self.columns = [self.columns[row] for row in rows]
        self.slots = slots

    def cut(self, row: int, length: int) -> None:
        """Hide all tokens of a row from `length` on."""
        self.mask[row, self.columns[row][length:]] = 0
        del self.ids[row][length:], self.columns[row][length:]

    def append(self, blocks: list[list[int]], pad: int) -> dict[str, torch.Tensor]:
        """Make room for a block of tokens a row. Returns the inputs of the forward pass."""
        width = max(len(block) for block in blocks)
        start = self.mask.shape[1]
        # Padded on the left, so that the last column is every row's last token.
        ids = torch.tensor([[pad] * (width - len(block)) + block for block in blocks])
        fresh = torch.tensor([[0] * (width - len(b)) + [1] * len(b) for b in blocks])
        offsets = torch.tensor([[len(row)] for row in self.ids])
        positions = offsets + (fresh.cumsum(1) - 1).clamp(min=0)
        self.mask = torch.cat([self.mask, fresh.to(self.mask)], dim=1)
        for row, block in enumerate(blocks):
            self.ids[row] += block
            self.columns[row] += range(start + width - len(block), start + width)
        device = self.mask.device
        return {
            "input_ids": ids.to(device),
            "position_ids": positions.to(device),
            "attention_mask": self.mask,
            "past_key_values": self.cache,
        }


def _caches_every_token(network) -> bool:
    """Whether each layer sees all tokens, at positions that the caller may say."""
    config = network.config
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    return (
        layers == {"full_attention"}
        and not getattr(config, "sliding_window", None)
        and not network._is_stateful
        and "position_ids" in signature(network.forward).parameters
    )


class TransformersEngine:
    """Greedy decoding of a folder's model, with a LoRA adapter beside it where one is given."""

    deterministic = True

    def __init__(
        self,
        folder: Path,
        adapter: Path | None,
        template_kwargs: Mapping[str, Any],
        *,
        threads: int,
        dtype: str,
        max_new_tokens: int,
    ) -> None:
        torch.set_num_threads(threads)
        self.model = model_identity(folder)
        self.adapter = adapter_identity(adapter)
        self.renderer = ChatRenderer.open(folder, template_kwargs)
        network = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        self._caches = _caches_every_token(network)
        if adapter is not None:
            from peft import PeftModel

            # Not merged: in bfloat16 most of an adapter's small changes would be rounded away.
            network = PeftModel.from_pretrained(network, adapter).get_base_model()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self.device).eval()
        # Not the model's own, which may sample or punish repetition.
        self._network.generation_config = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(self.renderer.ends),
            pad_token_id=self.renderer.end,
        )
        self._context: int = (
            getattr(network.config, "max_position_embeddings", None)
            or self.renderer.tokenizer.model_max_length
        )
        self._max_new_tokens = max_new_tokens
        self._batch: _Slots | None = None

    def start(self) -> None:
        self._batch = None

    def is_full(self, messages: list[Message]) -> bool:
        return len(self.renderer.prompt(messages)) + self._max_new_tokens > self._context

    @torch.inference_mode()
    def generate(self, requests: list[Request]) -> list[Turn]:
        prompts = [self.renderer.prompt(request.messages) for request in requests]
        if self._caches:
            fed, outputs = self._go_on([request.slot for request in requests], prompts)
        else:
            fed, outputs = [len(prompt) for prompt in prompts], self._encode_anew(prompts)
        turns = []
        for prompt, new, ids in zip(prompts, fed, outputs, strict=True):
            turns.append(Turn(*self.renderer.decode_turn(ids), len(prompt), new, len(ids)))
        return turns

    def _go_on(
        self, slots: list[int], prompts: list[tuple[int, ...]]
    ) -> tuple[list[int], list[list[int]]]:
        """How many tokens were fed for each slot, beside those in its cache, and what came."""
        if self._batch is None:
            self._batch = _Slots(slots, self.device)
        batch = self._batch
        batch.keep(slots)
        blocks = []
        for row, prompt in enumerate(prompts):
            # The last prompt token is always fed anew: its logits give the first new token.
            known = min(common_prefix(batch.ids[row], prompt), len(prompt) - 1)
            batch.cut(row, known)
            blocks.append(list(prompt[known:]))
        return [len(block) for block in blocks], self._decode(batch, blocks)

    def _decode(self, batch: _Slots, blocks: list[list[int]]) -> list[list[int]]:
        """Feed one block a row, then continue each row to its end of turn or to the limit."""
        outputs: list[list[int]] = [[] for _ in blocks]

        def goes_on(output: list[int]) -> bool:
            return output[-1] not in self.renderer.ends and len(output) < self._max_new_tokens

        while True:
            inputs = batch.append(blocks, self.renderer.end)
            picks = self._network(**inputs, logits_to_keep=1).logits[:, -1].argmax(-1).tolist()
            for output, pick in zip(outputs, picks, strict=True):
                if not output or goes_on(output):
                    output.append(pick)
            blocks = [output[-1:] if goes_on(output) else [] for output in outputs]
            if not any(blocks):
                return outputs

    def _encode_anew(self, prompts: list[tuple[int, ...]]) -> list[list[int]]:
        """What comes after each prompt, each up to its end of turn or to the limit."""
        width, end = max(map(len, prompts)), self.renderer.end
        ids = [[end] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        made = self._network.generate(
            torch.tensor(ids, device=self.device),
            attention_mask=torch.tensor(mask, device=self.device),
        )[:, width:].tolist()
        ends = self.renderer.ends
        lengths = [next((i + 1 for i, t in enumerate(m) if t in ends), len(m)) for m in made]
        return [output[:length] for output, length in zip(made, lengths, strict=True)]


def open_engine(setup: EngineSetup) -> TransformersEngine:
    return TransformersEngine(
        setup.folder,
        setup.adapter,
        setup.chat_template_kwargs,
        threads=setup.threads,
        dtype=setup.dtype,
        max_new_tokens=setup.max_new_tokens,
    )
