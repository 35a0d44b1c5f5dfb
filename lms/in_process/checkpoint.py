"""One loaded model: batched generation and likelihoods."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.utils import find_adapter_config_file, logging
from transformers.utils.hub import has_file

from corpus.errors import ModelError
from corpus.text import MAX_REASON
from lms.hub import check_model
from lms.in_process.chat import Chat
from lms.in_process.ends import RowEnds, cut_at_stop
from lms.in_process.job import Answer, Job, Ranking, Scores
from lms.in_process.likelihood import rank_texts
from lms.in_process.rows import AT_ONCE, PADDING, Rows
from lms.in_process.sampling import GumbelMax

# While transformers builds a model, torch's default type and some of its functions are changed for the whole process,
# so one thread at a time loads or computes.
_TORCH = threading.Lock()
# What the libraries raise for folders that are missing, cut off, of another kind, or too large for the machine.
_UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, StrictDataclassError)

_ADVICE = "give a folder with config, weights, and tokenizer, or the id of a model on the Hub"


class Checkpoint:
    """A causal language model and its tokenizer, from a local folder or a hub id; code that comes with it is never run.

    The folder may hold a whole model or a PEFT adapter, whose base is the one that its adapter_config.json names.  An
    adapter is kept beside the base: merged, its weights would be rounded once more.

    Raises:
        ModelError: it cannot be loaded.
    """

    def __init__(self, path: str):
        logging.disable_progress_bar()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            check_model(path)
            with _TORCH:
                tokenizer = AutoTokenizer.from_pretrained(
                    _tokenizer_path(path), padding_side="left", trust_remote_code=False
                )
                model, loading = AutoModelForCausalLM.from_pretrained(
                    path, trust_remote_code=False, output_loading_info=True
                )
                self.model = model.to(self.device).eval()
        except torch.OutOfMemoryError as error:
            raise _unloadable(path, _first_line(error), "choose a smaller model, or keep fewer loaded") from error
        except _UNLOADABLE as error:
            raise _unloadable(path, _first_line(error)) from error
        if missing := sorted(loading["missing_keys"]):  # transformers would go on with random ones
            raise _unloadable(path, f"{len(missing)} of its weights are missing, {missing[0]} for one")
        self._end_tokens = _as_set(self.model.generation_config.eos_token_id)
        # Only requests say how to generate: what the checkpoint would add (a repetition penalty, for one) is dropped.
        self.model.generation_config = GenerationConfig()
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.chat = Chat(path, tokenizer, positions)

    def generate(self, jobs: Sequence[Job]) -> list[Answer]:
        """Answer all jobs in one batch.

        An answer does not depend on the other jobs, as far as the last bits of the logits do not: padding and the
        size of a batch may change those.

        Raises:
            torch.OutOfMemoryError: the batch is too large for the device.
            RuntimeError, ValueError, IndexError: torch or transformers cannot run it.
        """
        most = max(job.max_tokens for job in jobs)
        with _TORCH, torch.inference_mode():
            rows = Rows(self.model, [job.prompt for job in jobs], most)
            width = rows.ids.shape[1]
            end_tokens = self._end_tokens | _as_set(self.chat.tokenizer.eos_token_id)
            ends = RowEnds(jobs, width, end_tokens, self.chat.decode)
            kept: dict[str, Any] = {}
            if rows.cache is not None:
                kept = {"past_key_values": rows.cache, "prefill_chunk_size": max(1, AT_ONCE // len(jobs))}
            output = self.model.generate(
                input_ids=rows.ids,
                attention_mask=rows.mask,
                max_new_tokens=most,
                do_sample=False,
                pad_token_id=PADDING,
                logits_processor=LogitsProcessorList([GumbelMax(jobs, self.device)]),
                stopping_criteria=StoppingCriteriaList([ends]),
                **kept,
            )
        answers = []
        for job, ids, end in zip(jobs, output[:, width:].tolist(), ends.ends, strict=True):
            assert end is not None, "every row ends at its own limit, if not before"
            tokens, stopped = end
            answers.append(Answer(cut_at_stop(self.chat.decode(ids[:tokens]), job.stop), tokens, stopped))
        return answers

    def rank(self, rankings: Sequence[Ranking], most_rows: int) -> list[Scores]:
        """Return how likely the texts of each ranking are; see `lms.in_process.likelihood.rank_texts`.

        Raises:
            torch.OutOfMemoryError: the batch is too large for the device.
            RuntimeError, ValueError, IndexError: torch or transformers cannot run it.
        """
        with _TORCH, torch.inference_mode():
            return rank_texts(self.model, self.chat.encode, rankings, most_rows)


def _tokenizer_path(path: str) -> str:
    """Return the path itself, or that of the base for an adapter that was saved without a tokenizer."""
    adapter = find_adapter_config_file(path)
    if adapter is None:
        return path
    base: str = json.loads(Path(adapter).read_text(encoding="utf-8"))["base_model_name_or_path"]
    check_model(base)
    return path if has_file(path, "tokenizer_config.json") else base


def _unloadable(path: str, reason: str, advice: str = _ADVICE) -> ModelError:
    return ModelError(f"model {path!r} cannot be loaded: {reason.rstrip('.')}; {advice}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:MAX_REASON]


def _as_set(tokens: int | Sequence[int] | None) -> set[int]:
    if tokens is None:
        return set()
    return {tokens} if isinstance(tokens, int) else set(tokens)
