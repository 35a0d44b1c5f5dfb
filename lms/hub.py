"""Is a model there at all?  Asked once and quickly, where the libraries would try for a minute before they say no."""

from __future__ import annotations

from pathlib import Path

PROBE_SECONDS = 5.0
_CONFIGS = ("config.json", "adapter_config.json")  # a whole model has the one, an adapter the other


def check_model(name: str) -> None:
    """Return when a model may be loaded: it is a folder, or in the hub's cache, or the hub can be asked for it.

    What the hub has to say of it, such as that there is no such model, is left to the library that loads it.

    Args:
        name: a local folder, or the id of a model on the hub.

    Raises:
        FileNotFoundError: it is no id, so a folder was meant, and that is missing.
        ConnectionError: it is not on this machine, and the hub cannot be reached, or must not be (HF_HUB_OFFLINE).
    """
    import httpx
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if Path(name).exists():
        return
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise FileNotFoundError("there is no such folder") from error
    if any(isinstance(try_to_load_from_cache(name, config), str) for config in _CONFIGS):
        return
    missing = "there is no such folder, the hub's cache does not hold it, and"
    if constants.HF_HUB_OFFLINE:
        raise ConnectionError(f"{missing} HF_HUB_OFFLINE is set")
    try:
        HfApi().model_info(name, timeout=PROBE_SECONDS)
    except HfHubHTTPError:  # it answered
        return
    except httpx.TransportError as error:
        raise ConnectionError(f"{missing} {constants.ENDPOINT} cannot be reached ({type(error).__name__})") from error
