"""The command line: flags and YAML from a configuration dataclass, errors for people, exit codes.

Exit code 0: done; 2: something the user can put right, said in one line; 3: a party was lost; 130: interrupted. With
PI_BENCH_TRACEBACK=1 an error shows where it was raised.
"""

import os
import shlex
import sys
from argparse import ArgumentError
from collections.abc import Callable
from dataclasses import fields

from pi_bench.parties.launch import PartiesFailed
from pi_bench.wire import watch
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.watch import PartyLost
from shell.flags import Positional, in_words, parse

INTERRUPTED = 130
PARTY_LOST = watch.EXIT_CODE
USER_ERROR = 2
REMEDY = "put that right and run the same command again"


def command(
    function: Callable[..., object],
    config_class: type,
    arguments: list[str] | None = None,
    positional: Positional | None = None,
) -> int:
    """Runs function(*positional arguments, config) with what the command line says; returns the exit code.

    Flags are the fields of the dataclass `config_class`, hyphens as good as underscores, a yes-or-no one without a value
    meaning yes; see `shell.flags`. Where the function returns an int, that is the exit code.
    """
    name = function.__module__.rpartition(".")[2].replace("_", "-")
    program = "python -m pi_bench" if name == "benchmark" else f"python -m pi_bench {name}"
    switches = {f"--{field.name}" for field in fields(config_class) if field.type is bool}
    given = _spelled_out(sys.argv[1:] if arguments is None else arguments, switches)
    try:
        values, config = parse(program, config_class, given, positional or {})
        code = function(*values, config)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ArgumentError, ValueError, OSError, PartyLost, PartiesFailed, ProtocolError) as error:
        if os.environ.get("PI_BENCH_TRACEBACK"):
            raise
        print(f"error: {in_words(error, REMEDY)}", file=sys.stderr)
        return USER_ERROR if isinstance(error, ArgumentError | ValueError | OSError) else PARTY_LOST
    return code if isinstance(code, int) else 0


def command_line() -> str:
    """What the user typed, for cards."""
    return shlex.join(["python", "-m", "pi_bench", *sys.argv[1:]])


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
