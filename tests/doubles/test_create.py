from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ollama
import pytest

from tests.doubles.ollama import Fault, Model, OllamaDouble
from tests.doubles.raw import Answer, ask, say

NOWHERE = "sha256:" + "0" * 64
CHATML_JINJA = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
LLAMA: dict[str, bytes] = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}',
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "model.safetensors": b"weights",
}


def gguf(**values: str | int | list[str]) -> bytes:
    """The header of a GGUF file; `__` in a key stands for a dot."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = b""
    for key, value in values.items():
        pairs += text(key.replace("__", "."))
        if isinstance(value, int):
            pairs += struct.pack("<II", 4, value)
        elif isinstance(value, str):
            pairs += struct.pack("<I", 8) + text(value)
        else:
            pairs += struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(each) for each in value)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + pairs


def qwen(**more: str | int) -> bytes:
    return gguf(
        general__architecture="qwen2", qwen2__context_length=32768, general__file_type=1,
        tokenizer__ggml__tokens=["a", "b"], **more,
    )  # fmt: skip


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def upload(double: OllamaDouble, contents: Mapping[str, bytes]) -> dict[str, str]:
    digests = {name: digest_of(data) for name, data in contents.items()}
    for name, data in contents.items():
        assert ask(double.url, f"/api/blobs/{digests[name]}", data).status in (200, 201)
    return digests


def create(double: OllamaDouble, contents: Mapping[str, bytes], **more: Any) -> Answer:
    body = {"model": "made", "files": upload(double, contents), "stream": False} | more
    return ask(double.url, "/api/create", body)


def told(double: OllamaDouble, **body: Any) -> list[str]:
    lines = ask(double.url, "/api/create", {"model": "made"} | body).lines()
    return [line.get("status") or f"error: {line['error']}" for line in lines]


def test_blobs_are_new_once(double: OllamaDouble) -> None:
    digest = digest_of(b"data")
    assert ask(double.url, f"/api/blobs/{digest}", method="HEAD").status == 404
    assert ask(double.url, f"/api/blobs/{digest}", b"data").status == 201
    assert ask(double.url, f"/api/blobs/{digest.replace(':', '-')}", b"data").status == 200
    assert ask(double.url, f"/api/blobs/{digest}", method="HEAD").status == 200
    assert ask(double.url, f"/api/blobs/{digest}").status == 405


def test_blobs_with_another_digest_are_refused(double: OllamaDouble) -> None:
    answer = ask(double.url, f"/api/blobs/{NOWHERE}", b"data")
    text = f'digest mismatch, expected "{NOWHERE}", got "{digest_of(b"data")}"'
    assert (answer.status, answer.error) == (400, text)
    assert ask(double.url, "/api/blobs/sha256:12", b"data").error == "invalid digest format"


def test_an_upload_may_be_answered_before_it_is_read(double: OllamaDouble) -> None:
    double.faults.append(Fault("early_200"))
    head = f"POST /api/blobs/{digest_of(b'data')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(double.url.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(head.encode())
        data = b""
        while part := connection.recv(4096):
            data += part
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert double.injected["early_200"] == 1
    assert double.blobs == {}


def test_the_official_client_brings_a_model_over(double: OllamaDouble, client: ollama.Client, tmp_path: Path) -> None:
    (tmp_path / "student.gguf").write_bytes(qwen())
    files = {"student.gguf": client.create_blob(tmp_path / "student.gguf")}
    parameters = {"num_ctx": 8192, "temperature": 0.0, "stop": ["<|im_end|>"]}
    steps = client.create("made:v1", files=files, parameters=parameters, quantize="q8_0", stream=True)
    statuses = [step.status or "" for step in steps]
    assert (statuses[0], statuses[-2:]) == ("parsing GGUF", ["writing manifest", "success"])
    assert "quantizing F16 model to Q8_0" in statuses
    assert any(status.startswith("creating new layer sha256:") for status in statuses)
    made = double.models["made:v1"]
    assert (made.params, made.quantization, made.family, made.train_ctx) == (parameters, "Q8_0", "qwen2", 32768)
    assert client.chat("made:v1", [{"role": "user", "content": "hi"}]).message.content == "Paris"
    assert client.create("again", files=files).status == "success"


def test_a_model_from_another_wins_over_files_and_merges_parameters(double: OllamaDouble) -> None:
    double.models.add(Model("base", params={"num_ctx": 2048, "top_k": 5}, system="Be kind."))
    answer = create(double, LLAMA, **{"from": "base", "parameters": {"num_ctx": 512}, "license": "MIT"})
    assert (answer.status, answer.data) == (200, b'{"status":"success"}')
    assert answer.headers["content-type"] == "application/json"
    made = double.models["made"]
    assert (made.params, made.system, made.license) == ({"num_ctx": 512, "top_k": 5}, "Be kind.", ("MIT",))
    assert made.blob == double.models["base"].blob
    assert ask(double.url, "/api/show", {"model": "made"}).json()["details"]["parent_model"] == "base:latest"


def test_making_a_model_anew_reloads_it(double: OllamaDouble) -> None:
    for system in ("one", "two"):
        assert told(double, **{"from": "student", "system": system})[-1] == "success"
        ask(double.url, "/api/chat", say(model="made"))
    assert double.loads == 2


def test_what_is_there_already_is_used_again(double: OllamaDouble) -> None:
    first, second = (told(double, **{"from": "student"}) for _ in range(2))
    assert any(status.startswith("creating new layer") for status in first)
    assert not any(status.startswith("creating new layer") for status in second)


@pytest.mark.parametrize(
    ("jinja", "version", "mode", "detected"),
    [
        ("", "0.33.0", "rendered", False),
        (CHATML_JINJA, "0.33.0", "rendered", True),
        ("{{ bos_token }}" + "{% odd %}" * 50, "0.33.0", "native", False),
        ("{{ bos_token }}" + "{% odd %}" * 50, "0.24.0", "legacy", False),
        (CHATML_JINJA, "0.30.2", "early_30", True),
    ],
)
def test_the_template_decides_what_happens_to_long_prompts(jinja: str, version: str, mode: str, detected: bool) -> None:
    with OllamaDouble(version=version) as double:
        files = upload(double, {"a.gguf": qwen(**({"tokenizer__chat_template": jinja} if jinja else {}))})
        statuses = told(double, files=files)
        assert ("using autodetected template chatml" in statuses) == detected
        assert double.models["made"].mode == mode
        told(double, files=files, template="{{ .Prompt }}")
        assert double.models["made"].mode == ("rendered" if mode == "native" else mode)


def test_safetensors_are_converted(double: OllamaDouble) -> None:
    statuses = told(double, files=upload(double, LLAMA), quantize="q4_K_M")
    assert statuses[:3] == ["converting model", "validating GGUF model", "verifying conversion"]
    assert "quantizing F16 model to Q4_K_M" in statuses
    made = double.models["made"]
    assert (made.family, made.train_ctx, made.quantization) == ("llama", 2048, "Q4_K_M")


def test_adapters_are_put_on_a_base(double: OllamaDouble) -> None:
    parts = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"lora"}
    adapters = upload(double, parts)
    assert "converting adapter" in told(double, adapters=adapters, **{"from": "student"})
    assert double.models["made"].adapters == tuple(adapters.values())
    assert "ADAPTER sha256-" in ask(double.url, "/api/show", {"model": "made"}).json()["modelfile"]
    double.models.add(Model("other", family="qwen2"))
    answer = create(double, LLAMA, adapters=adapters, **{"from": "other"})
    assert (answer.status, answer.error) == (400, "unsupported architecture")
    lora = upload(double, {"lora.gguf": gguf(general__type="adapter")})
    assert "parsing GGUF" in told(double, adapters=lora, **{"from": "other"})


def without(*names: str, **more: bytes) -> dict[str, bytes]:
    return {name: data for name, data in LLAMA.items() if name not in names} | more


QWEN3 = b'{"architectures": ["Qwen3ForCausalLM"]}'
FAILURES: list[tuple[dict[str, bytes], dict[str, Any], int, str]] = [
    ({"notes.txt": b"hello"}, {}, 400, "unknown type"),
    ({"a.gguf": b"no such thing"}, {}, 400, "supplied file was not in GGUF format"),
    ({"a.gguf": b"GGUF\3\0\0\0"}, {}, 500, "unexpected EOF"),
    (without("config.json"), {}, 500, "open config.json: no such file or directory"),
    (without() | {"config.json": QWEN3}, {}, 500, 'unsupported architecture "Qwen3ForCausalLM"'),
    (without() | {"config.json": b"{}"}, {}, 500, "unknown architecture"),
    (without("tokenizer.json"), {}, 500, "unknown tokenizer format"),
    (LLAMA, {"quantize": "q5_K_M"}, 500,
     "unsupported quantization type Q5_K_M - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0"),
    ({"a.gguf": gguf(general__file_type=7)}, {"quantize": "q4_K_M"}, 500,
     "quantization is only supported for F16, BF16 and F32 models"),
    (LLAMA, {"template": "{{ .Prompt"}, 400, 'template error: template: :1: unexpected "}" in operand'),
    (LLAMA, {"parameters": {"num_ctx": "8192"}}, 500, 'option "num_ctx" must be of type integer'),
    ({}, {}, 400, "neither 'from' or 'files' was specified"),
    ({}, {"from": "zz"}, 500, "pull model manifest: file does not exist"),
    ({}, {"files": {"/etc/x.gguf": NOWHERE}}, 400, "file path must be relative"),
    ({}, {"files": {"../x.gguf": NOWHERE}}, 400, "file path must be relative"),
    ({}, {"files": {"x.gguf": ""}}, 400, "invalid digest format"),
    ({}, {"files": {"x.txt": NOWHERE}}, 400, "unknown type"),
    ({}, {"files": {"x.gguf": NOWHERE}}, 500,
     f"open /usr/share/ollama/.ollama/models/blobs/sha256-{'0' * 64}: no such file or directory"),
    ({}, {"from": "student", "model": "a b"}, 400, "invalid model name"),
]  # fmt: skip


@pytest.mark.parametrize(("contents", "more", "status", "text"), FAILURES)
def test_failures(
    double: OllamaDouble, contents: dict[str, bytes], more: dict[str, Any], status: int, text: str
) -> None:
    answer = create(double, contents, **more)
    assert (answer.status, answer.error) == (status, text)
    body = {"model": "made", "files": {name: digest_of(data) for name, data in contents.items()}} | more
    streamed = ask(double.url, "/api/create", body)
    assert streamed.lines()[-1] == {"error": text}
    assert streamed.status == (status if len(streamed.lines()) == 1 else 200)
    assert "made" not in double.models


def test_failures_while_streaming_have_no_status(double: OllamaDouble, client: ollama.Client) -> None:
    files = upload(double, without("tokenizer.json"))
    with pytest.raises(ollama.ResponseError, match="unknown tokenizer format") as caught:
        list(client.create("made", files=files, stream=True))
    assert caught.value.status_code == -1


def test_creation_may_break_off(double: OllamaDouble) -> None:
    double.faults.append(Fault("error_mid", path="/api/create", after=2, text="no space left on device"))
    assert told(double, files=upload(double, LLAMA))[-1] == "error: no space left on device"
    assert "made" not in double.models


def test_pulling(double: OllamaDouble, client: ollama.Client) -> None:
    double.pullable.add("qwen3:8b")
    steps = list(client.pull("qwen3:8b", stream=True))
    statuses = [step.status or "" for step in steps]
    assert (statuses[0], statuses[-3:]) == (
        "pulling manifest", ["verifying sha256 digest", "writing manifest", "success"]
    )  # fmt: skip
    loading = [step for step in steps if step.digest]
    assert [step.completed for step in loading] == [None, 400, 1000]
    assert {step.total for step in loading} == {1000}
    assert double.pulled == ["qwen3:8b"]
    assert client.chat("qwen3:8b", [{"role": "user", "content": "hi"}]).message.content == "Paris"
    assert client.pull("qwen3:8b").status == "success"


def test_pulling_what_is_not_there(double: OllamaDouble, client: ollama.Client) -> None:
    streamed = ask(double.url, "/api/pull", {"name": "zz"})
    assert streamed.status == 200
    assert streamed.lines() == [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]
    whole = ask(double.url, "/api/pull", {"model": "zz", "stream": False})
    assert (whole.status, whole.error) == (500, "pull model manifest: file does not exist")
    with pytest.raises(ollama.ResponseError) as caught:
        list(client.pull("zz", stream=True))
    assert caught.value.status_code == -1


def test_pulling_may_break_off(double: OllamaDouble) -> None:
    double.pullable.add("qwen3:8b")
    double.faults = [Fault("error_mid", after=3, text="unexpected EOF"), Fault("eof_mid", after=99)]
    assert ask(double.url, "/api/pull", {"model": "qwen3:8b"}).lines()[3:] == [{"error": "unexpected EOF"}]
    assert "qwen3:8b" not in double.models
    assert ask(double.url, "/api/pull", {"model": "qwen3:8b"}).lines()[-1] == {"status": "writing manifest"}


def test_json_is_all_that_progress_consists_of(double: OllamaDouble) -> None:
    answer = ask(double.url, "/api/create", {"model": "made", "from": "student"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert all(json.loads(line) for line in answer.data.splitlines())
