"""The pages of the model cards, written from the cards themselves at each build, so that they cannot drift apart."""

from pathlib import Path

from sunpy_ml.weights import describe, get_card, list_weights

_TABLE_HEAD = """Model cards
===========

.. list-table::
   :header-rows: 1

   * - Name
     - Task
     - What it is
     - Licence
     - Size
"""


def write_cards(app):
    """Write a page for each card, and the table of all."""
    folder = Path(app.srcdir) / "generated" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    names = list_weights()["name"].tolist()
    rows = [_row(get_card(name)) for name in names]
    contents = ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    _write(folder / "index.rst", _TABLE_HEAD + "\n".join(rows + contents))
    for name in names:
        _write(folder / f"{name}.rst", _page(get_card(name)))


def _row(card):
    size = f"{card.file.size / 1e6:.1f} MB" if card.file.size else "unknown"
    default = " (default)" if card.default else ""
    cells = [f":doc:`{card.name}`{default}", card.task, card.title, card.licence, size]
    return "\n".join(f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(cells))


def _page(card):
    reference = f"https://doi.org/{card.reference}" if card.reference else ""
    limits = [f"* {limit}" for limit in card.limits]
    # Where the file lies is true of the machine that built the pages, and of no reader's.
    lines = [line for line in describe(card).splitlines() if not line.startswith("  path:")]
    return "\n".join(
        [card.name, "=" * len(card.name), "", card.title, "", reference, ""]
        + ["Limits", "------", "", *limits, "", "The card", "--------", "", ".. code-block:: none", ""]
        + [f"   {line}" for line in lines]
        + [""]
    )


def _write(path, text):
    # An unchanged page keeps its time, so that Sphinx does not read it again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_cards)
    return {"parallel_read_safe": True}
