"""The floors of the package, read off the import graph; every rule is shown to catch a tree that breaks it."""

from __future__ import annotations

import ast
import configparser
import graphlib
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import fpsde
from fpsde.cached import cached_property

PACKAGE = Path(fpsde.__file__).parent

#: A new top-level module or folder gets its floor here.
FLOORS = {
    0: "cached errors validation arrays noise functions user_code symbolic model_functions printing jit primitives "
    "elementary generated numba_text optional panels progress provenance writing richardson backend cuda_translation "
    "cuda_errors memory",
    1: "grid domain noise_class density panel_law joint_law smoothed ensemble signal_and_noise known_law "
    "gaussian_mixture",
    2: "processes schemes",
    3: "integrators laws fokker_planck checks",
    4: "ddpm convergence",
    5: "chain question edge_particles edge_scheme edge_solver corners plants suite multilevel audit claims "
    "plotting report ledger ledger_page pytest_plugin",
    6: "commands cli __main__",
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}

#: What only some rooms may use: everything that compiles goes through `jit`, everything on a GPU through `arrays`.
RESERVED = {
    "cupy": {"arrays"},
    "numba": {"jit", "primitives", "numba_text", "integrators", "fokker_planck"},
    "llvmlite": {"jit", "primitives", "integrators", "fokker_planck"},  # numba's own, in the version that it asks for
    "fpsde.jit": {"jit", "primitives", "integrators", "fokker_planck"},
    "pytest": {"pytest_plugin"},
    "ot": {"checks"},  # POT, of the extra "transport"
}
#: Rooms that may import inside functions, and what: a package that need not be installed, and what each session of
#: pytest of whoever has fpsde installed should not have to load.
INSIDE_FUNCTIONS = {
    "arrays": {"cupy"},
    "optional": {"importlib"},
    "pytest_plugin": {"fpsde.checks", "fpsde.ledger_page"},
}


@dataclass(frozen=True)
class Import:
    """That ``source`` imports ``target`` (both dotted), in which line, and whether hidden in a function or a call."""

    source: str
    target: str
    name: str  # what is taken from the target; empty for `import target`
    line: int
    hidden: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


@dataclass(frozen=True)
class Tree:
    """The modules and imports of a package in a folder called fpsde."""

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        paths = sorted(self.root.rglob("*.py"))
        return {dotted(path.relative_to(self.root.parent)): path for path in paths}

    @cached_property
    def imports(self) -> list[Import]:
        return [found for name, path in self.files.items() for found in imports_of(name, path, self.files)]

    def is_folder(self, room: str) -> bool:
        return (self.root / room).is_dir()


def dotted(path: Path) -> str:
    """Return the dotted name of a module file."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the top-level module or folder of a module of fpsde; '' for fpsde itself."""
    return module.split(".")[1] if "." in module else ""


def floor_of(module: str) -> float:
    """Return the floor of a module; nan, neither above nor below any, where the table has none."""
    return 0 if module == "fpsde" else FLOOR_OF.get(room_of(module), math.nan)


def imports_of(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """Yield every import of a file; a `from` import of a module is an import of that module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    todo: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), False)]
    while todo:
        node, inside = todo.pop()
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]
        hidden = inside or (isinstance(node, ast.Call) and not loads_later(node))
        for target, taken in targets(node, package, known):
            yield Import(name, target, taken, node.lineno, hidden)


def loads_later(node: ast.Call) -> bool:
    """Return whether a call is ``optional("name")``, an import of that name in all but the moment."""
    return called(node) == "optional" and isinstance(node.args[0], ast.Constant)


def called(node: ast.Call) -> str:
    """Return the last name of what is called, such as f of ``f()`` and ``a.b.f()``; '' where it has none."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def targets(node: ast.AST, package: str, known: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield (module, name taken from it) of an import statement or of a call that imports."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            whole = f"{module}.{alias.name}"
            yield (whole, "") if whole in known else (module, alias.name)
    elif isinstance(node, ast.Call) and loads_later(node):
        yield ast.literal_eval(node.args[0]), ""
    elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
        yield "importlib", ast.unparse(node)


def internal(tree: Tree) -> list[Import]:
    return [found for found in tree.imports if found.target.split(".")[0] == "fpsde"]


# --- the rules: each returns what breaks it


def every_module_has_a_floor(tree: Tree) -> list[str]:
    rooms = {room_of(name) for name in tree.files} - {""}
    return [f"fpsde/{room} has no floor: add it to FLOORS in tests/test_floors.py" for room in rooms - set(FLOOR_OF)]


def every_folder_is_a_package(tree: Tree) -> list[str]:
    bare = {path.parent for path in tree.files.values() if not (path.parent / "__init__.py").exists()}
    return [f"{folder} has no __init__.py, so it would not be installed" for folder in bare]


def imports_go_down(tree: Tree) -> list[str]:
    up = [found for found in internal(tree) if floor_of(found.target) > floor_of(found.source)]
    return [f"{found}, from floor {floor_of(found.source)} up to floor {floor_of(found.target)}" for found in up]


def folders_on_one_floor_are_strangers(tree: Tree) -> list[str]:
    def strangers(a: str, b: str) -> bool:
        return a != b and tree.is_folder(a) and tree.is_folder(b) and FLOOR_OF.get(a) == FLOOR_OF.get(b)

    met = [found for found in internal(tree) if strangers(room_of(found.source), room_of(found.target))]
    return [f"{found}, a room on the same floor" for found in met]


def checks_know_floors_0_and_1_only(tree: Tree) -> list[str]:
    judged = [found for found in internal(tree) if room_of(found.source) == "checks" != room_of(found.target)]
    return [f"{found}, but a judge knows floors 0 and 1 only" for found in judged if floor_of(found.target) > 1]


def names_are_taken_from_their_modules(tree: Tree) -> list[str]:
    lazy = [found for found in internal(tree) if found.target == "fpsde" and found.name != "__version__"]
    return [f"{found} ({found.name}): take it from the module that defines it" for found in lazy]


def no_import_inside_a_function(tree: Tree) -> list[str]:
    def allowed(found: Import) -> bool:
        lazy_names = found.source == "fpsde" and found.target == "importlib"
        return lazy_names or found.target in INSIDE_FUNCTIONS.get(room_of(found.source), ())

    return [f"{found} inside a function" for found in tree.imports if found.hidden and not allowed(found)]


def some_packages_are_reserved(tree: Tree) -> list[str]:
    def trespasses(found: Import) -> bool:
        named = found.target if found.target in RESERVED else found.target.split(".")[0]
        return room_of(found.source) not in RESERVED.get(named, {room_of(found.source)})

    return [f"{found}, which is reserved" for found in tree.imports if trespasses(found)]


def third_parties_are_declared(tree: Tree) -> list[str]:
    known = {*sys.stdlib_module_names, "fpsde", *RESERVED, *declared_dependencies()}
    foreign = [found for found in tree.imports if found.target.split(".")[0] not in known]
    return [f"{found}, which setup.cfg does not declare" for found in foreign]


def declared_dependencies() -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(PACKAGE.parent / "setup.cfg")
    lines = settings["options"]["install_requires"].split("\n")
    return {re.split(r"[^\w-]", line)[0] for line in lines if line}


def there_is_no_cycle(tree: Tree) -> list[str]:
    graph: dict[str, set[str]] = {name: set() for name in tree.files}
    for found in internal(tree):
        graph[found.source].add(found.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"cycle: {' <- '.join(error.args[1])}"]
    return []


def no_module_bears_the_name_of_a_public_function(tree: Tree) -> list[str]:
    """A submodule becomes an attribute of its package when it is loaded, in place of the function of that name."""
    bound = {f"{found.source}.{found.name}" for found in tree.imports if tree.files[found.source].name == "__init__.py"}
    shadows = [name for name in tree.files if name in bound or name.split(".")[-1] in fpsde._HOMES]
    return [f"{name} bears the name of a public function" for name in shadows]


RULES = (
    every_module_has_a_floor,
    every_folder_is_a_package,
    imports_go_down,
    folders_on_one_floor_are_strangers,
    checks_know_floors_0_and_1_only,
    names_are_taken_from_their_modules,
    no_import_inside_a_function,
    some_packages_are_reserved,
    third_parties_are_declared,
    there_is_no_cycle,
    no_module_bears_the_name_of_a_public_function,
)


@pytest.fixture(scope="module")
def whole() -> Tree:
    return Tree(PACKAGE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_fpsde_keeps_the_rule(rule, whole):
    broken = dict.fromkeys(rule(whole))
    assert "\n".join(broken) == ""


# --- negative controls

SOUND = {
    "__init__.py": "import importlib\ndef __getattr__(name): return importlib.import_module(name)\n",
    "errors.py": "import math\n",
    "jit.py": "import numba\n",
    "arrays.py": "def module():\n    import cupy\n    return cupy\n",
    "grid.py": "from fpsde import errors\nfrom fpsde.errors import InvalidInput\nimport numpy.linalg\n",
    "processes/__init__.py": "from fpsde.processes.linear import brownian\n",
    "processes/linear.py": "from fpsde import grid\nfrom .. import __version__\n",
    "schemes/__init__.py": "",
    "integrators/__init__.py": "from fpsde.jit import kernel\nfrom fpsde.processes import brownian\n",
    "checks/__init__.py": "from . import moments\n",
    "checks/moments.py": "from ..grid import Grid\n",
    "claims/__init__.py": "",
    "cli.py": "from fpsde.claims import x\nimport fpsde.checks.moments\n",
}
#: (rule, file, its text, message): the sound tree with this file in it breaks this rule.
BROKEN = [
    (every_module_has_a_floor, "attic.py", "", "attic has no floor: add it to FLOORS in tests/test_floors.py"),
    (every_folder_is_a_package, "laws/recursion.py", "", "has no __init__.py, so it would not be installed"),
    (imports_go_down, "domain.py", "from fpsde.schemes import x", "fpsde.domain:1 .* from floor 1 up to floor 2"),
    (imports_go_down, "domain.py", "import fpsde.checks.moments", "from floor 1 up to floor 3"),
    (imports_go_down, "schemes/euler.py", "from ..checks import moments", "from floor 2 up to floor 3"),
    (imports_go_down, "noise.py", "if TYPE_CHECKING:\n    from fpsde.cli import main", "from floor 0 up to floor 6"),
    (folders_on_one_floor_are_strangers, "schemes/euler.py", "from fpsde.processes import linear", "a room on the"),
    (folders_on_one_floor_are_strangers, "integrators/cpu.py", "from fpsde.checks import moments", "a room on the"),
    (checks_know_floors_0_and_1_only, "checks/tail.py", "from fpsde import processes", "a judge knows floors 0 and"),
    (names_are_taken_from_their_modules, "chain.py", "from fpsde import Grid", r"\(Grid\): take it from the module"),
    (no_import_inside_a_function, "noise.py", "def f():\n    import math", "fpsde.noise:2 imports math inside"),
    (no_import_inside_a_function, "noise.py", "class A:\n  async def f(self):\n    import math", "fpsde.noise:3"),
    (no_import_inside_a_function, "noise.py", "import importlib\nimportlib.import_module('math')", "fpsde.noise:2"),
    (some_packages_are_reserved, "noise.py", "import numba.core", "imports numba.core, which is reserved"),
    (some_packages_are_reserved, "laws/__init__.py", "from fpsde.jit import kernel", "fpsde.jit, which is reserved"),
    (some_packages_are_reserved, "integrators/gpu.py", "import cupy", "imports cupy, which is reserved"),
    (some_packages_are_reserved, "noise.py", "x = optional('numba.core')", "imports numba.core, which is reserved"),
    (no_import_inside_a_function, "noise.py", "def f():\n    return optional('math')", "fpsde.noise:2 imports math"),
    (third_parties_are_declared, "noise.py", "x = optional('torch')", "torch, which setup.cfg does not declare"),
    (third_parties_are_declared, "noise.py", "import torch.nn", "torch.nn, which setup.cfg does not declare"),
    (third_parties_are_declared, "noise.py", "from jax import numpy", "jax, which setup.cfg does not declare"),
    (there_is_no_cycle, "errors.py", "import fpsde.grid", "cycle: fpsde"),
    (no_module_bears_the_name_of_a_public_function, "schemes/Grid.py", "", "fpsde.schemes.Grid bears the name"),
    (no_module_bears_the_name_of_a_public_function, "processes/brownian.py", "", "processes.brownian bears the name"),
]


def tree_with(folder: Path, changes: dict[str, str]) -> Tree:
    for name, text in {**SOUND, **changes}.items():
        path = folder / "fpsde" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Tree(folder / "fpsde")


def test_a_sound_tree_breaks_no_rule(tmp_path):
    tree = tree_with(tmp_path, {})
    assert [message for rule in RULES for message in rule(tree)] == []


@pytest.mark.parametrize(("rule", "name", "text", "message"), BROKEN)
def test_a_tree_that_breaks_the_rule_is_caught(tmp_path, rule, name, text, message):
    assert re.search(message, "\n".join(rule(tree_with(tmp_path, {name: text}))))
