"""Handing a data set or a student to the Hugging Face Hub, with the user's own login."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import httpx
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # documented, not re-exported

from corpus.errors import RunError, UsageError

Kind = Literal["dataset", "model"]
# What an earlier push put there; what others put beside it stays.
_OURS: dict[Kind, list[str]] = {
    "dataset": ["data/*", "emobench/*", "sft/*"],
    "model": ["model*.safetensors", "model.safetensors.index.json", "tokenizer*", "special_tokens_map.json",
              "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json"],
}  # fmt: skip
_MESSAGES: dict[Kind, str] = {"dataset": "Export of an EmoReason run", "model": "Student of an EmoReason run"}
_NAMES: dict[Kind, str] = {"dataset": "export", "model": "student"}
_REFUSALS = {
    401: "the Hub does not accept the token; log in again with `hf auth login`, or set HF_TOKEN",
    403: "the token may not write there; use one with write access to that namespace",
    404: "the Hub knows no such user or organisation, or the token may not see it",
}


def check_push(repo: str) -> None:
    """Find out before anything is written whether a push can work at all.

    Raises:
        UsageError: ``repo`` is not ORG/NAME, or there is no token.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"--push {repo}: not a name on the Hub; write ORG/NAME, such as acme/emoreason") from error
    if "/" not in repo:
        raise UsageError(f"--push {repo}: write ORG/NAME, such as acme/{repo}")
    if get_token() is None:
        raise UsageError("--push: no token for the Hugging Face Hub; log in with `hf auth login`, or set HF_TOKEN")


def push_folder(folder: Path, repo: str, private: bool, api: HfApi | None = None, kind: Kind = "dataset") -> str:
    """Upload an export as data set ``repo``, or a student as model, made if need be; return its address.

    Raises:
        RunError: the Hub cannot be reached or refuses; the folder itself stays where it is.
    """
    kept = f"the {_NAMES[kind]} is in {folder}: run the command again to push it"
    hub = api or HfApi()
    try:
        address = hub.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        # One that was there before keeps its visibility, whatever was asked for.
        if private and not hub.repo_info(repo, repo_type=kind).private:
            raise RunError(
                f"--private: {repo} is on the Hub already and public; choose another name, or make it private"
            )
        hub.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type=kind,
            commit_message=_MESSAGES[kind],
            delete_patterns=_OURS[kind],
        )
    except HfHubHTTPError as error:
        raise RunError(f"--push {repo}: {_say(error)}; {kept}") from error
    except OfflineModeIsEnabled as error:
        raise RunError(f"--push {repo}: HF_HUB_OFFLINE is set; unset it to push; {kept}") from error
    except ValueError as error:  # what the Hub finds wrong with the card, such as a licence that it does not know
        raise RunError(f"--push {repo}: {' '.join(str(error).split())}; {kept}") from error
    except (httpx.HTTPError, OSError, RuntimeError) as error:  # the last two from the upload of single files
        cause = type(error.__cause__ or error).__name__
        raise RunError(f"--push {repo}: the Hub cannot be reached ({cause}); {kept}") from error
    return str(address)


def _say(error: HfHubHTTPError) -> str:
    status = error.response.status_code
    said = " ".join((error.server_message or "").split())
    return _REFUSALS.get(status, f"the Hub answered {status}" + (f": {said}" if said else ""))
