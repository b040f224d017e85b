"""What to cite for weights, as BibTeX."""

import re
from importlib.resources import files

from sunpy_ml.version import version
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card

__all__ = ["cite"]


def cite(card: Card | str) -> str:
    """Entries for BibTeX: the paper behind the weights, and the package with their name and checksum.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If there is no card of that name.

    Examples
    --------
    >>> from sunpy_ml.weights import cite
    >>> print(cite("halpha-2").splitlines()[0])
    @article{Armstrong2019,
    """
    card = get_card(card) if isinstance(card, str) else card
    return "\n\n".join(entry for entry in (_paper(card), _software(card)) if entry)


def _paper(card: Card) -> str:
    known = (files("sunpy_ml.weights") / "references.bib").read_text(encoding="utf-8").strip().split("\n\n")
    for entry in known:
        if card.reference and f"{{{card.reference}}}" in entry:
            return entry
    if not (card.citation or card.reference):
        return ""
    # A card of another package: what it says, in the form that BibTeX has for everything else.
    return _entry("misc", f"{_key(card)}-paper", note=card.citation, doi=card.reference)


def _software(card: Card) -> str:
    checksum = f", SHA-256 {card.file.sha256}" if card.file.sha256 else ""
    return _entry(
        "software",
        _key(card),
        author="{The sunpy_ml developers}",
        title="sunpy_ml: deep learning for solar physics",
        version=version,
        url="https://github.com/sunpy/sunpy_ml",
        note=f"weights {card.name}{checksum}",
    )


def _key(card: Card) -> str:
    return "sunpy_ml-" + re.sub(r"[^\w.-]", "-", card.name)


def _entry(kind: str, key: str, **fields: str) -> str:
    # What TeX would take for a subscript; a link or a DOI is not read as TeX.
    told = {name: text if name in ("doi", "url") else text.replace("_", r"\_") for name, text in fields.items() if text}
    return "\n".join([f"@{kind}{{{key},", *(f"  {name} = {{{text}}}," for name, text in told.items()), "}"])
