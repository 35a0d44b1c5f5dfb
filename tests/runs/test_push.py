"""Pushing an export to a double of the Hub: what arrives, what stays there, and what a refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from corpus.errors import RunError, UsageError
from runs.export.push import check_push, push_folder
from tests.runs.hub import TOKEN, Hub, serve_hub

REPO = "acme/set"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as served:
        yield served


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKEN)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder as an export leaves it, in small."""
    files = {
        "README.md": "---\nlanguage: en\n---\n\n# Card\n",
        "data/EU/train.parquet": "PAR1",
        "emobench/train/EU.jsonl": "{}\n",
    }
    for name, text in files.items():
        path = tmp_path / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "export"


def test_all_files_arrive_and_the_address_is_returned(export: Path, api: HfApi, hub: Hub) -> None:
    assert push_folder(export, REPO, private=False, api=api) == f"{hub.url}/datasets/{REPO}"
    assert hub.private is False
    assert hub.files["data/EU/train.parquet"] == b"PAR1"
    assert set(hub.files) == {"README.md", "data/EU/train.parquet", "emobench/train/EU.jsonl"}


def test_a_second_push_removes_what_the_export_no_longer_holds_and_nothing_else(
    export: Path, api: HfApi, hub: Hub
) -> None:
    hub.private, hub.files = False, {"data/EA/test.parquet": b"old", "NOTES.md": b"mine", "LICENSE": b"mine"}
    push_folder(export, REPO, private=False, api=api)
    assert "data/EA/test.parquet" not in hub.files
    assert hub.files["NOTES.md"] == hub.files["LICENSE"] == b"mine"


def test_a_student_goes_to_the_models_and_keeps_what_others_put_there(tmp_path: Path, api: HfApi, hub: Hub) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"new")
    hub.files = {"model-00001-of-00002.safetensors": b"old", "NOTES.md": b"mine", "LICENSE": b"mine"}
    assert push_folder(tmp_path, REPO, private=True, api=api, kind="model") == f"{hub.url}/{REPO}"
    assert hub.private is True
    assert hub.files == {"model.safetensors": b"new", "NOTES.md": b"mine", "LICENSE": b"mine"}
    hub.refusal = 403
    with pytest.raises(
        RunError, match=r"^--push acme/set: .*; the student is in .*: run the command again to push it$"
    ):
        push_folder(tmp_path, REPO, private=True, api=api, kind="model")


def test_private_is_asked_for_and_a_public_one_that_is_there_is_refused(export: Path, api: HfApi, hub: Hub) -> None:
    push_folder(export, REPO, private=True, api=api)
    assert hub.private is True
    hub.private, hub.files = False, {}
    with pytest.raises(RunError, match=r"--private: acme/set is on the Hub already and public"):
        push_folder(export, REPO, private=True, api=api)
    assert not hub.files


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (401, "Invalid username or password.", "does not accept the token"),
        (403, "Forbidden", "may not write there"),
        (404, "Repository not found", "no such user or organisation"),
        (400, 'Invalid metadata:\n"license" must be one of …', '"license" must be one of'),
        (500, "", "the Hub answered 500"),
    ],
)
def test_a_refusal_is_one_line_that_holds_no_token(
    status: int, said: str, expected: str, export: Path, api: HfApi, hub: Hub
) -> None:
    hub.refusal, hub.said = status, said
    with pytest.raises(RunError, match=f"^--push acme/set: .*{expected}.*run the command again to push it$") as caught:
        push_folder(export, REPO, private=False, api=api)
    assert TOKEN not in str(caught.value)


def test_what_the_hub_finds_wrong_with_the_card_is_passed_on(export: Path, api: HfApi, hub: Hub) -> None:
    (export / "README.md").write_text("---\nlicense: nonsense\n---\n")
    with pytest.raises(RunError, match=r'^--push acme/set: Invalid metadata in README.md. - "license" must be one of'):
        push_folder(export, REPO, private=False, api=api)
    assert not hub.files


def test_a_hub_that_is_not_there_and_one_that_must_not_be_asked(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = HfApi(endpoint="http://127.0.0.1:9", token=TOKEN)
    with pytest.raises(RunError, match=r"the Hub cannot be reached \(ConnectError\)"):
        push_folder(export, REPO, private=False, api=gone)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="HF_HUB_OFFLINE is set; unset it to push"):
        push_folder(export, REPO, private=False, api=gone)


@pytest.mark.parametrize(("repo", "expected"), [("a b/c", "not a name on the Hub"), ("set", "write ORG/NAME")])
def test_a_name_that_cannot_be_is_refused_before_anything_else(repo: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        check_push(repo)


def test_a_missing_token_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(UsageError, match=r"no token for the Hugging Face Hub; log in with `hf auth login`"):
        check_push(REPO)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    check_push(REPO)
