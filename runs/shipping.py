"""From a run to where its student is served: an Ollama server, a GGUF file, or a folder for vLLM."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from dspy import lm15
from pydantic import ValidationError
from rapidfuzz import process

from corpus.errors import RunError, ShippingError, UsageError
from finetune.job import is_finished
from finetune.loading import load_generation_config
from finetune.shipping.gguf_file import KINDS, Kind, adds_bos, make_gguf
from finetune.shipping.llama_cpp import is_installed, open_gguf
from finetune.shipping.merged import write_merged
from finetune.shipping.parity import Ask, Parity, ask_engine, compare
from finetune.shipping.prompt_form import PromptForm, check_chat, find_prompt_form
from finetune.shipping.room import check_room
from finetune.tokens import end_tokens
from lms.build import connect
from lms.in_process.chat import Chat
from lms.ollama.create import Creation, check_name, create, read_quantization, upload
from lms.ollama.engine import OllamaEngine
from lms.ollama.server import OllamaServer
from lms.spec import ModelSpec
from runs.folder import read_run

TARGETS = ("ollama", "gguf", "merged")
JINJA_SINCE = (0, 30)  # the release from which Ollama runs the chat template in a GGUF
MOST_CONTEXT, LEAST_CONTEXT = 8192, 512  # tokens; a server reserves memory for all of them
UNQUANTIZED = ("f32", "f16")
Say = Callable[[str], None]
Update = Callable[[str, int, int], None]  # (what is being done, done, total)


@dataclass(frozen=True)
class Shipped:
    """What came of it: the entry for `lms:` as YAML (for Ollama), and the comparison if there was one."""

    lines: str
    parity: Parity | None


def read_target(text: str) -> tuple[str, str]:
    """Split KIND:PLACE; raises UsageError."""
    kind, colon, place = text.partition(":")
    if kind in TARGETS and place:
        return kind, place
    nearest = process.extractOne(kind, TARGETS, score_cutoff=60) if kind not in TARGETS and colon else None
    near = f"did you mean {nearest[0]}:{place}? " if nearest else ""
    raise UsageError(f"--to {text}: {near}write ollama:NAME, gguf:FILE, or merged:DIR")


def find_student(path: Path) -> Path:
    """Return the folder of the merged student of a run, of a training job, or of a model itself.

    Raises:
        RunError: there is none (yet).
    """
    if (path / "recipe.yaml").is_file():
        read_run(path).require("train")
        folder = path / "student" / "tuned"
    elif (path / "adapter_config.json").is_file():
        raise RunError(f"{path} holds an adapter alone; name the run, whose student/tuned is merged, or merge it first")
    elif (path / "config.json").is_file():
        folder = path
    elif (path / "job.json").is_file() or (path / "tuned").is_dir():
        if (path / "job.json").is_file() and not is_finished(path):
            raise RunError(f"{path}: the training is not done; run `python -m finetune {path}` first")
        folder = path / "tuned"
    else:
        raise RunError(f"{path} is not a run folder, and no model folder either; name one, for example out/quickstart")
    if not ((folder / "config.json").is_file() and any(folder.glob("*.safetensors"))):
        raise RunError(f"{folder} holds no model (config.json and *.safetensors); train again")
    return folder


def ship_to_merged(model: Path, folder: Path, quantize: str | None) -> None:
    """Write a folder for vLLM; raises ShippingError, see `write_merged`."""
    if quantize is not None:
        raise UsageError("--quantize has no meaning with merged:DIR: vLLM quantises on loading")
    check_room(model, folder)
    write_merged(model, folder)


def ship_to_gguf(model: Path, file: Path, quantize: str | None, converter: Path | None, say: Say) -> Shipped:
    """Write a GGUF file and, where llama-cpp-python is installed, compare it with the student.

    Raises:
        ShippingError: it cannot be written, or is not the same; a file that is not the same stays.
    """
    kind = read_quantization(quantize or "f16", tuple(KINDS))
    if file.is_dir():
        raise ShippingError(f"gguf:{file} is a folder; name a file, for example {file / 'student.gguf'}")
    check_room(model, file.parent)
    say(f"writing {file} ({kind})")
    make_gguf(model, file, cast(Kind, kind), converter)
    if not is_installed():
        say("not compared with the student: llama-cpp-python is not installed")
        return Shipped("", None)
    with (
        _ours(model) as (chat, ours),
        open_gguf(file, chat, _ends(model, chat), _context(chat)) as theirs,
        _answering(str(file)),
    ):
        return Shipped("", compare(chat, ours, theirs, str(file), kind in UNQUANTIZED))


def ship_to_ollama(
    model: Path,
    name: str,
    quantize: str | None,
    base_url: str | None,
    replace: bool,
    converter: Path | None,
    say: Say,
    update: Update,
) -> Shipped:
    """Make the student a model of an Ollama server, and compare what it says there with the student.

    Args:
        replace: whether a model of that name may be replaced.

    Raises:
        UsageError: the address cannot be one.
        ShippingError: it cannot be made, or is not the same; a model that is not the same stays there.
        TeacherError: the server cannot be reached.
    """
    check_name(name)
    kind = None if quantize is None else read_quantization(quantize)
    with _ours(model) as (chat, ours):
        spec = _spec(name, base_url, _context(chat))
        with _connected(spec) as server:
            version = server.version()
            if not replace and server.facts() is not None:
                raise ShippingError(f"the server has a model {name} already; choose another name, or add --replace")
            with tempfile.TemporaryDirectory(prefix="emoreason-ship-") as temporary:
                check_room(model, Path(temporary))
                file = Path(temporary) / "student.gguf"
                update("writing the GGUF file", 0, 0)
                make_gguf(model, file, "f32" if kind == "f32" else "f16", converter)
                form = find_prompt_form(chat, sorted(_ends(model, chat)), adds_bos(file))
                _tell(form, version, say)
                digest, sent = upload(server, file, lambda done, total: update("sending it", done, total))
                if not sent:
                    say("the server has the weights already; they are not sent again")
            _create(server, digest, form, kind, update)
            update("comparing answers", 0, 0)
            engine = OllamaEngine(spec, server.connection)
            where = f"the model {name} of {server.connection.base_url}"
            with _answering(where):
                exact = kind is None or kind in UNQUANTIZED
                parity = compare(chat, ours, ask_engine(engine.complete), where, exact)
    return Shipped(_lines(spec), parity)


def _tell(form: PromptForm, version: tuple[int, ...], say: Say) -> None:
    for warning in form.warnings:
        say(f"warning: {warning}")
    if form.template is None and version < JINJA_SINCE:
        release = ".".join(map(str, version))
        raise ShippingError(f"{form.warnings[0]}; this is {release}: update Ollama to 0.30 or newer")


def _create(server: OllamaServer, digest: str, form: PromptForm, kind: str | None, update: Update) -> None:
    parameters: dict[str, Any] = {
        "num_ctx": server.spec.num_ctx,
        "temperature": 0.0,
        "repeat_penalty": 1.0,  # some releases add one, which turns greedy answers into others
        "stop": list(form.stop),
    }
    wanted = None if kind in (None, *UNQUANTIZED) else kind
    for line in create(server, "student.gguf", digest, Creation(form.template, parameters, wanted)):
        update(line.status, line.done, line.total)


def _spec(name: str, base_url: str | None, num_ctx: int) -> ModelSpec:
    room = {"max_tokens": min(1024, num_ctx // 2), "num_ctx": num_ctx}
    try:
        return ModelSpec(model=f"ollama_chat/{name}", base_url=base_url, temperature=0.0, **room)
    except ValidationError as error:
        (first, *_) = error.errors()
        raise UsageError(f"--base-url {base_url}: {first['msg'].removeprefix('Value error, ')}") from error


def _lines(spec: ModelSpec) -> str:
    fields = spec.model_dump(exclude_defaults=True, exclude_none=True)
    text: str = yaml.safe_dump({"student": fields}, sort_keys=False, allow_unicode=True)
    return text


@contextmanager
def _connected(spec: ModelSpec) -> Iterator[OllamaServer]:
    with closing(connect(spec)) as server, closing(server.connection):
        yield server


@contextmanager
def _ours(model: Path) -> Iterator[tuple[Chat, Ask]]:
    from lms.in_process.engine import InProcessEngine

    with InProcessEngine(str(model)) as engine:
        check_chat(engine.chat)
        yield engine.chat, ask_engine(engine.complete)


@contextmanager
def _answering(where: str) -> Iterator[None]:
    try:
        yield
    except lm15.LM15Error as error:
        raise ShippingError(f"{where} is there, but could not be compared: {error}") from error


def _context(chat: Chat) -> int:
    return max(LEAST_CONTEXT, min(MOST_CONTEXT, chat.positions or MOST_CONTEXT))


def _ends(model: Path, chat: Chat) -> set[int]:
    return end_tokens(chat, load_generation_config(str(model)))
