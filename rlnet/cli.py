"""The command line: flags and YAML from a configuration dataclass, errors for people, exit codes.

Exit code 0: done; 2: something the user can put right, said in one line; 130: interrupted, and the same command continues. With
RLNET_TRACEBACK=1 an error shows where it was raised.
"""

import os
import sys
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, set_loader

from rlnet import strict_yaml

set_loader("yaml", strict_yaml.load, (yaml.YAMLError,))


def command(
    function: Callable[..., object],
    config_class: type,
    arguments: list[str] | None = None,
    positional: Mapping[str, tuple[type, str]] | None = None,
) -> int:
    """Runs function(*positional arguments, config) with what the command line says; returns the exit code.

    Flags are the fields of `config_class`, nested ones with dots; `--config FILE.yaml` gives many at once and may be repeated,
    the later one winning. Unknown keys and wrong types end the program with exit code 2.
    """
    positional = positional or {}
    spec = sys.modules["__main__"].__spec__  # None in a script
    module = spec.name if spec and function.__module__ == "__main__" else function.__module__
    parser = ArgumentParser(
        prog=f"python -m {module}".removesuffix(".__main__"),
        usage=f"%(prog)s {' '.join(name.upper() for name in positional)} [--config FILE.yaml] [--FLAG VALUE ...]",
        description=config_class.__doc__.splitlines()[0],
        allow_abbrev=False,
        exit_on_error=False,
    )
    for name, (kind, text) in positional.items():
        parser.add_argument(name, type=kind, help=text)
    parser.add_argument("--config", action=ConfigFile, help="YAML file of the flags below")
    parser.add_class_arguments(config_class, fail_untyped=True)
    try:
        found = parser.instantiate(parser.parse_args(_as_fields(sys.argv[1:] if arguments is None else arguments)))
        config = config_class(**{name: value for name, value in vars(found).items() if name not in (*positional, "config")})
        with _process_group(config.device):
            function(*(getattr(found, name) for name in positional), config)
    except KeyboardInterrupt:
        print("interrupted; the same command continues where this one stopped", file=sys.stderr)
        return 130
    except (ArgumentError, ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("RLNET_TRACEBACK"):
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
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


class ConfigFile(ActionConfigFile):
    """--config FILE.yaml, whose errors name the file."""

    def __call__(self, parser: ArgumentParser, namespace: Any, values: str, option_string: str | None = None) -> None:
        try:
            super().__call__(parser, namespace, values, option_string)
        except UnicodeDecodeError as error:
            raise ArgumentError(self, f"{values} is not text, so no YAML of flags and their values") from error
        except (ArgumentError, TypeError, ValueError) as error:
            raise ArgumentError(self, f"{values}: {error}") from error


def _as_fields(arguments: list[str]) -> list[str]:
    """--relu-budget as --relu_budget, the name of the field, and --network as --network.name; values keep their hyphens."""
    found = []
    for argument in arguments:
        name, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        name = name.replace("-", "_").replace("__", "--", 1)
        found.append(("--network.name" if name == "--network" else name) + equals + value)
    return found


def _message(error: Exception) -> Any:
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; nothing was lost: put that right and run the same command again"
    if isinstance(error, ArgumentError):
        return f"{' '.join(str(error).split())}; --help lists every flag, and a YAML file has the same keys"
    return error
