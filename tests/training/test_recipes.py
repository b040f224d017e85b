import types

import pytest

from sunpy_ml.training import list_recipes, recipes, run_recipe


@pytest.fixture
def offered(monkeypatch):
    """A recipe that tells what it was asked, beside the real ones."""
    calls = []

    def make(data, out, *, epochs=7, seed=0):
        calls.append({"data": data, "out": out, "epochs": epochs, "seed": seed})
        return out / "weights.safetensors"

    def simulate(out, *, seed=0, resume=False, **options):
        calls.append({"out": out, "resume": resume, **options})
        return out / "weights.safetensors"

    monkeypatch.setattr(recipes, "_recipes", lambda: {"made": make, "simulated": simulate})
    return calls


def test_recipes_are_found_by_name():
    assert "slic" in list_recipes()


def test_a_recipe_gets_what_it_was_asked_and_nothing_else(offered, tmp_path):
    out = tmp_path / "new"
    assert run_recipe("made", data="images", out=str(out), seed=3) == out / "weights.safetensors"
    assert out.is_dir()
    assert (offered[0]["epochs"], offered[0]["seed"], offered[0]["data"].name) == (7, 3, "images")
    run_recipe("made", data="images", out=out, epochs=2)
    assert offered[1]["epochs"] == 2
    run_recipe("simulated", out=out, resume=True)
    assert offered[2] == {"out": out, "resume": True}


def test_what_a_recipe_needs_or_does_not_take(offered, tmp_path):
    with pytest.raises(ValueError, match=r"'made' needs \['data'\]"):
        run_recipe("made", out=tmp_path)
    with pytest.raises(ValueError, match=r"'made' does not take \['resume'\]"):
        run_recipe("made", data=tmp_path, out=tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"none named 'maid'; the names are \['made', 'simulated'\]"):
        run_recipe("maid")
    assert offered == []


def test_two_recipes_of_one_name(monkeypatch):
    module = types.SimpleNamespace(__name__="some.recipe", RECIPES={"slic": None})
    monkeypatch.setattr(recipes.importlib, "import_module", lambda name: module)
    with pytest.raises(ValueError, match=r"some.recipe offers \['slic'\]"):
        list_recipes()
