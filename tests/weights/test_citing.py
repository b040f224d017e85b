"""What to cite, as BibTeX."""

import dataclasses
import re

import pytest

from sunpy_ml.weights import cite, get_card, list_weights


def fields(entry):
    return dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))


@pytest.mark.parametrize("name", list_weights()["name"].tolist())
def test_the_paper_of_each_card_is_known_and_matches_its_citation(name):
    card = get_card(name)
    paper, software = cite(name).split("\n\n")
    assert paper.startswith("@article{")
    told = fields(paper)
    assert told["doi"] == card.reference
    assert told["year"] in card.citation
    assert told["volume"] in card.citation
    assert told["author"].split(",")[0].split()[-1].encode("ascii", "ignore").decode()[-3:] in card.citation
    assert name in software.replace("\\_", "_")
    assert paper.count("{") == paper.count("}")
    assert software.count("{") == software.count("}")


def test_a_card_of_somebody_else_is_cited_by_what_it_says():
    card = dataclasses.replace(
        get_card("halpha-2"), name="their_net-2", reference="10.1/abc_d", citation="They 2030, J. 1"
    )
    paper, software = cite(card).split("\n\n")
    assert fields(paper) == {"note": "They 2030, J. 1", "doi": "10.1/abc_d"}
    assert r"their\_net-2" in fields(software)["note"]


def test_without_a_paper_the_weights_alone_are_cited():
    card = dataclasses.replace(get_card("halpha-2"), reference="", citation="")
    assert cite(card).startswith("@software{sunpy_ml-halpha-2,")
