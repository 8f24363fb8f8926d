"""The init step's image holds a handful of our modules; each of them finds there what it imports."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copied():
    """The Python files that the `fetch` stage copies, one by one or by the folder."""
    stage = re.split(r"^FROM .* AS fetch$", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)[1]
    stage = re.split(r"^FROM ", stage, flags=re.MULTILINE)[0].replace("\\\n", " ")
    sources = [name for line in stage.splitlines() if line.startswith("COPY ") for name in line.split()[1:-1]]
    folders = [ROOT / name for name in sources if (ROOT / name).is_dir()]
    modules = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*.py")}
    return modules | {name for name in sources if name.endswith(".py")}


def imports(name):
    """The files of ours that a module imports when it is loaded."""
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    files = {f"{module.replace('.', '/')}.py" for module in found}
    return {file for file in files if (ROOT / file).is_file()}


def test_the_fetch_image_is_complete():
    files = copied()
    assert "training/registry/fetch.py" in files
    assert {name: imports(name) - files for name in sorted(files) if imports(name) - files} == {}
