"""Keeps the house: who may import whom, what may not stand in the tree, how large a file may grow."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("oms", "adapters", "projections")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMPOSITION_ROOT = ROOT / "oms" / "__main__.py"
PURE = (
    "values",
    "errors",
    "instrument",
    "risk",
    "reconcile",
    "proofs",
    "decide",
    "resolution",
    "obstacles",
    "book",
    "venue",
    "order",
    "position",
    "account",
    "breaks",
    "ledger",
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_inward(path: Path) -> None:
    module = name(path)
    for other in imported(path):
        if within(module, "oms") and path != COMPOSITION_ROOT:
            assert not within(other, "adapters", "projections"), f"the core imports {other}"
        if within(module, "adapters"):
            assert not within(other, "projections"), f"an adapter imports {other}"
            if within(other, "oms"):
                core = (
                    "oms.values",
                    "oms.instrument",
                    "oms.errors",
                    "oms.reports",
                    "oms.market_data",
                    "oms.venue",
                    "oms.ports",
                )
                assert within(other, *core), f"an adapter imports {other}: the contract is enough"
        if within(module, "projections"):
            assert not within(other, "adapters", "oms.gateway", "oms.cli", "oms.engine"), (
                f"a projection imports {other}"
            )
        if within(module, "adapters.bitmart"):
            assert not within(other, "adapters.simulator"), "the client must not know its test venue"
        if within(module, "adapters.simulator"):
            assert not within(other, "adapters.bitmart"), "the venue must not know its client"
        if within(other, "eventsourcing"):
            assert within(module, "oms.store"), "only the store knows the library"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_core_is_pure(path: Path) -> None:
    if not within(name(path), *(f"oms.{part}" for part in PURE)):
        return
    impure = {"asyncio", "time", "random", "secrets", "socket", "aiohttp", "psycopg", "os", "structlog", "threading"}
    assert not imported(path) & impure


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_money_is_never_a_float(path: Path) -> None:
    if not within(name(path), *(f"oms.{part}" for part in PURE)):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            # durations in seconds are the one thing that may be: they are no money and no instant
            assert re.search(r"seconds|_ns", ast.unparse(node) + path.read_text().splitlines()[node.lineno - 1])


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_is_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_field_hides_the_type_of_a_field(path: Path) -> None:
    """From Python 3.14 on annotations are read late, when `list: list[Raw]` names the field and not the type."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            hiding = {each.target.id for each in fields if isinstance(each.target, ast.Name)}
            hiding |= {each.name for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
            named = {part.id for each in fields for part in ast.walk(each.annotation) if isinstance(part, ast.Name)}
            assert not hiding & named, f"{node.name}: give the field another name"


def test_no_import_goes_round_in_a_circle() -> None:
    modules = {name(path).removesuffix(".__init__"): imported(path) for path in SOURCES}
    graph = {module: {other for other in others if other in modules} - {module} for module, others in modules.items()}
    done: set[str] = set()
    for start in graph:
        walk(start, graph, [], done)


def walk(module: str, graph: dict[str, set[str]], path: list[str], done: set[str]) -> None:
    assert module not in path, " -> ".join([*path[path.index(module) :], module])
    if module not in done:
        for other in sorted(graph[module]):
            walk(other, graph, [*path, module], done)
        done.add(module)


def test_nothing_is_left_for_later() -> None:
    words = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")
    for path in SOURCES:
        assert not words.search(path.read_text()), f"{name(path)} promises something"
