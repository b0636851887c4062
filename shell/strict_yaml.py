"""YAML as people read it: numbers are decimal, true and false are the only truth values, and no key stands twice.

YAML 1.1, which PyYAML implements, reads 010 as 8, 0x10 as 16, 1:30 as 90 and `no` as false. Here the first three are errors
that say what would have been read; `no`, `on` and the like are words (as in YAML 1.2, Sec. 10.3), and so are dates.
"""

import re
from typing import Any

import yaml

_BOOL, _INT, _FLOAT, _DATE, _OTHER = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp", "other"))
_DIGITS = list("-+0123456789.")


class _Loader(yaml.SafeLoader):
    """The safe loader with fewer ways to write a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- PyYAML's own class attribute
        first: [(tag, form) for tag, form in resolvers if tag not in (_BOOL, _INT, _FLOAT, _DATE)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice; leave one out", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_other(self, node: yaml.ScalarNode) -> Any:
        read = yaml.safe_load(node.value)
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{node.value} would be {read} by the rules of YAML 1.1; write the number that is meant without leading zeros, "
            "colons or another base, or put it in quotes",
            node.start_mark,
        )


_Loader.add_implicit_resolver(_BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$"), _DIGITS)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:(?:[0-9][0-9_]*)?\.[0-9]+|[0-9][0-9_]*\.)(?:[eE][-+]?[0-9]+)?$"
        r"|[-+]?[0-9]+[eE][-+]?[0-9]+$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    _DIGITS,
)
_Loader.add_implicit_resolver(
    _OTHER, re.compile(r"[-+]?(?:0[0-9_]+|0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)$"), _DIGITS
)
_Loader.add_constructor(_OTHER, _Loader.construct_other)


def load(text: str) -> Any:
    """The plain values of a YAML document. Raises yaml.YAMLError, which says the line, for what people read in two ways."""
    return yaml.load(text, Loader=_Loader)
