"""Cards completed by a recipe."""

import hashlib

import pytest

from sunpy_ml.training import MARKER, complete_card
from sunpy_ml.weights import get_card, read_card, weights_path

SCORES = {
    "metrics": [{"name": "accuracy", "data": "ten images", "n": 10, "value": 0.9, "interval": [0.596, 0.982]}],
    "confusion": [{"data": "ten images", "classes": ["quiet", "spots"], "counts": [[5, 1], [0, 4]]}],
}


def test_a_card_is_completed_by_what_was_measured(tmp_path):
    folder = tmp_path / "cards"
    folder.mkdir()
    weights = tmp_path / "halpha-2.safetensors"
    weights.write_bytes(b"not really weights")
    old = weights_path(get_card("halpha-2")).parents[1] / "cards" / "halpha-2.toml"
    complete_card(old, weights, SCORES, folder / "halpha-2.toml")
    card = read_card(folder / "halpha-2.toml")
    assert card.limits == get_card("halpha-2").limits
    assert card.file.sha256 == hashlib.sha256(b"not really weights").hexdigest()
    assert [(metric.name, metric.n) for metric in card.metrics] == [("accuracy", 10)]
    assert card.confusion[0].counts == ((5, 1), (0, 4))


def test_a_card_must_say_where_the_measured_part_begins(tmp_path):
    card = tmp_path / "card.toml"
    card.write_text("name = 'x-1'")
    with pytest.raises(ValueError, match="must hold the line"):
        complete_card(card, card, SCORES, tmp_path / "out.toml")
    assert MARKER.startswith("#")
