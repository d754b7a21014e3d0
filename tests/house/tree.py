"""The house as Python sees it: every module of ours and what it imports."""

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "activities",
    "benchmarks",
    "comfy_workflows",
    "commands",
    "docs",
    "gateway",
    "local",
    "simulators",
    "studio",
    "workflows_temporal",
)
DOORSTEPS = ("composition.py", "starter.py", "worker.py")


@dataclass(frozen=True)
class Module:
    """One of our modules."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @cached_property
    def imports(self) -> frozenset[str]:
        """Everything it imports, ours and others'; `from a import b` counts as `a.b` when that is a module."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found |= {_imported(node.module, alias.name) for alias in node.names}
        return frozenset(found)


@cache
def modules() -> tuple[Module, ...]:
    """All our modules, without the tests."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    paths += [ROOT / name for name in DOORSTEPS]
    return tuple(_module(path) for path in paths if path.exists())


def under(name: str, prefix: str) -> bool:
    """Is this module the given one, or below it?"""
    return name == prefix or name.startswith(prefix + ".")


def _module(path: Path) -> Module:
    source = path.read_text(encoding="utf-8")
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return Module(name, path, ast.parse(source), source.count("\n"))


def _imported(module: str, name: str) -> str:
    path = ROOT.joinpath(*module.split("."), f"{name}.py")
    return f"{module}.{name}" if path.exists() or (path.with_suffix("") / "__init__.py").exists() else module
