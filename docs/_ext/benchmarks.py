"""The directive ``benchmarks``: what ``benchmarks/table.py`` measured, as sentences and tables."""

import json
from math import prod
from pathlib import Path
from statistics import median

from sphinx.util.docutils import SphinxDirective
from tables import list_table

_NOT_YET = "Nothing is measured yet. On a machine that does nothing else, ``python benchmarks/table.py`` does it."


class Benchmarks(SphinxDirective):
    """``.. benchmarks:: PART``, a part of ``benchmarks/table.py`` or ``machine``."""

    required_arguments = 1

    def run(self):
        """Read the file that is there now."""
        path = Path(self.env.srcdir) / "benchmarks.json"
        self.env.note_dependency(str(path))
        part = self.arguments[0]
        if not path.exists():
            return self.parse_text_to_nodes(_NOT_YET) if part == "machine" else []
        found = json.loads(path.read_text(encoding="utf-8"))
        if part == "machine":
            return self.parse_text_to_nodes(_machine(found["machine"], found["measured"].values()))
        rows = [(*name.split("/")[1:], row) for name, row in found["measured"].items() if name.startswith(f"{part}/")]
        if part == "published":
            ours = {verb: found["measured"].get(f"calls/{verb}/cpu") for verb, _ in rows}
            rows = [(verb, row, ours[verb]) for verb, row in rows if ours[verb]]
        return self.parse_text_to_nodes("\n".join(list_table(_TABLES[part](rows))) if rows else "Not measured.")


def _machine(machine, measured):
    versions, dates, threads = (sorted({row[name] for row in measured}) for name in ("version", "date", "threads"))
    most = f"``OMP_NUM_THREADS={max(threads)}``"
    return (
        f"Measured on {' to '.join(dict.fromkeys((dates[0], dates[-1])))} with sunpy_ml {', '.join(versions)}: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB of memory, "
        f"{machine['gpu'] or 'no GPU'}; {machine['system']}, Python {machine['python']}, torch {machine['torch']}, "
        f"numpy {machine['numpy']}, sunpy {machine['sunpy']}. {most}, where nothing else is said."
    )


def _imports(rows):
    yield "What", "Shortest time [s]", "n"
    for name, row in rows:
        imported = f"``import {name}``" if "." in name or name in _MODULES else f"``from sunpy_ml import {name}``"
        yield imported, f"{min(row['seconds']):.3g}", len(row["seconds"])


def _calls(rows):
    yield "Verb", "Device", "Pixels", "First call [s]", "Later calls [s]", "Mpx/s", "Memory [MiB]"
    for verb, device, row in rows:
        yield _verb(verb), device, _shape(row), f"{row['first']:.3g}", _time(row), _speed(row), _memory(row)


def _published(rows):
    yield "Verb", "As published", "[s]", "Memory [MiB]", "The verb [s]", "Memory [MiB]", "Times faster"
    for verb, row, ours in rows:
        share = row["share"]
        part = "" if share == 1 else f" ({share:.0%} of it measured)"
        cells = _time(ours), _memory(ours), f"{median(row['later']) / share / median(ours['later']):.2g}"
        yield _verb(verb), row["what"] + part, _time(row, share), _memory(row), *cells


def _size(rows):
    yield "Verb", "Device", "Pixels", "Time [s]", "Mpx/s", "Memory [MiB]"
    for verb, device, _, row in rows:
        yield _verb(verb), device, _shape(row), _time(row), _speed(row), _memory(row)


def _files(rows):
    yield "Files", "Time [s]", "Files/s", "Memory [MiB]"
    for _, _, row in rows:
        yield row["count"], _time(row), f"{row['count'] / median(row['later']):.3g}", _memory(row)


def _dask(rows):
    yield "Workers", "Maps", "First time [s]", "Later [s]", "Maps/s", "Memory of the largest process [MiB]"
    for _, _, row in rows:
        speed = f"{row['count'] / median(row['later']):.3g}"
        yield row["workers"] or "none", row["count"], f"{row['first']:.3g}", _time(row), speed, f"{row['peak']:.0f}"


def _parity(rows):
    yield "Verb", "Largest difference over the largest value"
    for verb, row in rows:
        yield _verb(verb), f"{row['difference']:.1e}"


def _verb(name):
    return f"`~sunpy_ml.{name}`"


def _shape(row):
    return " × ".join(map(str, row["shape"]))


def _time(row, share=1.0):
    times = [time / share for time in row["later"]]
    spread = f" ({min(times):.3g} to {max(times):.3g}, n = {len(times)})" if len(times) > 1 else " (n = 1)"
    return f"{median(times):.3g}{spread}"


def _speed(row):
    return f"{prod(row['shape']) / median(row['later']) / 1e6:.3g}"


def _memory(row):
    return f"{row['peak']:.0f}" + ("" if row["before"] is None else f" ({row['peak'] - row['before']:.0f})")


_MODULES = ("sunpy_ml", "torch")
_TABLES = {
    "imports": _imports,
    "calls": _calls,
    "published": _published,
    "size": _size,
    "files": _files,
    "dask": _dask,
    "parity": _parity,
}


def setup(app):
    """Called by Sphinx."""
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True}
