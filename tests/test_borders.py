"""The borders between the packages (design, "Borders"): who imports whom, read from the source, functions included."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shell", "distill", "masks", "rlnet", "pi_bench")
NEVER_PACKAGED = {"configs", "tests"}
# All that these import beside the standard library; lazy_loader, so that what needs no torch does not load it.
ONLY = {"shell": {"jsonargparse", "yaml"}, "distill": {"torch"}, "masks": {"torch", "lazy_loader"}}
NEVER = {"rlnet": {"pi_bench", "crypten"}, "pi_bench": {"distill", "masks", "rlnet"}}
ONLY_IN = {("rlnet", "onnx"): "rlnet/models/onnx_file.py", ("pi_bench", "crypten"): "pi_bench/protocols/crypten/"}


def imported(source: str) -> set[str]:
    """The top-level names of all imports of a module, wherever they stand; relative ones stay inside and do not count."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
            "__import__",
        ):
            names |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    return {name.partition(".")[0] for name in names}


def violations(root: Path) -> list[str]:
    """Every import of the packages under `root` that crosses a border, as "file: imported"."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            file = path.relative_to(root).as_posix()
            for name in sorted(imported(path.read_text()) - sys.stdlib_module_names - {package}):
                place = ONLY_IN.get((package, name))
                if (
                    name in NEVER_PACKAGED | NEVER.get(package, set())
                    or (package in ONLY and name not in ONLY[package])
                    or (place is not None and not file.startswith(place))
                ):
                    found.append(f"{file}: {name}")
    return found


def test_nobody_crosses_a_border() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_walk_sees_every_package(package: str) -> None:
    """Without files or imports to look at, the test above would pass too."""
    names = set().union(*(imported(path.read_text()) for path in (ROOT / package).rglob("*.py")))
    assert {package, "jsonargparse" if package == "shell" else "torch"} <= names


ALLOWED = {
    "distill/kd.py": "import torch.nn.functional as F\nfrom distill import pram\nfrom . import pram\nimport math",
    "masks/files.py": "import json, os\nfrom torch import Tensor",
    "masks/__init__.py": "import lazy_loader",
    "shell/flags.py": "import yaml\nfrom jsonargparse import ArgumentParser\nfrom shell import strict_yaml",
    "pi_bench/cli.py": "from shell.flags import parse",
    "rlnet/models/onnx_file.py": "import onnx\nimport masks, distill, numpy",
    "pi_bench/graph.py": "import onnx\nfrom pi_bench import cost",
    "pi_bench/protocols/crypten/beaver.py": "import crypten\nfrom crypten.mpc import MPCTensor",
}
FORBIDDEN = {
    "distill/a.py": ("import numpy", "numpy"),
    "distill/b.py": ("from masks import find_sites", "masks"),
    "shell/a.py": ("from rlnet.config import Config", "rlnet"),
    "shell/b.py": ("import torch", "torch"),
    "masks/a.py": ("def f():\n    import rlnet.models", "rlnet"),
    "masks/b.py": ("from distill.kd import kd_kl", "distill"),
    "rlnet/a.py": ("class A:\n    def f(self):\n        from pi_bench.count import count", "pi_bench"),
    "rlnet/training/b.py": ("try:\n    import torch, crypten\nexcept ImportError:\n    pass", "crypten"),
    "rlnet/data/c.py": ("import onnx.checker", "onnx"),
    "rlnet/nas/export.py": ("import onnx", "onnx"),
    "rlnet/d.py": ("import importlib\nimportlib.import_module('crypten.mpc')", "crypten"),
    "rlnet/e.py": ("if False:\n    import configs", "configs"),
    "rlnet/f.py": ("from tests.conftest import tiny_network", "tests"),
    "pi_bench/a.py": ("import rlnet", "rlnet"),
    "pi_bench/b.py": ("from masks.files import load_masks", "masks"),
    "pi_bench/c.py": ("import distill as d", "distill"),
    "pi_bench/count.py": ("import crypten", "crypten"),
    "pi_bench/protocols/one.py": ("import crypten", "crypten"),
}


def test_the_checker_catches_each_violation_and_nothing_else(tmp_path: Path) -> None:
    for file, source in {**ALLOWED, **{file: source for file, (source, _) in FORBIDDEN.items()}}.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    assert sorted(violations(tmp_path)) == sorted(f"{file}: {name}" for file, (_, name) in FORBIDDEN.items())
