"""What the extensions that write tables and pages share."""

from collections.abc import Iterable
from pathlib import Path


def list_table(rows: Iterable[Iterable[object]], *, widths: str = "") -> list[str]:
    """The lines of a table in reStructuredText; its first row is the head."""
    lines = [".. list-table::", "   :header-rows: 1", *([f"   :widths: {widths}"] if widths else []), ""]
    for row in rows:
        lines += [f"   {' ' if number else '*'} - {cell}" for number, cell in enumerate(row)]
    return [*lines, ""]


def write_page(path: Path, text: str) -> None:
    """Write a page; an unchanged one keeps its time, so that Sphinx does not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
