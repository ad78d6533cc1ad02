"""The in-process engine: transformers, batched, with the key-value cache kept over turns.

One cache serves all slots of a cohort. Each forward pass appends a block of the same width to
every slot; where a slot has fewer tokens, or its cached tokens turn out not to be in the next
prompt, the positions are masked out, and rotary positions count only what is not masked.
"""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

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
        ids = torch.tensor([block + [pad] * (width - len(block)) for block in blocks])
        fresh = torch.tensor([[1] * len(b) + [0] * (width - len(b)) for b in blocks])
        offsets = torch.tensor([[len(row)] for row in self.ids])
        positions = offsets + (fresh.cumsum(1) - 1).clamp(min=0)
        self.mask = torch.cat([self.mask, fresh.to(self.mask)], dim=1)
        for row, block in enumerate(blocks):
            self.ids[row] += block
            self.columns[row] += range(start, start + len(block))
        device = self.mask.device
        return {
            "input_ids": ids.to(device),
            "position_ids": positions.to(device),
            "attention_mask": self.mask,
            "past_key_values": self.cache,
        }


class TransformersEngine:
    """Greedy decoding of a folder's model, with a LoRA adapter beside it where one is given."""

    deterministic = True

    def __init__(
        self, folder: Path, adapter: Path | None, *, threads: int, dtype: str, max_new_tokens: int
    ) -> None:
        torch.set_num_threads(threads)
        self.model = model_identity(folder)
        self.adapter = adapter_identity(adapter)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        network = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        if adapter is not None:
            from peft import PeftModel

            # Not merged: in bfloat16 most of an adapter's small changes would be rounded away.
            network = PeftModel.from_pretrained(network, adapter).get_base_model()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self.device).eval()
        self.renderer = ChatRenderer(tokenizer)
        self._context: int = network.config.max_position_embeddings
        self._max_new_tokens = max_new_tokens
        self._batch: _Slots | None = None

    def start(self) -> None:
        self._batch = None

    def is_full(self, messages: list[Message]) -> bool:
        return len(self.renderer.prompt(messages)) + self._max_new_tokens > self._context

    @torch.inference_mode()
    def generate(self, requests: list[Request]) -> list[Turn]:
        prompts = [self.renderer.prompt(request.messages) for request in requests]
        slots = [request.slot for request in requests]
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
        outputs = self._decode(batch, blocks)
        turns = []
        for prompt, block, ids in zip(prompts, blocks, outputs, strict=True):
            text, complete = self.renderer.decode_turn(ids)
            turns.append(Turn(text, complete, len(prompt), len(block), len(ids)))
        return turns

    def _decode(self, batch: _Slots, blocks: list[list[int]]) -> list[list[int]]:
        """Feed one block a row, then continue each row to its end of turn or to the limit."""
        end = self.renderer.end_of_turn
        outputs: list[list[int]] = [[] for _ in blocks]

        def goes_on(output: list[int]) -> bool:
            return output[-1] != end and len(output) < self._max_new_tokens

        last = torch.tensor([len(block) - 1 for block in blocks], device=self.device)
        inputs = batch.append(blocks, end)
        while True:
            # Only each row's last real position needs logits over the vocabulary.
            hidden = self._network.model(**inputs).last_hidden_state
            hidden = hidden[torch.arange(len(blocks), device=self.device), last]
            picks = self._network.lm_head(hidden).argmax(-1).tolist()
            for output, pick in zip(outputs, picks, strict=True):
                if not output or goes_on(output):
                    output.append(pick)
            blocks = [output[-1:] if goes_on(output) else [] for output in outputs]
            if not any(blocks):
                return outputs
            inputs = batch.append(blocks, end)
            last = torch.zeros(len(blocks), dtype=torch.long, device=self.device)


def open_engine(setup: EngineSetup) -> TransformersEngine:
    return TransformersEngine(
        setup.folder,
        setup.adapter,
        threads=setup.threads,
        dtype=setup.dtype,
        max_new_tokens=setup.max_new_tokens,
    )
