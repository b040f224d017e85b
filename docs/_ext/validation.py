"""The validation page, written from ``validation.toml``, ``validation.json`` and the cards at each build."""

import json
import tomllib
from itertools import groupby
from pathlib import Path
from statistics import median

from tables import list_table, write_page

from sunpy_ml.weights import get_card

_HEAD = """Validation
==========

What was set out to be reached, beside what is measured now. Figures of cards are of data that the weights were not
trained on, with their 95 % interval; the :doc:`cards <../generated/cards/index>` say which data these are. Those marked
with an asterisk are measured on real observations by ``python benchmarks/validate.py --data DIR``{version}; those with
a dagger are of :doc:`the page on speed <../guide/benchmarks>`, with the shortest and the longest time. What is not
reached is said, and why, on the card or on the page of the function.
"""

_COLUMNS = ("Figure", "Goal", "Measured", "Interval, n", "Reached")


def write_validation(app):
    """Write the page."""
    folder = Path(app.srcdir)
    figures = tomllib.loads((folder / "validation.toml").read_text(encoding="utf-8"))["figure"]
    measured = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    speeds = json.loads((folder / "benchmarks.json").read_text(encoding="utf-8"))["measured"]
    lines = [_HEAD.format(version=f", last by version {measured['version']}")]
    for about, group in groupby(figures, key=lambda figure: figure["about"]):
        rows = [_cells(figure, measured["figures"], speeds) for figure in group]
        lines += [about, "-" * len(about), "", *list_table([_COLUMNS, *rows], widths="46 14 12 18 10")]
    write_page(folder / "generated" / "validation.rst", "\n".join(lines))


def _cells(figure, measured, speeds):
    low, high = figure.get("least"), figure.get("most")
    if "card" in figure:
        metric = _metric(figure)
        value, mark = metric.value, ""
        interval = f"{metric.interval[0]:.3g} to {metric.interval[1]:.3g}, " if metric.interval else ""
        interval += f"n = {metric.n}"
    elif "seconds" in figure:
        times = speeds[figure["seconds"]]["later"]
        value, interval, mark = median(times), f"{min(times):.3g} to {max(times):.3g}, n = {len(times)}", "†"
    else:
        value, interval, mark = measured[figure["measured"]]["value"], f"n = {measured[figure['measured']]['n']}", r"\*"
    goal = {
        (False, False): "to be stated",
        (True, False): f"at least {low}",
        (False, True): f"at most {high}",
        (True, True): f"{low} to {high}",
    }[low is not None, high is not None]
    reached = (low is None or value >= low) and (high is None or value <= high)
    verdict = "" if goal == "to be stated" else "yes" if reached else "**no**"
    return figure["what"], goal, f"{value:.3g}{mark}", interval, verdict


def _metric(figure):
    for metric in get_card(figure["card"]).metrics:
        if metric.name.startswith(figure["metric"]) and metric.data.startswith(figure["data"]):
            return metric
    raise ValueError(f"validation.toml: {figure['card']} has no metric {figure['metric']!r} of {figure['data']!r}")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_validation)
    return {"parallel_read_safe": True}
