"""The import contracts that need an allow-list, which import-linter does not have."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sunpy_ml

PACKAGE = Path(sunpy_ml.__file__).parent


def imported(path: Path) -> set[str]:
    """The absolute names that a module imports, with what it takes from them, type checking aside."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(*patterns: str) -> list[Path]:
    found = sorted(path for pattern in patterns for path in PACKAGE.glob(pattern))
    assert found
    return found


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", modules("*/networks.py"), ids=named)
def test_networks_know_tensors_only(path):
    folder = f"sunpy_ml.{path.parent.name}"
    allowed = ("torch", "math", "numpy", "copy", "dataclasses", "typing", "collections", folder)
    strangers = {name for name in imported(path) if name.split(".")[0] not in allowed and not name.startswith(folder)}
    assert not strangers


@pytest.mark.parametrize("path", modules("weights/**/*.py", "inference/**/*.py"), ids=named)
def test_weights_and_inference_know_no_maps(path):
    assert not {name for name in imported(path) if name.startswith(("sunpy.map", "ndcube"))}


def test_the_command_line_uses_public_names_only():
    for name in {name for path in modules("cli/*.py") for name in imported(path)}:
        if name.startswith("sunpy_ml.") and not name.startswith("sunpy_ml.cli"):
            module, _, attribute = name.rpartition(".")
            __import__(module)
            assert attribute in sys.modules[module].__all__, f"{name} is not public"
        assert "._" not in name


def test_modules_are_small():
    long = {named(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 320} == {}


@pytest.mark.parametrize(
    "command",
    [
        "import sunpy_ml; sunpy_ml.__version__; dir(sunpy_ml)",
        "from sunpy_ml.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from sunpy_ml.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass",
    ],
)
def test_what_must_be_fast_imports_nothing_heavy(command):
    check = "import sys; print([m for m in ('torch', 'matplotlib', 'sunpy.map', 'ndcube') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{command}\n{check}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_verbs_are_there_and_nothing_else():
    for name in sunpy_ml.__all__:
        assert getattr(sunpy_ml, name) is not None
        assert name in dir(sunpy_ml)
    with pytest.raises(AttributeError, match="no attribute 'classify'"):
        _ = sunpy_ml.classify
