"""A GGUF file loaded by llama.cpp itself, where its Python package is installed, to see whether it is the student."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from corpus.errors import ShippingError
from finetune.shipping.chat_shape import Messages
from finetune.shipping.parity import Ask
from lms.in_process.chat import Chat


def is_installed() -> bool:
    """Whether llama-cpp-python is there."""
    return find_spec("llama_cpp") is not None


@contextmanager
def open_gguf(file: Path, chat: Chat, end_tokens: Set[int], num_ctx: int) -> Iterator[Ask]:
    """Load a file and yield a way to ask it; raises ShippingError when llama.cpp does not take it."""
    import llama_cpp

    try:
        # keys and values in 32 bits, as in transformers: what the file loses is to be seen, not what a cache does
        wide = llama_cpp.GGML_TYPE_F32
        model: Any = llama_cpp.Llama(str(file), n_ctx=num_ctx, type_k=wide, type_v=wide, verbose=False)
    except ValueError as error:
        raise ShippingError(f"{file}: llama.cpp cannot load it: {error}") from error
    ends = {*end_tokens, chat.tokenizer.eos_token_id}

    def ask(messages: Messages, max_tokens: int) -> tuple[int, str]:
        tokens = model.tokenize(chat.render(messages).encode(), add_bos=False, special=True)
        model.reset()
        written: list[int] = []
        for token in model.generate(tokens, temp=0.0, top_k=1, repeat_penalty=1.0):
            if token in ends or len(written) == max_tokens:
                break
            written.append(token)
        return len(tokens), chat.decode(written)

    try:
        yield ask
    finally:
        model.close()
