"""A transformers model in this process: batched greedy generation across threads, and option likelihoods."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from jinja2 import TemplateError

from corpus.errors import TrainingError

MAX_WAIT = 0.01  # seconds to wait for more requests before a batch is run
WORKER = "in-process engine"  # name of the thread that answers
MAX_TOKENS = 256  # of an answer whose request names no limit


class InProcessEngine:
    """Serves one local checkpoint to many threads; use as a context manager, so that its worker thread ends.

    Raises:
        TrainingError: the checkpoint cannot be loaded.
    """

    supports_function_calling = False
    supports_reasoning = False
    supports_response_schema = False
    supported_params = frozenset({"temperature", "max_tokens"})

    def __init__(self, path: str, max_batch: int = 32):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._torch = torch
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
            self.model = AutoModelForCausalLM.from_pretrained(path).to(device).eval()
        except (OSError, ValueError) as error:
            raise TrainingError(f"model {path!r} cannot be loaded: {str(error).splitlines()[0]}") from error
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.max_batch = max_batch
        self._model_lock = threading.Lock()
        self._queue: queue.Queue[tuple[Request, str, Future[Response]] | None] = queue.Queue()
        self._worker = threading.Thread(target=self._serve, name=WORKER, daemon=True)
        self._worker.start()

    def __deepcopy__(self, memo: dict[int, Any]) -> InProcessEngine:
        return self

    def __enter__(self) -> InProcessEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._worker.join()

    def complete(self, request: Request) -> Response:
        """Generate greedily for one request, in a batch with those of other threads.

        Raises:
            lm15.UnsupportedFeatureError: a temperature above 0 was asked for.
            lm15.InvalidRequestError: the model's chat template does not take these messages.
        """
        if request.config.temperature:
            raise lm15.UnsupportedFeatureError("in-process generation is greedy; use temperature 0")
        try:
            prompt = self._prompt([{"role": m.role, "content": m.text or ""} for m in request.messages])
        except (ValueError, TemplateError) as error:  # no chat template, or one that refuses a role
            raise lm15.InvalidRequestError(str(error), provider="in-process") from error
        future: Future[Response] = Future()
        self._queue.put((request, prompt, future))
        return future.result()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, deadline = [first], time.monotonic() + MAX_WAIT
            while len(batch) < self.max_batch:
                try:
                    entry = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    break
                if entry is None:
                    self._queue.put(None)
                    break
                batch.append(entry)
            try:
                answers = self._generate([request for request, _, _ in batch], [prompt for _, prompt, _ in batch])
            except (RuntimeError, ValueError) as error:  # torch's own errors: out of memory, bad shapes
                for *_, future in batch:
                    future.set_exception(lm15.ServerError(str(error), provider="in-process"))
                continue
            for (*_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)

    def _prompt(self, messages: Sequence[dict[str, str]]) -> str:
        text: str = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        return text

    def _generate(self, requests: list[Request], prompts: list[str]) -> list[Response]:
        torch = self._torch
        budgets = [request.config.max_tokens or MAX_TOKENS for request in requests]
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = inputs.to(self.model.device)
        inputs.pop("token_type_ids", None)
        with self._model_lock, torch.inference_mode():
            output = self.model.generate(
                **inputs, max_new_tokens=max(budgets), do_sample=False, pad_token_id=self.tokenizer.pad_token_id
            )
        answers = []
        for index, (request, budget) in enumerate(zip(requests, budgets, strict=True)):
            ids = output[index, inputs["input_ids"].shape[1] :].tolist()[:budget]
            stopped = self.tokenizer.eos_token_id in ids
            ids = ids[: ids.index(self.tokenizer.eos_token_id)] if stopped else ids
            answers.append(
                Response(
                    id=None,
                    model=request.model,
                    message=Message.assistant([TextPart(self.tokenizer.decode(ids, skip_special_tokens=True))]),
                    finish_reason="stop" if stopped else "length",
                    usage=Usage(input_tokens=int(inputs["attention_mask"][index].sum()), output_tokens=len(ids)),
                )
            )
        return answers

    def score(
        self, messages: Sequence[dict[str, str]], candidates: Sequence[str], per_token: bool = True
    ) -> list[float]:
        """Return the log-probability of each candidate answer to ``messages``, as the mean per token or in total.

        Only tokens after the candidates' common prefix count, so that what they share decides nothing.  The prompt
        and the common prefix are run once and their keys and values are shared.
        """
        torch = self._torch
        prompt = self.tokenizer(self._prompt(messages), add_special_tokens=False)["input_ids"]
        endings = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in candidates]
        shared = _common_prefix(endings)
        shared = min(shared, min(len(ids) for ids in endings) - 1)
        prefix = prompt + endings[0][:shared]
        tails = [ids[shared:] for ids in endings]
        width, device = max(map(len, tails)), self.model.device
        padded = torch.tensor([tail + [0] * (width - len(tail)) for tail in tails], device=device)
        with self._model_lock, torch.inference_mode():
            start = self.model(torch.tensor([prefix], device=device), use_cache=True)
            cache = start.past_key_values
            cache.batch_repeat_interleave(len(tails))
            after = self.model(padded, past_key_values=cache).logits
        first = start.logits[:, -1:].expand(len(tails), -1, -1)
        logprobs = torch.log_softmax(torch.cat([first, after[:, :-1]], dim=1).float(), dim=-1)
        chosen = logprobs.gather(-1, padded[..., None])[..., 0]
        sums = [float(chosen[index, : len(tail)].sum()) for index, tail in enumerate(tails)]
        return [total / len(tail) if per_token else total for total, tail in zip(sums, tails, strict=True)]


def _common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    length = 0
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        length += 1
    return length
