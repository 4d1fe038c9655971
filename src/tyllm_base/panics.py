"""Panics of libraries in Rust: pyo3 raises them as a class that is no `Exception`, which `except Exception` lets by."""


def is_panic(error: BaseException) -> bool:
    """Whether it is a panic of a library in Rust, such as tokenizers; its class cannot be imported."""
    return type(error).__name__ == "PanicException" and not isinstance(error, Exception)


def is_failure(error: BaseException) -> bool:
    """Whether it is an error or a panic, and not Ctrl-C or an exit."""
    return isinstance(error, Exception) or is_panic(error)
