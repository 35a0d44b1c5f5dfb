"""Rows of a data set on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corpus.errors import DataError
from eval.emobench import PROBE_SECONDS


def iter_hub_rows(dataset: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, row) for each row of every split; offline, from the cache.

    Raises:
        DataError: the hub cannot be reached, or does not have the data set.
    """
    import httpx
    from datasets import load_dataset
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    try:
        if not constants.HF_HUB_OFFLINE:  # one quick look before patient retries
            HfApi().dataset_info(dataset, timeout=PROBE_SECONDS)
        splits = load_dataset(dataset)
    except (OSError, HfHubHTTPError, httpx.HTTPError) as error:  # offline mode and ConnectionError are OSErrors
        raise DataError(
            f"{dataset} cannot be fetched from the hub ({type(error).__name__}); name a local copy in place of `hub`"
        ) from error
    for name, rows in splits.items():
        for number, row in enumerate(rows, 1):
            yield f"{dataset} {name}, row {number}", row
