"""The command line: flags and YAML from a configuration dataclass, errors for people, exit codes.

Exit code 0: done; 2: something the user can put right, said in one line; 130: interrupted, and the same command continues. With
RLNET_TRACEBACK=1 an error shows where it was raised.
"""

import os
import sys
from argparse import ArgumentError
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from shell.flags import Positional, in_words, parse

REMEDY = "nothing was lost: put that right and run the same command again"


def command(
    function: Callable[..., object],
    config_class: type,
    arguments: list[str] | None = None,
    positional: Positional | None = None,
) -> int:
    """Runs function(*positional arguments, config) with what the command line says; returns the exit code.

    Flags are the fields of `config_class`; see `shell.flags`.
    """
    spec = sys.modules["__main__"].__spec__  # None in a script
    module = spec.name if spec and function.__module__ == "__main__" else function.__module__
    program = f"python -m {module}".removesuffix(".__main__")
    given = _as_fields(sys.argv[1:] if arguments is None else arguments)
    try:
        values, config = parse(program, config_class, given, positional or {})
        with _process_group(config.device):
            function(*values, config)
    except KeyboardInterrupt:
        print("interrupted; the same command continues where this one stopped", file=sys.stderr)
        return 130
    except (ArgumentError, ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("RLNET_TRACEBACK"):
            raise
        print(f"error: {in_words(error, REMEDY)}", file=sys.stderr)
        return 2
    return 0


def announce(text: str) -> None:
    """The first line of a command: what it will do. It comes before torch is imported, which alone takes seconds."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)


def _process_group(device: str) -> AbstractContextManager:
    """The group of the processes that torchrun started; one process alone needs none, and no torch for it."""
    if "RANK" not in os.environ:
        return nullcontext()
    from rlnet.training.distributed import process_group

    return process_group(device)


def _as_fields(arguments: list[str]) -> list[str]:
    """--relu-budget as --relu_budget, the name of the field, and --network as --network.name; values keep their hyphens."""
    found = []
    for argument in arguments:
        name, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        name = name.replace("-", "_").replace("__", "--", 1)
        found.append(("--network.name" if name == "--network" else name) + equals + value)
    return found
