"""Is there room on the disk before anything is written?"""

from __future__ import annotations

import shutil
from pathlib import Path

from corpus.errors import ShippingError

FACTOR = 2  # a copy of the weights, and what is made of it; F32 out of 16 bits is the worst case
GIB = 2**30


def size_of_weights(model: Path) -> int:
    """Return the bytes of a model's safetensors files."""
    return sum(file.stat().st_size for file in model.glob("*.safetensors"))


def check_room(model: Path, folder: Path) -> None:
    """Refuse when the disk of ``folder`` (which need not be there yet) has no room for twice the model.

    Raises:
        ShippingError: there is too little.
    """
    place = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
    needed, free = FACTOR * size_of_weights(model), shutil.disk_usage(place).free
    if free < needed:
        raise ShippingError(
            f"{place} has {free / GIB:.1f} GiB free, and {needed / GIB:.1f} are needed (twice the model); make room, "
            "or set TMPDIR to a larger disk"
        )
