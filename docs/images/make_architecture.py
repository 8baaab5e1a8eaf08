"""The picture docs/images/architecture.svg, from the imports: `python docs/images/make_architecture.py`.

Two graphs: the rooms of the compiler, and those of the run-time with a generated module above it. An arrow
goes from who imports to what is imported; one that follows from others is left out. Dashed: a room further up
that a function imports when it is first needed. The same sources give the same bytes.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_name("architecture.svg")
MODULE = ROOT / "tests" / "golden" / "competition" / "torch_euler.py"

Boxes = Mapping[str, tuple[str, tuple[str, ...]]]
"""By title: what the box is, and the rooms in it."""

COMPILER: Boxes = {
    "cli/": ("the command line", ("cli", "__main__")),
    "fit/": ("data, optimizers, reports", ("fit",)),
    "plot/": ("pictures", ("plot",)),
    "api.py": ("the public functions", ("api",)),
    "build.py": ("a model to a module, loaded", ("build", "equations")),
    "simulation.py": (
        "runs, and checks of them",
        ("simulation", "starts", "accuracy", "cost", "arguments", "results"),
    ),
    "steps.py": ("which method, which steps", ("steps",)),
    "render.py": ("jobs and templates/ to text", ("render",)),
    "backends/": ("printers: torch, C", ("backends",)),
    "passes/": ("System to Programs", ("passes",)),
    "methods/": ("numerical methods as data", ("methods",)),
    "integrate/": ("odeint, for functions", ("integrate",)),
    "lang/": ("text to a System, messages", ("lang",)),
    "system.py, tree.py": ("a model, its formulas", ("system", "tree", "arrays", "diagnostics")),
    "files.py": ("cache, folders that stand alone", ("files", "models", "standalone")),
    "runtime/": ("what modules import: below", ("runtime",)),
}
SMALL = ("csvtext", "errors", "gamma", "headers", "keywords", "lookups", "progress", "text", "words")
"""Rooms of one small file that any other may use: listed, not drawn."""

RUNTIME: Boxes = {
    "a generated module": ("equations, step cell, COMPILED", ("module",)),
    "exports.py": ("what modules name: rt.…", ("exports",)),
    "model.py": (
        "Model, its parameters, inputs",
        (
            *("model", "settings", "sequence", "inputs", "parameters", "parameter_docs", "shaped", "draws"),
            *("nets", "external_nets", "saved", "transforms"),
        ),
    ),
    "cell.py": ("StepCell, MapCell", ("cell",)),
    "status.py": ("what became of a call", ("status",)),
    "autograd.py": (
        "solves as torch sees them",
        ("autograd", "operators", "differentiated", "equal_times", "tracer"),
    ),
    "engines.py": ("Engine, ENGINES, choose", ("engines",)),
    "switching.py": ("an engine over an engine", ("switching", "shares", "landing")),
    "reference/": ("the torch engine", ("reference",)),
    "native/": ("the C and CUDA engine", ("native",)),
    "steps.py": ("Steps, Tolerance", ("steps", "arguments")),
    "compiled.py": (
        "what a module says of itself",
        ("compiled", "methods", "slopes", "series", "external", "switch_times", "input_lines"),
    ),
}
SMALL_OF_RUNTIME = ("arrays", "errors", "lookups", "special", "stopping", "tensors", "torch_private")

WIDTH, HEIGHT, GAP, RISE, MARGIN = 196, 44, 18, 40, 24


@dataclass
class Graph:
    """Boxes by title; arrows from who imports to what is imported, and those that are dashed."""

    boxes: Boxes
    arrows: set[tuple[str, str]] = field(default_factory=set)
    dashed: set[tuple[str, str]] = field(default_factory=set)

    def title_of(self, room: str) -> str:
        """The box of a room. Raises KeyError for one that stands in none."""
        return next((title for title, (_, rooms) in self.boxes.items() if room in rooms), "") or _lost(room)

    def add(self, here: str, there: str, later: bool) -> None:
        """An import from one room to another."""
        pair = self.title_of(here), self.title_of(there)
        if pair[0] != pair[1]:
            (self.dashed if later else self.arrows).add(pair)

    def below(self, title: str) -> set[str]:
        """Every box that one reaches by arrows."""
        found: set[str] = set()
        stack = [title]
        while stack:
            here = stack.pop()
            new = {b for a, b in self.arrows if a == here} - found
            found |= new
            stack += sorted(new)
        return found

    def reduce(self) -> None:
        """Leave out the arrows that follow from others, and dashed ones that do, or go down."""
        below = {title: self.below(title) for title in self.boxes}
        up = {(a, b) for a, b in self.dashed if b not in below[a]}
        self.dashed = {(a, b) for a, b in up if not any((a, c) in up and (c, b) in up for c in self.boxes)}
        nexts = {title: {b for a, b in self.arrows if a == title} for title in self.boxes}
        self.arrows = {(a, b) for a, b in self.arrows if not any(b in below[c] for c in nexts[a] - {b})}

    def heights(self) -> dict[str, int]:
        """For each box the arrows of the longest way down. Raises ValueError where arrows go in a circle."""
        found: dict[str, int] = {}
        for _ in self.boxes:
            for title in self.boxes:
                nexts = [b for a, b in self.arrows if a == title]
                if all(b in found for b in nexts):
                    found[title] = max((found[b] + 1 for b in nexts), default=0)
        if len(found) < len(self.boxes):
            raise ValueError(f"imports in a circle: {sorted(set(self.boxes) - set(found))}")
        return found


def _lost(room: str) -> str:
    raise KeyError(f"the room {room!r} stands in no box of {__file__}")


def imports(path: Path, package: str) -> Iterator[tuple[str, bool]]:
    """The modules that a file imports to run, in full, each with whether within a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    typing_only = {id(node) for block in blocks for node in ast.walk(block)}
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            whole = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{whole}.{alias.name}" for alias in node.names]
            yield from ((name, id(node) in inside) for name in names)


def between(folder: Path, package: str) -> Iterator[tuple[str, str, bool]]:
    """Who imports whom among the rooms of a package (its files and folders), and whether in a function."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        here, own = parts[0].removesuffix(".py"), ".".join([package, *parts[:-1]])
        for name, inside in imports(path, own) if here != "__init__" else ():
            if name.startswith(f"{package}."):
                yield here, name.removeprefix(f"{package}.").split(".")[0], inside


def compiler() -> Graph:
    """The rooms of the compiler; an import in a function counts as any other."""
    graph, folder = Graph(COMPILER), ROOT / "odec"
    rooms = {path.name.removesuffix(".py") for path in folder.iterdir()}
    for here, there, _ in between(folder, "odec"):
        if here != "runtime" and there in rooms and not {here, there} & {*SMALL}:
            graph.add(here, there, False)
    graph.reduce()
    return graph


def runtime() -> Graph:
    """The rooms of the run-time; imports in a function are dashed. On top a module, as the tests keep it."""
    graph, folder = Graph(RUNTIME), ROOT / "odec" / "runtime"
    assert any(name == "odec.runtime" for name, _ in imports(MODULE, ""))
    graph.add("module", "exports", False)
    for here, there, inside in between(folder, "odec.runtime"):
        if not {here, there} & {*SMALL_OF_RUNTIME}:
            graph.add(here, there, inside)
    graph.reduce()
    return graph


Point = tuple[float, float]


def layers(graph: Graph) -> tuple[list[list[str]], list[list[str]]]:
    """Rows from the top, and each arrow's way through them: a waypoint `a>b` in every row between."""
    heights = graph.heights()
    rows: list[list[str]] = [[] for _ in range(max(heights.values()) + 1)]
    for title in graph.boxes:
        rows[-1 - heights[title]].append(title)
    ways = []
    for a, b in sorted(graph.arrows):
        between_them = range(heights[a] - 1, heights[b], -1)
        ways.append([a, *(f"{a}>{b}@{row}" for row in between_them), b])
        for row, waypoint in zip(between_them, ways[-1][1:-1], strict=True):
            rows[-1 - row].append(waypoint)
    return rows, ways


def ordered(rows: list[list[str]], ways: list[list[str]]) -> list[list[str]]:
    """The rows with each box near the middle of what it is joined to, so that few arrows cross."""
    joined: dict[str, list[str]] = {}
    for way in ways:
        for a, b in zip(way, way[1:]):
            joined.setdefault(a, []).append(b)
            joined.setdefault(b, []).append(a)
    best, least = rows, crossings(rows, ways)
    for _ in range(24):
        for order in (range(1, len(rows)), range(len(rows) - 2, -1, -1)):
            for k in order:
                beside = {name: i for row in rows[:k] + rows[k + 1 :] for i, name in enumerate(row)}
                means = {name: mean([beside[other] for other in joined[name]]) for name in rows[k]}
                rows = [*rows[:k], sorted(rows[k], key=means.__getitem__), *rows[k + 1 :]]
            if crossings(rows, ways) < least:
                best, least = rows, crossings(rows, ways)
    return best


def crossings(rows: list[list[str]], ways: list[list[str]]) -> int:
    """How many pairs of arrows cross between neighbouring rows."""
    at = {name: i for row in rows for i, name in enumerate(row)}
    level = {name: k for k, row in enumerate(rows) for name in row}
    parts = [(level[a], at[a], at[b]) for way in ways for a, b in zip(way, way[1:])]
    return sum(k == m and (a - c) * (b - d) < 0 for k, a, b in parts for m, c, d in parts) // 2


def places(rows: list[list[str]], boxes: Boxes, width: float, top: float) -> dict[str, Point]:
    """The middle of every box and waypoint, each row centred."""
    found = {}
    for k, row in enumerate(rows):
        sizes = [WIDTH if name in boxes else 0 for name in row]
        x = (width - sum(sizes) - GAP * (len(row) - 1)) / 2
        for name, size in zip(row, sizes, strict=True):
            found[name] = (round(x + size / 2, 1), top + k * (HEIGHT + RISE) + HEIGHT / 2)
            x += size + GAP
    return found


def curve(points: list[Point], style: str) -> str:
    """A smooth line down through points, with an arrow's head at its end."""
    (x, y), *rest = points
    path = f"M{x:g} {y:g}"
    for a, b in rest:
        middle = (y + b) / 2
        path += f" C{x:g} {middle:g} {a:g} {middle:g} {a:g} {b:g}"
        x, y = a, b
    return f'<path class="{style}" d="{path}" marker-end="url(#head)"/>'


def arrow(way: list[str], at: Mapping[str, Point]) -> str:
    """One arrow from the lower edge of its first box to the upper edge of its last."""
    (x, y), (a, b) = at[way[0]], at[way[-1]]
    middle = [
        end
        for name in way[1:-1]
        for end in ((at[name][0], at[name][1] - 22), (at[name][0], at[name][1] + 22))
    ]
    return curve([(x, y + HEIGHT / 2), *middle, (a, b - HEIGHT / 2 - 2)], "arrow")


def dashed(pair: tuple[str, str], at: Mapping[str, Point]) -> str:
    """A dashed arrow from the side of a box up to another: to its lower edge, or its side if right above."""
    (x, y), (a, b) = at[pair[0]], at[pair[1]]
    side = -1 if a < x else 1
    start, bend = x + side * WIDTH / 2, max(abs(a - x), 20) + WIDTH / 2
    if a == x:
        path = f"M{start:g} {y:g} C{x + bend + 20:g} {y:g} {x + bend + 20:g} {b:g} {start + 2:g} {b:g}"
    else:
        end, edge = a + side * 40, b + HEIGHT / 2 + 2
        path = (
            f"M{start:g} {y:g} C{max(start * side, end * side) * side:g} {y:g} {end:g} {y:g} {end:g} {edge:g}"
        )
    return f'<path class="dashed" d="{path}" marker-end="url(#head)"/>'


def panel(
    graph: Graph, heading: str, small: tuple[str, ...], top: float, width: float
) -> tuple[list[str], float]:
    """The elements of one graph under its heading, and where it ends."""
    rows, ways = layers(graph)
    rows = ordered(rows, ways)
    at = places(rows, graph.boxes, width, top + 34)
    lines = [f'<text class="heading" x="{MARGIN}" y="{top + 12:g}">{escape(heading)}</text>']
    lines += [arrow(way, at) for way in ways]
    lines += [dashed(pair, at) for pair in sorted(graph.dashed)]
    for title, (what, _) in graph.boxes.items():
        x, y = at[title]
        lines.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        )
        lines.append(f'<text class="title" x="{x:g}" y="{y - 4:g}">{escape(title)}</text>')
        lines.append(f'<text class="what" x="{x:g}" y="{y + 13:g}">{escape(what)}</text>')
    end = top + 34 + len(rows) * (HEIGHT + RISE) - RISE + 22
    listed = ", ".join(f"{name}.py" for name in small)
    lines.append(f'<text class="small" x="{MARGIN}" y="{end:g}">used by any room: {listed}</text>')
    return lines, end


STYLE = """\
text { font-family: Helvetica, Arial, sans-serif; fill: #222; }
.heading { font-size: 15px; font-weight: bold; }
.title { font-size: 13px; font-weight: bold; text-anchor: middle; }
.what { font-size: 11px; text-anchor: middle; fill: #555; }
.small { font-size: 11px; fill: #555; }
rect { fill: #f4f7fb; stroke: #4a6fa5; }
.arrow { fill: none; stroke: #7a8ba5; }
.dashed { fill: none; stroke: #b0603a; stroke-dasharray: 5 4; }"""


def picture() -> str:
    """The whole picture as SVG."""
    graphs = compiler(), runtime()
    widest = max(sum(name in g.boxes for name in row) for g in graphs for row in layers(g)[0])
    width = widest * (WIDTH + GAP) + 6 * GAP + 2 * MARGIN
    upper, end = panel(graphs[0], "The compiler: odec/", SMALL, MARGIN, width)
    lower, bottom = panel(graphs[1], "The run-time: odec/runtime/", SMALL_OF_RUNTIME, end + 36, width)
    height = bottom + MARGIN
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#7a8ba5"/></marker>'
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
        "<title>The rooms of odec and who imports whom</title>",
        f"<style>\n{STYLE}\n</style>",
        f"<defs>{head}</defs>",
        f'<path d="M0 0 H{width:g} V{height:g} H0 z" fill="#fff"/>',
        *upper,
        *lower,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"wrote {PICTURE}\n")
