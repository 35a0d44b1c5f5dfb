"""A model made on an Ollama server out of one GGUF file: asked for by digest, sent if it is missing, then created."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rapidfuzz import process

from corpus.errors import ShippingError, TeacherError
from lms.ollama.server import OllamaServer, Progress

QUANTIZATIONS = ("f32", "f16", "q8_0", "q4_K_M", "q4_K_S")
BLOCK = 1 << 20  # bytes that are read from the disk at a time
SECONDS = 1800.0  # to wait for the server: it hashes, converts, and quantises between two lines of progress
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAME = re.compile(rf"(?:{_PART}/)?{_PART}(?::{_PART})?")
OnBytes = Callable[[int, int], None]  # (done, total)


@dataclass(frozen=True)
class Creation:
    """What is to be created beside the weights."""

    template: str | None
    parameters: dict[str, Any] = field(default_factory=dict)
    quantize: str | None = None


def check_name(name: str) -> None:
    """Check a name for a model of one's own: NAME, NAME:TAG, or USER/NAME:TAG; raises ShippingError."""
    if not _NAME.fullmatch(name):
        raise ShippingError(f"{name!r} is no name for a model of Ollama; write for example student or student:v2")
    if re.search(r"(?::|-)cloud$", name, re.IGNORECASE):
        raise ShippingError(f"{name!r} names a model of Ollama's cloud; choose a name that does not end in cloud")


def read_quantization(text: str, known: tuple[str, ...] = QUANTIZATIONS) -> str:
    """Return a quantisation as it is spelt; raises ShippingError, with the nearest, for an unknown one."""
    spelt = {name.lower(): name for name in known}
    if text.lower() in spelt:
        return spelt[text.lower()]
    nearest = process.extractOne(text.lower(), list(spelt))
    near = f"did you mean {spelt[nearest[0]]}? " if nearest and nearest[1] > 50 else ""
    raise ShippingError(f"--quantize {text}: {near}Possible here: {', '.join(known)}")


def upload(server: OllamaServer, file: Path, on_bytes: OnBytes) -> tuple[str, bool]:
    """Send a file unless the server has it; it is read in blocks, never as a whole.

    Returns:
        its digest, and whether it was sent.

    Raises:
        ShippingError: the server cannot be reached, refuses it, or the connection was cut.
    """
    digest = f"sha256:{_hash(file)}"
    path, size = f"/api/blobs/{digest}", file.stat().st_size
    sent = 0

    def blocks() -> Iterator[bytes]:
        nonlocal sent
        with file.open("rb") as source:
            while block := source.read(BLOCK):
                yield block
                sent += len(block)
                on_bytes(sent, size)

    headers = {name: value for name, value in server.connection.headers.items() if name != "Content-Type"}
    with httpx.Client(base_url=server.connection.base_url, timeout=SECONDS, trust_env=False, headers=headers) as client:
        try:
            if client.head(path).status_code == httpx.codes.OK:
                return digest, False
            answer = client.post(path, content=blocks(), headers={"Content-Length": str(size)})
        except httpx.ConnectError as error:
            raise ShippingError(f"cannot reach Ollama at {client.base_url}; is `ollama serve` running?") from error
        except httpx.HTTPError as error:
            if _has(client, path):  # a server that has it may hang up before it has read all
                return digest, True
            raise ShippingError(
                f"the upload to {client.base_url} was cut after {sent:,} of {size:,} bytes; run the command again"
            ) from error
        if answer.is_error:
            raise ShippingError(f"{client.base_url} refuses the file: {_reason(answer)}")
        if not _has(client, path):
            raise ShippingError(f"{client.base_url} took the file but does not have it; is that Ollama itself?")
    return digest, True


def create(server: OllamaServer, file_name: str, digest: str, creation: Creation) -> Iterator[Progress]:
    """Create the model of the server's spec out of an uploaded file, under the file's name.

    Raises:
        ShippingError: the server refuses, breaks off, or ends without success.
    """
    last = ""
    try:
        with server.calling(SECONDS) as client:
            for line in client.create(
                server.spec.name,
                files={file_name: digest},
                template=creation.template,
                parameters=creation.parameters,
                quantize=creation.quantize,
                stream=True,
            ):
                last = line.status or last
                yield Progress(line.status or "", line.completed or 0, line.total or 0)
    except TeacherError as error:
        raise ShippingError(f"the model could not be created: {error}") from error
    if last != "success":
        raise ShippingError(
            f"the model {server.spec.name} could not be created: the server stopped at {last!r}; see the server's log"
        )


def _has(client: httpx.Client, path: str) -> bool:
    try:
        return client.head(path).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _hash(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
