"""A DSPy engine for a local transformers model: requests of many threads are answered in batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from corpus.errors import ModelError
from corpus.text import reason_of
from lms.in_process.chat import PROVIDER
from lms.in_process.job import Answer, Job
from lms.in_process.shelf import Shelf, free_memory

MAX_WAIT = 0.01  # seconds without a further request after which a batch is run
WORKER = "in-process engine"  # name of the thread that answers
MAX_TOKENS = 256  # of an answer whose request names no limit

_Entry = tuple[Job, Future[Answer]]


class InProcessEngine:
    """Serves one local checkpoint to many threads; use as a context manager, so that its worker thread ends.

    Args:
        path: a folder or the id of a model on the Hub; see `Checkpoint`.
        shelf: where the checkpoint is kept, shared with other engines or not; by default one of its own.
        max_batch: most requests that are answered together.
        num_ctx: most tokens of prompt and answer together; the model's own limit holds besides.

    Raises:
        ModelError: the checkpoint cannot be loaded.
    """

    supports_function_calling = False
    supports_reasoning = False
    supports_response_schema = False
    supported_params = frozenset({"temperature", "max_tokens", "top_p", "top_k", "stop", "seed"})

    def __init__(self, path: str, shelf: Shelf | None = None, max_batch: int = 32, num_ctx: int | None = None):
        self.path, self.max_batch, self.num_ctx = path, max_batch, num_ctx
        self.shelf = Shelf() if shelf is None else shelf
        self._owns_shelf = shelf is None
        with self.shelf.borrow(path) as checkpoint:
            self.chat = checkpoint.chat
        self._queue: queue.Queue[_Entry | None] = queue.Queue()
        self._gate = threading.Lock()  # nothing enters the queue after its end
        self._closed = False
        self._worker = threading.Thread(target=self._serve, name=WORKER, daemon=True)
        self._worker.start()

    def __deepcopy__(self, memo: dict[int, Any]) -> InProcessEngine:
        return self

    def __enter__(self) -> InProcessEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer what is waiting, end the worker thread, and unload the checkpoint if the shelf is the engine's own."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._worker.join()
        if self._owns_shelf:
            self.unload()

    def unload(self) -> None:
        """Free the memory of the checkpoint, once nobody uses it; the next request loads it again."""
        self.shelf.unload(self.path)

    def complete(self, request: Request) -> Response:
        """Answer one request, in a batch with those of other threads.

        Without a temperature the answer is greedy.  With a temperature and a seed it is the same whenever the same is
        asked, in whatever company.

        Raises:
            lm15.ContextLengthError: prompt and `max_tokens` do not fit the context.
            lm15.InvalidRequestError: the model has no chat template, or one that does not take these messages.
            lm15.UnsupportedFeatureError: a message holds something that is not text.
            lm15.UnsupportedModelError: the checkpoint was unloaded and cannot be loaded again.
            lm15.NotConfiguredError: the engine is closed.
            lm15.ServerError: torch failed, for lack of memory for one.
        """
        job = self._job(request)
        future: Future[Answer] = Future()
        with self._gate:
            if self._closed:
                raise lm15.NotConfiguredError(f"the engine of {self.path} is closed", provider=PROVIDER)
            self._queue.put((job, future))
        answer = future.result()
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(answer.text)]),
            finish_reason="stop" if answer.stopped else "length",
            usage=Usage(input_tokens=len(job.prompt), output_tokens=answer.tokens),
        )

    def score(
        self, messages: Sequence[dict[str, str]], candidates: Sequence[str], per_token: bool = True
    ) -> list[float]:
        """Return the log-probability of each candidate answer to ``messages``; see `Checkpoint.score`."""
        with self.shelf.borrow(self.path) as checkpoint:
            return checkpoint.score(messages, candidates, per_token)

    def _job(self, request: Request) -> Job:
        config = request.config
        prompt = self.chat.encode(self.chat.render(_messages_of(request)))
        max_tokens = config.max_tokens or MAX_TOKENS
        limits = [limit for limit in (self.num_ctx, self.chat.positions) if limit is not None]
        if limits and len(prompt) + max_tokens > min(limits):
            raise lm15.ContextLengthError(
                f"{len(prompt)} prompt tokens and max_tokens {max_tokens} are more than {min(limits)} "
                f"(num_ctx: {self.num_ctx or 'not set'}, the model's own limit: {self.chat.positions or 'none'}); "
                "shorten the prompt, lower max_tokens, or raise num_ctx up to the model's own limit",
                provider=PROVIDER,
            )
        return Job(prompt, max_tokens, config.temperature or 0.0, config.top_p, config.top_k, config.seed, config.stop)

    def _serve(self) -> None:
        batch: list[_Entry] = []
        try:
            while batch := self._next_batch():
                for (_, future), outcome in zip(batch, self._outcomes([job for job, _ in batch]), strict=True):
                    if isinstance(outcome, Answer):
                        future.set_result(outcome)
                    else:
                        future.set_exception(outcome)
        finally:  # an error that nobody foresaw ends the worker, but must leave nobody waiting
            with self._gate:
                self._closed = True
            while not self._queue.empty():
                if (entry := self._queue.get()) is not None:
                    batch.append(entry)
            for _, future in batch:
                if not future.done():
                    future.set_exception(lm15.ServerError("the engine broke down, see stderr", provider=PROVIDER))

    def _next_batch(self) -> list[_Entry]:
        """Wait for requests; return none at the end of the queue."""
        first = self._queue.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < self.max_batch:
            try:
                entry = self._queue.get(timeout=MAX_WAIT)  # as long as they keep coming, a batch is not begun
            except queue.Empty:
                break
            if entry is None:
                self._queue.put(None)
                break
            batch.append(entry)
        return batch

    def _outcomes(self, jobs: list[Job]) -> list[Answer | lm15.LM15Error]:
        """Return an answer or an error for each job.  A batch that takes too much memory is run in halves."""
        import torch

        kind: type[lm15.LM15Error] = lm15.ServerError
        halve = False
        try:
            return [*self._generate(jobs)]
        except ModelError as error:
            kind, reason = lm15.UnsupportedModelError, str(error)
        except torch.OutOfMemoryError as error:
            halve, reason = len(jobs) > 1, f"out of memory for a single request, lower max_tokens: {reason_of(error)}"
        except (RuntimeError, ValueError, IndexError) as error:
            reason = reason_of(error)
        # Out of the handler, the error is gone, and with it the tensors that its traceback refers to.
        if halve:
            free_memory()
            middle = len(jobs) // 2
            return self._outcomes(jobs[:middle]) + self._outcomes(jobs[middle:])
        return [kind(reason, provider=PROVIDER) for _ in jobs]

    def _generate(self, jobs: list[Job]) -> list[Answer]:
        with self.shelf.borrow(self.path) as checkpoint:
            return checkpoint.generate(jobs)


def _messages_of(request: Request) -> list[dict[str, str]]:
    messages = []
    if request.system is not None:
        parts = (TextPart(request.system),) if isinstance(request.system, str) else request.system
        messages.append({"role": "system", "content": _text_of(parts)})
    messages += [{"role": message.role, "content": _text_of(message.parts)} for message in request.messages]
    return messages


def _text_of(parts: Sequence[Any]) -> str:
    if not all(isinstance(part, TextPart) for part in parts):
        raise lm15.UnsupportedFeatureError("in-process models read text alone", provider=PROVIDER)
    return "\n".join(part.text for part in parts)
