"""The command line: flags and YAML from a configuration dataclass, errors for people, exit codes.

Exit code 0: done; 2: something the user can put right, said in one line; 3: a party was lost; 130: interrupted. With
PI_BENCH_TRACEBACK=1 an error shows where it was raised.
"""

import os
import sys
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser

from pi_bench.parties.launch import PartiesFailed
from pi_bench.wire import watch
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.watch import PartyLost

INTERRUPTED = 130
PARTY_LOST = watch.EXIT_CODE
USER_ERROR = 2


def command(
    function: Callable[..., object],
    config_class: type,
    arguments: list[str] | None = None,
    positional: Mapping[str, tuple[type, str]] | None = None,
) -> int:
    """Runs function(*positional arguments, config) with what the command line says; returns the exit code.

    Flags are the fields of the dataclass `config_class`, hyphens as good as underscores, a yes-or-no one without a value
    meaning yes; `--config FILE.yaml` gives many at once. Where the function returns an int, that is the exit code.
    """
    positional = positional or {}
    parser = _parser(function, config_class, positional)
    switches = {f"--{field.name}" for field in fields(config_class) if field.type is bool}
    try:
        given = _spelled_out(sys.argv[1:] if arguments is None else arguments, switches)
        found = parser.instantiate(parser.parse_args(given))
        config = config_class(**{name: value for name, value in vars(found).items() if name not in (*positional, "config")})
        code = function(*(getattr(found, name) for name in positional), config)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ArgumentError, ValueError, OSError, PartyLost, PartiesFailed, ProtocolError) as error:
        if os.environ.get("PI_BENCH_TRACEBACK"):
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        return USER_ERROR if isinstance(error, ArgumentError | ValueError | OSError) else PARTY_LOST
    return code if isinstance(code, int) else 0


def _parser(function: Callable[..., object], config_class: type, positional: Mapping[str, tuple[type, str]]) -> ArgumentParser:
    name = function.__module__.rpartition(".")[2].replace("_", "-")
    parser = ArgumentParser(
        prog="python -m pi_bench" if name == "benchmark" else f"python -m pi_bench {name}",
        usage=f"%(prog)s {' '.join([*(name.upper() for name in positional), '[--config FILE.yaml]', '[--FLAG VALUE ...]'])}",
        description=config_class.__doc__.splitlines()[0],
        allow_abbrev=False,
        exit_on_error=False,
    )
    for name, (kind, text) in positional.items():
        parser.add_argument(name, type=kind, help=text)
    parser.add_argument("--config", action=ConfigFile, help="YAML file of the flags below")
    parser.add_class_arguments(config_class, fail_untyped=True)
    return parser


class ConfigFile(ActionConfigFile):
    """--config FILE.yaml, whose errors name the file."""

    def __call__(self, parser: ArgumentParser, namespace: Any, values: str, option_string: str | None = None) -> None:
        try:
            super().__call__(parser, namespace, values, option_string)
        except UnicodeDecodeError as error:
            raise ArgumentError(self, f"{values} is not text, so no YAML of flags and their values") from error
        except (ArgumentError, TypeError, ValueError) as error:
            raise ArgumentError(self, f"{values}: {error}") from error


def _spelled_out(arguments: list[str], switches: set[str]) -> list[str]:
    """--rtt-ms as --rtt_ms, the name of the field, values keeping their hyphens; --json as --json=true."""
    found = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument.startswith("--"):
            flag, sign, value = argument[2:].partition("=")
            argument = f"--{flag.replace('-', '_')}{sign}{value}"
            if argument in switches and following.lower() not in ("true", "false"):
                argument += "=true"
        found.append(argument)
    return found


def _message(error: Exception) -> Any:
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; put that right and run the same command again"
    if isinstance(error, ArgumentError):
        return f"{' '.join(str(error).split())}; --help lists every flag, and a YAML file has the same keys"
    return error
