"""The pages of the model cards, written from the cards themselves at each build, so that they cannot drift apart."""

from pathlib import Path

from tables import list_table, write_page

from sunpy_ml.weights import describe, get_card, list_weights

_HEAD = ["Model cards", "===========", ""]
_COLUMNS = ("Name", "Task", "What it is", "Licence", "Size")


def write_cards(app):
    """Write a page for each card, and the table of all."""
    folder = Path(app.srcdir) / "generated" / "cards"
    names = list_weights()["name"].tolist()
    rows = [_row(get_card(name)) for name in names]
    contents = [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    write_page(folder / "index.rst", "\n".join([*_HEAD, *list_table([_COLUMNS, *rows]), *contents]))
    for name in names:
        write_page(folder / f"{name}.rst", _page(get_card(name)))


def _row(card):
    size = f"{card.file.size / 1e6:.1f} MB" if card.file.size else "unknown"
    default = " (default)" if card.default else ""
    return f":doc:`{card.name}`{default}", card.task, card.title, card.licence, size


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


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_cards)
    return {"parallel_read_safe": True}
