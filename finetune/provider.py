"""`lm.finetune` of DSPy for local models: the training is a job folder, run in a process of its own.

    lm = dspy.LM("transformers/PATH", engine=InProcessEngine("PATH"), provider=TRLProvider())
    tuned = lm.finetune(data, TrainDataFormat.CHAT, {"epochs": 3}).result()

The tuned LM shares the engine of the first one and is told apart by its model string; see docs/dspy-finetuning.md.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dspy
from dspy.clients.provider import Provider, TrainingJob
from dspy.clients.utils_finetune import TrainDataFormat, TrainingStatus
from pydantic import BaseModel, ValidationError
from rapidfuzz import process

from corpus.errors import TrainingError
from finetune.config import LoraSection, TrainConfig
from finetune.job import TUNED, is_finished, write_job
from finetune.log import LOG, SHOWN, read_end
from finetune.rows import Row
from lms.build import identify_folder
from lms.in_process.engine import PREFIX, InProcessEngine, path_of
from lms.resilient import ResilientEngine

PAUSE = 0.1  # seconds between looks at a process or a lock, and at whether the job was cancelled meanwhile
GRACE = 10.0  # seconds a process may take to end by itself once it was told to
HELD_OUT = 10  # of so many rows one is for the validation loss, where the config looks at it
_OF_RECIPES = ("base", "scratch", "formats", "with_items", "rename")  # keys that say what rows are made of


class SFTJob(TrainingJob):
    """One training.  Its result is the tuned `dspy.LM`; `result()` raises what went wrong."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.folder: Path | None = None  # where it is done, once data and settings were found to be in order
        self._status = TrainingStatus.pending
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()

    def status(self) -> TrainingStatus:
        """Return pending, running, succeeded, failed, or cancelled."""
        return self._status

    def log(self, lines: int = 20) -> list[str]:
        """Return the last lines that the training wrote; none before it began."""
        return [] if self.folder is None else read_end(self.folder / LOG, lines)

    def cancel(self) -> bool:
        """End the training; its checkpoints stay, and an equal job goes on from them.  False if it was done."""
        with self._guard:
            if not Future.cancel(self):
                return False
            self._status = TrainingStatus.cancelled
            if self._process is not None:
                _signal(self._process, signal.SIGTERM)
        return True

    def set_result(self, result: Any) -> None:
        """Take the tuned LM, or the exception that DSPy gives as the result; of a cancelled job nothing is taken."""
        with self._guard:
            if self.cancelled():
                return
            failed = isinstance(result, BaseException)
            self._status = TrainingStatus.failed if failed else TrainingStatus.succeeded
            if failed:
                self.set_exception(result)
            else:
                super().set_result(result)

    def run(self, command: Sequence[str], log: Path, lock: int) -> int:
        """Run the process of the training to its end, and return its exit status.

        It gets the descriptor of the folder's lock, so that the folder stays taken if only this process is killed.
        """
        with log.open("wb") as file:
            with self._guard:
                if self.cancelled():
                    return -signal.SIGTERM
                self._status = TrainingStatus.running
                self._process = process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # an interrupt at the keyboard is for the caller to deal with
                    pass_fds=(lock,),
                )
            told: float | None = None
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(PAUSE)
                if self.cancelled():
                    told = told or time.monotonic()
                    if time.monotonic() - told > GRACE:
                        _signal(process, signal.SIGKILL)


class TRLProvider(Provider):
    """Tunes local checkpoints, one job folder per base, settings, and rows.

    Args:
        folder: holds the job folders; relative to the working directory.
        python: the interpreter that trains.
        seed: of the order of rows, and of an adapter's first weights.
    """

    def __init__(self, folder: str | Path = "out/tuned", python: str = sys.executable, seed: int = 0):
        super().__init__()
        self.finetunable, self.TrainingJob = True, SFTJob
        self.folder, self.python, self.seed = Path(folder), python, seed

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether it is a local checkpoint."""
        return bool(path_of(model))

    def launch(self, lm: dspy.LM, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Load the checkpoint of an LM, unless it is loaded; raises ModelError when it cannot be."""
        if path_of(lm.model) and isinstance(lm.engine, InProcessEngine | ResilientEngine):
            lm.engine.load(lm.model)

    def kill(self, lm: dspy.LM, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Free the memory of the checkpoint of an LM; the next request loads it again."""
        if path_of(lm.model) and isinstance(lm.engine, InProcessEngine | ResilientEngine):
            lm.engine.unload(lm.model)

    def finetune(
        self,
        job: SFTJob,
        model: str,
        train_data: list[dict[str, Any]],
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Tune a model on chats and return the tuned one's model string, which no other training has.

        Args:
            model: ``transformers/PATH``.
            train_data: ``{"messages": [{"role": …, "content": …}, …]}`` each, the last one the assistant's: the model
                learns to write that one.
            train_kwargs: keys of `TrainConfig`.

        Raises:
            TrainingError: the model is no local one, data or settings are not in order, or the training failed.
        """
        base = path_of(model)
        if not base:
            raise TrainingError(
                f"{model} cannot be tuned here: tune a local model, transformers/PATH; "
                "`emoreason ship` brings the tuned one into Ollama"
            )
        if train_data_format != TrainDataFormat.CHAT:
            raise TrainingError(f"train_data_format is {train_data_format}; only TrainDataFormat.CHAT can be tuned on")
        if Path(base).is_dir():
            base = str(Path(base).resolve())
        config, rows = read_config(base, train_kwargs or {}), read_rows(train_data)
        folder = self.folder.resolve() / _name(base, config, rows, self.seed)
        folder.mkdir(parents=True, exist_ok=True)
        job.folder = folder
        with _hold(folder, job) as lock:
            if not is_finished(folder):
                train, validation = _split(rows, config)
                write_job(folder, base, config, self.seed, train, validation)
                status = job.run([self.python, "-m", "finetune", str(folder)], folder / LOG, lock)
                if status or not is_finished(folder):
                    raise _failure(folder, status)
        return f"{PREFIX}{folder / TUNED}"


def read_config(base: str, train_kwargs: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a training of ``base``.

    Raises:
        TrainingError: a key is unknown or for recipes alone, or a value impossible; the message names the key.
    """
    for key in _OF_RECIPES:
        if key in train_kwargs:
            why = "the base is the LM's own checkpoint" if key == "base" else "the rows are those of the training data"
            raise TrainingError(f"train_kwargs: {key} is for recipes alone; leave it out, {why}")
    try:
        return TrainConfig.model_validate({**train_kwargs, "base": base})
    except ValidationError as error:
        first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise TrainingError(f"train_kwargs: {key} cannot be {first['input']!r}: {problem}" if key else problem)
    keys = [name for name in _keys_of(TrainConfig) if name not in _OF_RECIPES]
    keys += [f"lora.{name}" for name in _keys_of(LoraSection)]
    near = process.extractOne(key, keys, score_cutoff=60)
    hint = f"do you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"
    raise TrainingError(f"train_kwargs: there is no key {key}; {hint}")


def read_rows(data: Sequence[Any]) -> list[Row]:
    """Return chats as prompt/completion rows: what the last message says is learned, the others lead to it.

    Raises:
        TrainingError: there are none, or one is no chat, empty, or does not end with the assistant; it is named by
            its number, counted from 1.
    """
    if not data:
        raise TrainingError("there are no rows to train on; did the metric let any through?")
    rows: list[Row] = []
    for number, chat in enumerate(data, 1):
        if (problem := _problem(chat)) is not None:
            raise TrainingError(f"row {number} of {len(data)} cannot be trained on: {problem}")
        messages = [{"role": message["role"], "content": message["content"]} for message in chat["messages"]]
        rows.append({"id": f"row {number}", "prompt": messages[:-1], "completion": messages[-1:]})
    return rows


def _problem(chat: Any) -> str | None:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not isinstance(messages, list):
        return 'it is no chat; a row is {"messages": [{"role": …, "content": …}, …]}'
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
            return "the role of each message is system, user, or assistant"
        if not isinstance(message.get("content"), str):
            return "the content of each message is text"
    if not messages or messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
        return "the last message must be the assistant's, and not empty"
    if not any(message["role"] == "user" and message["content"].strip() for message in messages):
        return "no user says anything"
    return None


def _keys_of(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _name(base: str, config: TrainConfig, rows: list[Row], seed: int) -> str:
    """What decides the tuned weights, as 16 hexadecimal digits: base and its files, settings, rows, and seed."""
    decisive = [base, identify_folder(Path(base)), config.model_dump(mode="json"), rows, seed]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _split(rows: list[Row], config: TrainConfig) -> tuple[list[Row], list[Row]]:
    """Hold rows out only where the validation loss decides something."""
    if config.patience is None and config.keep == "last":
        return rows, []
    return [row for number, row in enumerate(rows, 1) if number % HELD_OUT], rows[HELD_OUT - 1 :: HELD_OUT]


@contextmanager
def _hold(folder: Path, job: SFTJob) -> Iterator[int]:
    """Take the folder for one job at a time, of all processes; give the descriptor of its lock.

    Not `filelock`: the training process must be able to inherit the lock.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _lock(descriptor):
            if job.cancelled():
                raise TrainingError(f"{folder}: the job was cancelled while it waited for an equal one")
            time.sleep(PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Tell the whole session of the process, with the workers that it may have."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _failure(folder: Path, status: int) -> TrainingError:
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with exit status {status}"
    end = " | ".join(read_end(folder / LOG, SHOWN)) or "nothing"
    return TrainingError(f"the training in {folder} {how}; {LOG} ends with: {end}")
