"""Uploads and creation on an Ollama server (lms/ollama/create.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from corpus.errors import ShippingError
from lms.build import connect
from lms.ollama.create import BLOCK, Creation, check_name, create, read_quantization, upload
from lms.ollama.server import OllamaServer
from lms.spec import ModelSpec
from tests.doubles.ollama import Fault, OllamaDouble


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble() as double:
        yield double


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "student.gguf"
    path.write_bytes(b"\x07" * (2 * BLOCK + 5))
    return path


@contextmanager
def connected(url: str, name: str = "student") -> Iterator[OllamaServer]:
    server = connect(ModelSpec(model=f"ollama_chat/{name}", base_url=url))
    with closing(server), closing(server.connection):
        yield server


def nothing(done: int, total: int) -> None:
    pass


def test_a_file_is_sent_once_and_its_progress_told(double: OllamaDouble, file: Path) -> None:
    told: list[tuple[int, int]] = []
    with connected(double.url) as server:
        digest, sent = upload(server, file, lambda done, total: told.append((done, total)))
        again = upload(server, file, nothing)
    assert digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert (sent, again) == (True, (digest, False))
    assert double.blobs[digest] == file.read_bytes()
    size = file.stat().st_size
    assert told == [(BLOCK, size), (2 * BLOCK, size), (size, size)]
    assert [r.method for r in double.requests if r.path.startswith("/api/blobs/")].count("POST") == 1


def test_a_cut_upload_is_one_line(double: OllamaDouble, file: Path) -> None:
    double.faults.append(Fault("reset", path="/api/blobs/*", skip=1))
    with connected(double.url) as server, pytest.raises(ShippingError, match=r"was cut after .* run the command again"):
        upload(server, file, nothing)


def test_a_refused_upload_says_why(double: OllamaDouble, file: Path) -> None:
    double.faults.append(Fault("status", path="/api/blobs/*", skip=1, status=507, body={"error": "no space left"}))
    with connected(double.url) as server, pytest.raises(ShippingError, match="refuses the file: no space left"):
        upload(server, file, nothing)


def test_a_server_that_answers_early_and_has_nothing_is_found_out(double: OllamaDouble, file: Path) -> None:
    double.faults.append(Fault("early_200", path="/api/blobs/*", skip=1))
    with connected(double.url) as server, pytest.raises(ShippingError):
        upload(server, file, nothing)


def test_no_server(double: OllamaDouble, file: Path) -> None:
    with connected("http://127.0.0.1:9") as server, pytest.raises(ShippingError, match="is `ollama serve` running"):
        upload(server, file, nothing)


def test_a_creation_that_ends_without_success_is_one_line(double: OllamaDouble, file: Path) -> None:
    double.faults.append(Fault("eof_mid", path="/api/create"))
    with connected(double.url) as server, pytest.raises(ShippingError, match="could not be created"):
        list(create(server, "student.gguf", "sha256:" + "0" * 64, Creation(None)))


def test_an_error_in_the_middle_of_a_creation_is_one_line(double: OllamaDouble, file: Path) -> None:
    with connected(double.url) as server:
        digest, _ = upload(server, file, nothing)
        with pytest.raises(ShippingError, match=r"could not be created: .*not in GGUF format"):
            list(create(server, "student.gguf", digest, Creation("{{ .Prompt }}")))


@pytest.mark.parametrize("name", ["", "a b", "../x", "student:", "a/b/c", "x:y:z", ":latest", "ä"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ShippingError, match="is no name"):
        check_name(name)


def test_names() -> None:
    for name in ("student", "student:v2", "ada/student:q8_0"):
        check_name(name)
    with pytest.raises(ShippingError, match="cloud"):
        check_name("student:1b-cloud")


def test_quantisations() -> None:
    assert read_quantization("Q4_k_m") == "q4_K_M"
    with pytest.raises(ShippingError, match=r"--quantize q8: did you mean q8_0\?"):
        read_quantization("q8")
    with pytest.raises(ShippingError, match="Possible here: f16"):
        read_quantization("????", ("f16",))
