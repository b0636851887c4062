"""Flags and YAML from a configuration dataclass: what a command was told, checked before it does anything.

Flags are the fields of the dataclass, nested ones with dots; `--config FILE.yaml` gives many at once and may be repeated, the
later one winning. Unknown keys and wrong types are errors.
"""

from argparse import ArgumentError
from collections.abc import Mapping
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, set_loader

from shell import strict_yaml

set_loader("yaml", strict_yaml.load, (yaml.YAMLError,))

Positional = Mapping[str, tuple[type, str]]
"""Arguments without a flag, by name: their type, and what the help says of them."""


def parse(program: str, config_class: type, arguments: list[str], positional: Positional) -> tuple[list[Any], Any]:
    """The positional arguments and the configuration that a command line says. Raises ArgumentError and ValueError.

    program: what the user typed before the arguments. arguments: flags as the fields are called, with underscores.
    """
    parser = ArgumentParser(
        prog=program,
        usage=f"%(prog)s {' '.join([*(name.upper() for name in positional), '[--config FILE.yaml]', '[--FLAG VALUE ...]'])}",
        description=config_class.__doc__.splitlines()[0],
        allow_abbrev=False,
        exit_on_error=False,
    )
    for name, (kind, text) in positional.items():
        parser.add_argument(name, type=kind, help=text)
    parser.add_argument("--config", action=ConfigFile, help="YAML file of the flags below")
    parser.add_class_arguments(config_class, fail_untyped=True)
    found = vars(parser.instantiate(parser.parse_args(arguments)))
    config = config_class(**{name: value for name, value in found.items() if name not in (*positional, "config")})
    return [found[name] for name in positional], config


class ConfigFile(ActionConfigFile):
    """--config FILE.yaml, whose errors name the file."""

    def __call__(self, parser: ArgumentParser, namespace: Any, values: str, option_string: str | None = None) -> None:
        try:
            super().__call__(parser, namespace, values, option_string)
        except UnicodeDecodeError as error:
            raise ArgumentError(self, f"{values} is not text, so no YAML of flags and their values") from error
        except (ArgumentError, TypeError, ValueError) as error:
            raise ArgumentError(self, f"{values}: {error}") from error


def in_words(error: Exception, remedy: str) -> str:
    """An error as a person reads it, in one line. remedy: what to do after the system said no, a full disk for instance."""
    if isinstance(error, OSError) and error.strerror:
        return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}; {remedy}"
    if isinstance(error, ArgumentError):
        return f"{' '.join(str(error).split())}; --help lists every flag, and a YAML file has the same keys"
    return str(error)
