"""The command line, as a user types it."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from sunpy.map import Map

import sunpy_ml
from sunpy_ml.cli import main
from sunpy_ml.flows import read_flow_file
from sunpy_ml.simulation import halpha_scene, moving_granulation, photosphere_scene
from tests.maps import make_map


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("observations")
    for number, kind in enumerate(("sunspots", "quiet")):
        halpha_scene(kind, seed=2).save(path / f"{number}_{kind}.fits")
    return path


def test_version_and_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"sunpy-ml {sunpy_ml.__version__}"
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


@pytest.mark.parametrize("extension", ["ecsv", "fits", "csv"])
def test_classify_writes_a_table(folder, tmp_path, extension):
    output = tmp_path / f"table.{extension}"
    assert main(["classify", str(folder), "-o", str(output)]) == 0
    table = QTable.read(output, **({"astropy_native": True} if extension == "fits" else {}))
    assert list(table["label"]) == ["sunspots", "quiet"]
    assert ("centre_x" in table.colnames) == (extension == "csv")


def test_classify_prints_a_table(folder, capsys):
    assert main(["classify", str(folder / "*.fits")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "p_sunspots" in lines[0]
    assert sum("quiet" in line for line in lines[1:]) == 1


def test_a_file_that_cannot_be_read_shows_in_the_exit_code(folder, tmp_path, capsys):
    missing = str(tmp_path / "none.fits")
    output = tmp_path / "table.ecsv"
    assert main(["classify", missing, str(folder), "-o", str(output), "--plot", str(tmp_path / "plots")]) == 1
    assert "there is no file" in capsys.readouterr().err
    # An empty word in ECSV is read back as a masked one.
    assert list(QTable.read(output)["label"].filled("")) == ["", "sunspots", "quiet"]
    plots = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert plots == ["00001_0_sunspots.fits.png", "00002_1_quiet.fits.png"]


def test_mistakes_are_told_in_a_line(folder, tmp_path, capsys):
    assert main(["classify", str(folder), "-o", "table.xlsx"]) == 2
    assert "must end in one of" in capsys.readouterr().err
    assert main(["classify", str(folder), "--weights", "halpha-0"]) == 2
    assert "'halpha-2'" in capsys.readouterr().err
    assert main(["classify", str(tmp_path)]) == 2
    assert "no FITS file in the folder" in capsys.readouterr().err


def test_weights_list(capsys):
    assert main(["weights", "list"]) == 0
    assert "halpha-2" in capsys.readouterr().out


def test_demo_says_that_it_is_simulated(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "SIMULATED" in said
    assert "sunspots" in said
    from matplotlib.image import imread

    assert np.ptp(imread(tmp_path / "sunpy_ml_demo.png")) > 0.5


def test_demo_takes_real_files(folder, tmp_path, capsys):
    output = tmp_path / "look.png"
    assert main(["demo", str(folder), "-o", str(output)]) == 0
    assert "SIMULATED" not in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"look.png", "look_1.png"}


def test_train_finds_its_recipe_by_name(tmp_path, capsys, monkeypatch):
    from sunpy_ml.classification import recipe

    asked = {}

    def make(data, out, *, epochs, seed=5):
        asked.update(data=data, out=out, epochs=epochs, seed=seed)
        return out / "made.safetensors"

    monkeypatch.setitem(recipe.RECIPES, "halpha", make)
    assert main(["train", "halpha", "--data", str(tmp_path), "--out", str(tmp_path), "--epochs", "3"]) == 0
    assert asked == {"data": tmp_path, "out": tmp_path, "epochs": 3, "seed": 5}
    assert capsys.readouterr().out.strip() == str(tmp_path / "made.safetensors")
    assert main(["train", "nothing"]) == 2
    assert "halpha" in capsys.readouterr().err


def test_weights_are_told_verified_located_and_converted(tmp_path, capsys):
    assert main(["weights", "info", "halpha-2"]) == 0
    said = capsys.readouterr().out
    assert "accuracy: 0.9" in said
    assert "checked by SHA-256" in said
    assert main(["weights", "verify", "halpha-2"]) == 0
    assert "as its card says" in capsys.readouterr().out
    assert main(["weights", "fetch", "halpha-2"]) == 0
    assert main(["weights", "path", "halpha-2"]) == 0
    assert capsys.readouterr().out.strip().endswith("halpha-2.safetensors")
    copy = tmp_path / "copy.safetensors"
    assert main(["weights", "convert", "halpha-2", str(copy)]) == 0
    assert copy.exists()
    assert main(["weights", "fetch", "slic-1.1.1"]) == 2
    assert "--accept-unverified" in capsys.readouterr().err


def test_simulate_writes_what_is_true_as_well(tmp_path, capsys):
    output = tmp_path / "plage.fits"
    command = ["simulate", "photosphere", "-o", str(output), "--kind", "plage", "--seed", "3", "--shape", "48", "64"]
    assert main(command) == 0
    written = capsys.readouterr().out.split()
    assert written == [str(tmp_path / f"plage_{name}.fits") for name in ("continuum", "magnetogram")]
    field = Map(written[1])
    assert field.unit == "G"
    assert np.array_equal(field.data, photosphere_scene("plage", seed=3, shape=(48, 64)).magnetogram.data)


def test_simulate_tells_mistakes_in_a_line(tmp_path, capsys):
    output = tmp_path / "scene.fits"
    assert main(["simulate", "corona", "-o", str(output)]) == 2
    assert "choose one of convection, flare, halpha, motion, photosphere" in capsys.readouterr().err
    command = ["simulate", "halpha", "-o", str(output), "--shape", "32", "32"]
    assert main(command) == 0
    before = output.read_bytes()
    assert main([*command, "--seed", "1"]) == 2
    assert f"overwrite {output}" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert main([*command, "--seed", "1", "--overwrite"]) == 0
    assert output.read_bytes() != before


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Two images of granulation, 30 s apart, in files."""
    path = tmp_path_factory.mktemp("frames")
    cube = moving_granulation(shape=(64, 64), velocity=[1.0, -0.5] * u.km / u.s).frames
    for number, date in enumerate(("2014-10-24T12:00:00", "2014-10-24T12:00:30")):
        make_map(cube.data[number], cdelt1=0.1, cdelt2=0.1, date__obs=date).save(path / f"{number}.fits")
    return path


@pytest.mark.parametrize("ending", ["fits", "asdf"])
def test_flow_writes_velocities(frames, tmp_path, capsys, ending):
    output = tmp_path / f"flow.{ending}"
    command = ["flow", str(frames / "*.fits"), "-o", str(output), "--method", "lct", "--window", "1.2 Mm"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"{output}: 1 x 64 x 64 vectors, 1.")
    flow = read_flow_file(output)
    assert flow["vx"].meta["window"] == 1.2 * u.Mm
    assert np.nanmean(flow["vx"].data) == pytest.approx(1, abs=0.1)
    assert main(command) == 2
    assert "say overwrite=True" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--cadence", "60 s", "--average", "all"]) == 0
    assert np.nanmean(read_flow_file(output)["vx"].data) == pytest.approx(0.5, abs=0.05)


def test_flow_tells_mistakes_in_a_line(frames, tmp_path, capsys):
    output = str(tmp_path / "flow.fits")
    command = ["flow", str(frames), "-o", output]
    assert main([*command, "--window", "1 Mm"]) == 2
    assert "--window: it belongs to --method lct" in capsys.readouterr().err
    assert main([*command, "--method", "lct", "--remove-rotation"]) == 2
    assert "--remove-rotation: it belongs to --method deepvel" in capsys.readouterr().err
    assert main([*command[:2], "-o", str(tmp_path / "flow.txt")]) == 2
    assert "must end in one of" in capsys.readouterr().err
    assert main([*command, "--weights", "deepvel-0"]) == 2
    assert "'deepvel-2017'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([*command, "--cadence", "soon"])
    assert stop.value.code == 2
    assert "expected a number with its unit, got 'soon'" in capsys.readouterr().err


def test_info_names_what_a_report_needs(capsys):
    assert main(["info"]) == 0
    told = capsys.readouterr().out
    for name in ("sunpy_ml ", "torch ", "dask ", "Device that is used: ", "halpha-2 (SHA-256)"):
        assert name in told


def test_weights_can_be_cited(capsys):
    assert main(["weights", "cite", "slic-1.1.1"]) == 0
    assert capsys.readouterr().out.startswith("@article{Armstrong2019,")
