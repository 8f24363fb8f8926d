"""Markdown tables, and writing them between two marks of a page."""

from collections.abc import Sequence
from pathlib import Path


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown; columns after the first `left` ones are aligned to the right."""
    rule = ["---" if i < left else "---:" for i in range(len(headings))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


def write_between(path: Path, text: str, begin: str, end: str) -> None:
    """Writes a file, or replaces the text between the two marks of an existing one."""
    page = path.read_text("utf-8") if path.exists() else ""
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        before, after = "", "\n"
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
