"""`POST /api/create`: a model from a local one, from safetensors, or from a GGUF file, all uploaded as blobs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from tests.doubles.blobs import check_digest
from tests.doubles.call import Call
from tests.doubles.checks import check_options
from tests.doubles.gguf import FILE_TYPES, MAGIC, UNQUANTIZED, read_metadata
from tests.doubles.models import CHATML, Model, check_name, full_name, mode_of
from tests.doubles.progress import Event, report
from tests.doubles.pull import fetch
from tests.doubles.wire import Page, Refusal, Stream, dump, load_object

# What the converter reads from safetensors, and the GGUF architecture that it makes of it (a part of the list).
ARCHITECTURES = {
    "LlamaForCausalLM": "llama", "MllamaForConditionalGeneration": "mllama", "Llama4ForConditionalGeneration": "llama4",
    "Mistral3ForConditionalGeneration": "mistral3", "Ministral3ForCausalLM": "mistral3", "MixtralForCausalLM": "llama",
    "GemmaForCausalLM": "gemma", "Gemma2ForCausalLM": "gemma2", "Gemma3ForCausalLM": "gemma3",
    "Gemma3ForConditionalGeneration": "gemma3", "Phi3ForCausalLM": "phi3", "Qwen2ForCausalLM": "qwen2",
    "Olmo3ForCausalLM": "olmo3", "BertModel": "bert", "CohereForCausalLM": "command-r", "GptOssForCausalLM": "gptoss",
    "DeepseekV3ForCausalLM": "deepseek2", "Lfm2ForCausalLM": "lfm2",
}  # fmt: skip
ADAPTABLE = ("llama", "gemma2")
QUANTIZATIONS = ("F32", "F16", "BF16", "Q4_K_S", "Q4_K_M", "Q8_0")
_SUPPORTED = "supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0"
_CHATML_LENGTH = 400  # a template with ChatML's marks and no longer than this is taken for ChatML

Files = dict[str, str]  # name → digest


def create(call: Call) -> Page | Stream:
    """Make a model; raises Refusal (400) at once for names and digests, the rest is told as progress."""
    body = load_object(call.raw, "api.CreateRequest")
    for files in (body.get("files") or {}, body.get("adapters") or {}):
        for name, digest in files.items():
            if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise Refusal(400, "file path must be relative")
            check_digest(digest)
    name = check_name(body.get("model") or body.get("name") or "")
    return report(call, body, _make(call, name, body))


def _make(call: Call, name: str, body: dict[str, Any]) -> Generator[Event]:
    if source := body.get("from"):
        check_name(source)
        if source not in call.double.models:
            yield from fetch(call, source)
        base = call.double.models[source]
        model = replace(base, name=name, parent=base.name)
    elif files := body.get("files"):
        model = yield from _import(call, name, _digests(files))
    else:
        raise Refusal(400, "neither 'from' or 'files' was specified")
    if adapters := body.get("adapters"):
        model = yield from _adapt(call, model, _digests(adapters))
    if kind := body.get("quantize") or body.get("quantization"):
        model = yield from _quantize(model, kind.upper())
    model = _described(model, body)
    yield from _layers(call, model)
    yield {"status": "writing manifest"}
    model.digest = hashlib.sha256(dump(model.show() | {"blob": model.blob})).hexdigest()
    model.modified = time.time_ns()
    call.double.models.add(model)
    call.double.scheduler.mark_stale(model)
    yield {"status": "success"}


def _digests(files: Files) -> Files:
    return {name: check_digest(digest) for name, digest in files.items()}


def _import(call: Call, name: str, files: Files) -> Generator[Event, None, Model]:
    kind = _kind_of(call, files)
    if kind == "gguf":
        yield {"status": "parsing GGUF"}
        made = _from_gguf(call, name, files)
    else:
        contents = {file: _open(call, digest) for file, digest in files.items()}
        yield {"status": "converting model"}
        made = _from_safetensors(call, name, contents)
        yield {"status": "validating GGUF model"}
        yield {"status": "verifying conversion"}
    if made.template == CHATML:
        yield {"status": "using autodetected template chatml"}
    return made


def _kind_of(call: Call, files: Files) -> str:
    for name, digest in files.items():
        if name.endswith((".safetensors", ".gguf")):
            return name.rpartition(".")[2]
        if digest not in call.double.blobs:
            break
        if call.double.blobs[digest].startswith(MAGIC):
            return "gguf"
    raise Refusal(400, "unknown type")


def _open(call: Call, digest: str) -> bytes:
    if digest not in call.double.blobs:
        path = f"/usr/share/ollama/.ollama/models/blobs/{digest.replace(':', '-')}"
        raise Refusal(500, f"open {path}: no such file or directory")
    return call.double.blobs[digest]


def _from_gguf(call: Call, name: str, files: Files) -> Model:
    (digest, *_) = files.values()
    data = _open(call, digest)
    metadata = _metadata(data)
    family = metadata.get("general.architecture", "llama")
    return Model(
        name,
        **_template(call, metadata.get("tokenizer.chat_template", "")),
        train_ctx=metadata.get(f"{family}.context_length", 4096),
        family=family,
        size=len(data),
        blob=digest.removeprefix("sha256:"),
        quantization=FILE_TYPES.get(metadata.get("general.file_type", 1), "unknown"),
    )


def _metadata(data: bytes) -> dict[str, Any]:
    if not data.startswith(MAGIC):
        raise Refusal(400, "supplied file was not in GGUF format")
    try:
        return read_metadata(data)
    except EOFError as error:
        raise Refusal(500, "unexpected EOF") from error


def _from_safetensors(call: Call, name: str, contents: dict[str, bytes]) -> Model:
    if "config.json" not in contents:
        raise Refusal(500, "open config.json: no such file or directory")
    config = json.loads(contents["config.json"])
    architectures = config.get("architectures") or []
    if not architectures:
        raise Refusal(500, "unknown architecture")
    if architectures[0] not in ARCHITECTURES:
        raise Refusal(500, f'unsupported architecture "{architectures[0]}"')
    if not {"tokenizer.json", "tokenizer.model"} & set(contents):
        raise Refusal(500, "unknown tokenizer format")
    template = json.loads(contents.get("tokenizer_config.json", b"{}")).get("chat_template", "")
    return Model(
        name,
        **_template(call, template),
        train_ctx=config.get("max_position_embeddings", 4096),
        family=ARCHITECTURES[architectures[0]],
        size=sum(len(data) for file, data in contents.items() if file.endswith(".safetensors")),
        blob=hashlib.sha256(b"".join(contents.values())).hexdigest(),
        quantization="F16",
    )


def _template(call: Call, jinja: str) -> dict[str, Any]:
    """A chat template near ChatML becomes ChatML as Ollama writes it; others stay and are left to the runner."""
    version = call.double.version
    if "<|im_start|>" in jinja and len(jinja) <= _CHATML_LENGTH:
        return {"template": CHATML, "mode": mode_of(version)}
    if jinja:
        return {"template": jinja, "mode": mode_of(version, jinja=True)}
    return {"template": "{{ .Prompt }}", "mode": mode_of(version)}


def _adapt(call: Call, model: Model, adapters: Files) -> Generator[Event, None, Model]:
    if _kind_of(call, adapters) == "gguf":
        for digest in adapters.values():
            _metadata(_open(call, digest))
        yield {"status": "parsing GGUF"}
    else:
        contents = {name: _open(call, digest) for name, digest in adapters.items()}
        yield {"status": "converting adapter"}
        if model.family not in ADAPTABLE:
            raise Refusal(400, "unsupported architecture")
        if "adapter_config.json" not in contents:
            raise Refusal(500, "open adapter_config.json: no such file or directory")
    return replace(model, adapters=tuple(adapters.values()))


def _quantize(model: Model, kind: str) -> Generator[Event, None, Model]:
    kind = "Q4_K_M" if kind == "Q4_K" else kind
    if kind not in QUANTIZATIONS:
        raise Refusal(500, f"unsupported quantization type {kind} - {_SUPPORTED}")
    if model.quantization not in UNQUANTIZED:
        raise Refusal(500, "quantization is only supported for F16, BF16 and F32 models")
    told = {"status": f"quantizing {model.quantization} model to {kind}", "digest": "0" * 19, "total": model.size}
    yield told
    yield told | {"completed": model.size}
    yield {"status": "verifying conversion"}
    blob = hashlib.sha256(f"{model.blob} as {kind}".encode()).hexdigest()
    return replace(model, quantization=kind, blob=blob)


def _described(model: Model, body: dict[str, Any]) -> Model:
    """Set what the request says besides the weights: its parameters win over the base's."""
    given: dict[str, Any] = {"params": model.params | check_options(body.get("parameters") or {})}
    if template := body.get("template"):
        if template.count("{{") != template.count("}}"):
            raise Refusal(400, 'template error: template: :1: unexpected "}" in operand')
        given |= {"template": template, "mode": "rendered" if model.mode == "native" else model.mode}
    if system := body.get("system"):
        given["system"] = system
    if messages := body.get("messages"):
        given["messages"] = tuple(messages)
    if text := body.get("license"):
        given["license"] = (text,) if isinstance(text, str) else tuple(text)
    return replace(model, **given)


def _layers(call: Call, model: Model) -> Generator[Event]:
    parts = [model.template, model.system, json.dumps(model.params, sort_keys=True), full_name(model.name)]
    digests = [model.blob, *(digest.removeprefix("sha256:") for digest in model.adapters)]
    digests += [hashlib.sha256(part.encode()).hexdigest() for part in parts if part not in ("", "{}")]
    for digest in digests:
        known = digest in call.double.layers
        call.double.layers.add(digest)
        yield {"status": f"{'using existing' if known else 'creating new'} layer sha256:{digest}"}
