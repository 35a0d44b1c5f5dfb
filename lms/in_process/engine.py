"""A DSPy engine for a local transformers model: requests of many threads are answered in batches.

Beside writing answers it ranks given ones by their likelihood, in batches too.

An engine serves its own checkpoint, and any other that a request names as ``transformers/PATH``: a tuned copy of an
LM, whose engine it shares, is answered with the tuned weights.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from corpus.errors import ModelError
from corpus.text import reason_of
from lms.in_process.chat import PROVIDER, Chat
from lms.in_process.job import Answer, Job, Ranking, Scores, Step
from lms.in_process.shelf import Shelf, free_memory

MAX_WAIT = 0.01  # seconds without a further request after which a batch is run
WORKER = "in-process engine"  # name of the thread that answers
MAX_TOKENS = 256  # of an answer whose request names no limit
PREFIX = "transformers/"  # of a model string that names a checkpoint by its path

_FINGERPRINT = re.compile(r"#[0-9a-f]{12}$")
_Asked = Job | Ranking
_Given = Answer | Scores
_Entry = tuple[str, _Asked, Future[Any]]  # path of the checkpoint, what is asked of it, where that which it gives goes


class InProcessEngine:
    """Serves local checkpoints to many threads; use as a context manager, so that its worker thread ends.

    The model string of a request chooses the checkpoint: ``transformers/PATH``, with or without ``#`` and a
    fingerprint of 12 hexadecimal digits, is the one at that path; any other string means the engine's own.

    Args:
        path: its own checkpoint: a folder or the id of a model on the Hub; see `Checkpoint`.
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
        self._chats: dict[str, Chat] = {}  # of the checkpoints that are not its own
        self._queue: queue.Queue[_Entry | None] = queue.Queue()
        self._gate = threading.Lock()  # nothing enters the queue after its end
        self._closed = False
        self._worker = threading.Thread(target=self._serve, name=WORKER, daemon=True)
        self._worker.start()

    def __deepcopy__(self, memo: dict[int, Any]) -> InProcessEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values, without the shelf."""
        return {"path": self.path, "max_batch": self.max_batch, "num_ctx": self.num_ctx}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> InProcessEngine:
        """Rebuild an engine from `dump_state`, with a shelf of its own."""
        return cls(**state)

    def __enter__(self) -> InProcessEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer what is waiting, end the worker thread, and unload checkpoints if the shelf is the engine's own."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._worker.join()
        if self._owns_shelf:
            for path in (self.path, *list(self._chats)):
                self.shelf.unload(path)

    def load(self, model: str = "") -> None:
        """Load the checkpoint that a model string means, by default the engine's own, unless it is loaded.

        Raises:
            ModelError: it cannot be loaded.
        """
        path = self._path_of(model)
        with self.shelf.borrow(path) as checkpoint:
            if path != self.path:
                self._chats[path] = checkpoint.chat

    def unload(self, model: str = "") -> None:
        """Free the memory of that checkpoint, once nobody uses it; the next request loads it again."""
        path = self._path_of(model)
        self.shelf.unload(path)
        self._chats.pop(path, None)

    def complete(self, request: Request) -> Response:
        """Answer one request, in a batch with those of other threads.

        Without a temperature the answer is greedy.  With a temperature and a seed it is the same whenever the same is
        asked, in whatever company.

        Raises:
            lm15.ContextLengthError: prompt and `max_tokens` do not fit the context.
            lm15.InvalidRequestError: the model has no chat template, or one that does not take these messages.
            lm15.UnsupportedFeatureError: a message holds something that is not text.
            lm15.UnsupportedModelError: the checkpoint cannot be loaded, or not again after it was unloaded.
            lm15.NotConfiguredError: the engine is closed.
            lm15.ServerError: torch failed, for lack of memory for one.
        """
        path = self._path_of(request.model)
        job = self._job(request, self._chat_of(path))
        answer: Answer = self._ask(path, job)
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(answer.text)]),
            finish_reason="stop" if answer.stopped else "length",
            usage=Usage(input_tokens=len(job.prompt), output_tokens=answer.tokens),
        )

    def rank(self, messages: Sequence[dict[str, str]], steps: Sequence[Step]) -> Scores:
        """Return how likely its own checkpoint finds the texts of each step as answers to ``messages``.

        The texts of a step follow what was likeliest in the steps before it, the first of equals; questions of other
        threads are ranked in the same batch.

        Returns:
            Per step the log-probability of each of its texts: the mean per token or the total, as the step says, of
            the tokens after what all its texts begin with.

        Raises:
            lm15.LM15Error: as `complete`.
        """
        prompt = self.chat.encode(self.chat.render(messages))
        room = sum(max(len(self.chat.encode(text)) for text in step.texts) for step in steps)
        self._check(self.chat, len(prompt), room, "texts of")
        scores: Scores = self._ask(self.path, Ranking(prompt, tuple(steps), room))
        return scores

    def _ask(self, path: str, asked: _Asked) -> Any:
        future: Future[Any] = Future()
        with self._gate:
            if self._closed:
                raise lm15.NotConfiguredError(f"the engine of {self.path} is closed", provider=PROVIDER)
            self._queue.put((path, asked, future))
        return future.result()

    def _path_of(self, model: str) -> str:
        return path_of(model) or self.path

    def _chat_of(self, path: str) -> Chat:
        if path == self.path:
            return self.chat
        if (chat := self._chats.get(path)) is None:
            try:
                with self.shelf.borrow(path) as checkpoint:
                    chat = self._chats[path] = checkpoint.chat
            except ModelError as error:
                raise lm15.UnsupportedModelError(str(error), provider=PROVIDER) from error
        return chat

    def _job(self, request: Request, chat: Chat) -> Job:
        config = request.config
        prompt = chat.encode(chat.render(_messages_of(request)))
        max_tokens = config.max_tokens or MAX_TOKENS
        self._check(chat, len(prompt), max_tokens, "max_tokens")
        return Job(prompt, max_tokens, config.temperature or 0.0, config.top_p, config.top_k, config.seed, config.stop)

    def _check(self, chat: Chat, prompt: int, answer: int, named: str) -> None:
        limits = [limit for limit in (self.num_ctx, chat.positions) if limit is not None]
        if limits and prompt + answer > min(limits):
            raise lm15.ContextLengthError(
                f"{prompt} prompt tokens and {named} {answer} are more than {min(limits)} "
                f"(num_ctx: {self.num_ctx or 'not set'}, the model's own limit: {chat.positions or 'none'}); "
                "shorten the prompt, lower max_tokens, or raise num_ctx up to the model's own limit",
                provider=PROVIDER,
            )

    def _serve(self) -> None:
        batch: list[_Entry] = []
        try:
            while batch := self._next_batch():
                for (path, _), entries in _by_kind(batch).items():
                    outcomes = self._outcomes([asked for _, asked, _ in entries], path)
                    for (_, _, future), outcome in zip(entries, outcomes, strict=True):
                        if isinstance(outcome, lm15.LM15Error):
                            future.set_exception(outcome)
                        else:
                            future.set_result(outcome)
        finally:  # an error that nobody foresaw ends the worker, but must leave nobody waiting
            with self._gate:
                self._closed = True
            while not self._queue.empty():
                if (entry := self._queue.get()) is not None:
                    batch.append(entry)
            for _, _, future in batch:
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

    def _outcomes(self, jobs: Sequence[_Asked], path: str | None = None) -> list[_Given | lm15.LM15Error]:
        """Return what each job asks for, or an error.  A batch that takes too much memory is run in halves.

        The jobs are of one kind.
        """
        import torch

        kind: type[lm15.LM15Error] = lm15.ServerError
        halve = False
        try:
            return [*self._compute(jobs, path or self.path)]
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
            return self._outcomes(jobs[:middle], path) + self._outcomes(jobs[middle:], path)
        return [kind(reason, provider=PROVIDER) for _ in jobs]

    def _compute(self, jobs: Sequence[_Asked], path: str) -> Sequence[_Given]:
        with self.shelf.borrow(path) as checkpoint:
            if rankings := [job for job in jobs if isinstance(job, Ranking)]:
                return checkpoint.rank(rankings, self.max_batch)
            return checkpoint.generate([job for job in jobs if isinstance(job, Job)])


def path_of(model: str) -> str:
    """Return the path in a model string ``transformers/PATH`` with or without a fingerprint; of any other, nothing."""
    return _FINGERPRINT.sub("", model).removeprefix(PREFIX) if model.startswith(PREFIX) else ""


def _by_kind(batch: list[_Entry]) -> dict[tuple[str, type[_Asked]], list[_Entry]]:
    """Part a batch by checkpoint and by what is asked of it."""
    entries: dict[tuple[str, type[_Asked]], list[_Entry]] = {}
    for entry in batch:
        path, asked, _ = entry
        entries.setdefault((path, type(asked)), []).append(entry)
    return entries


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
