"""The recipes there are, by name, so that the command line can run them.

Every module ``recipe.py`` or ``<name>_recipe.py`` of a domain offers its recipes in a dict ``RECIPES``, from a name to
a function ``make(data, out, *, epochs=..., seed=..., resume=...)`` that gives the path of the weights it wrote. It may
leave out ``data`` or ``resume``.
"""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sunpy_ml

__all__ = ["list_recipes", "run_recipe"]

_PATTERNS = ("*/recipe.py", "*/*_recipe.py")


def _recipes() -> dict[str, Callable[..., Path]]:
    recipes: dict[str, Callable[..., Path]] = {}
    folder = Path(sunpy_ml.__path__[0])
    for path in sorted(found for pattern in _PATTERNS for found in folder.glob(pattern)):
        module = importlib.import_module(f"{sunpy_ml.__name__}.{path.parent.name}.{path.stem}")
        offered = getattr(module, "RECIPES", {})
        taken = sorted(recipes.keys() & offered.keys())
        if taken:
            raise ValueError(
                f"RECIPES: {module.__name__} offers {taken}, which are the names of other recipes already."
            )
        recipes |= offered
    return recipes


def list_recipes() -> list[str]:
    """The names of the recipes there are.

    Examples
    --------
    >>> from sunpy_ml.training import list_recipes
    >>> "slic" in list_recipes()
    True
    """
    return sorted(_recipes())


def run_recipe(
    name: str,
    *,
    data: str | Path | None = None,
    out: str | Path = ".",
    epochs: int | None = None,
    seed: int | None = None,
    resume: bool = False,
) -> Path:
    """Make weights by a recipe.

    Parameters
    ----------
    name : str
        From `list_recipes`.
    data : str or pathlib.Path, optional
        Folder of the images, for recipes that need one.
    out : str or pathlib.Path, optional
        Folder for the outcome, made if it must be; by default the current one.
    epochs : int, optional
        By default as the recipe says.
    seed : int, optional
        Of all chance; by default as the recipe says.
    resume : bool, optional
        Go on where an earlier run into the same folder was interrupted.

    Returns
    -------
    pathlib.Path
        The weights file.

    Raises
    ------
    ValueError
        If there is no such recipe, or it needs data, takes none, or cannot be resumed.

    Examples
    --------
    >>> from sunpy_ml.training import run_recipe
    >>> run_recipe("no such recipe")
    Traceback (most recent call last):
    ...
    ValueError: recipe: there is none named 'no such recipe'; the names are [...].
    """
    recipes = _recipes()
    if name not in recipes:
        raise ValueError(f"recipe: there is none named {name!r}; the names are {sorted(recipes)}.")
    out = Path(out)
    options: dict[str, Any] = {"out": out}
    # What was not asked for is left to the recipe.
    options |= {"data": Path(data)} if data is not None else {}
    options |= {"epochs": epochs} if epochs is not None else {}
    options |= {"seed": seed} if seed is not None else {}
    options |= {"resume": True} if resume else {}
    parameters = inspect.signature(recipes[name]).parameters.values()
    needed = {parameter.name for parameter in parameters if parameter.default is parameter.empty}
    needed -= {parameter.name for parameter in parameters if parameter.kind is parameter.VAR_KEYWORD}
    if needed - options.keys():
        raise ValueError(f"recipe: {name!r} needs {sorted(needed - options.keys())} as well.")
    unknown = sorted(options.keys() - {parameter.name for parameter in parameters})
    if unknown:
        raise ValueError(f"recipe: {name!r} does not take {unknown}; leave them out.")
    out.mkdir(parents=True, exist_ok=True)
    return recipes[name](**options)
