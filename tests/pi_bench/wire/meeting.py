"""What parties of these tests say first, and how long is waited for them."""

from concurrent.futures import Future

PATIENCE_S = 120.0  # until something is taken for never happening
HELLO = {"protocol": "crypten", "settings": {"precision_bits": 16}, "versions": {"torch": "2.13"}, "digest": None}


def failure(future: Future) -> BaseException:
    error = future.exception(timeout=PATIENCE_S)
    assert error is not None
    return error
