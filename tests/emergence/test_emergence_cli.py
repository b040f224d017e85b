"""``sunpy-ml emergence``, and cubes in files."""

import asdf
import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.table import QTable
from astropy.time import TimeDelta
from sunpy.coordinates import get_earth
from sunpy.map import make_fitswcs_header

from sunpy_ml import detect_emergence
from sunpy_ml.cli import main
from sunpy_ml.emergence.networks import EmergenceEnsemble
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.weights import Domain, save_weights
from tests.emergence.growing import START, card_of, growing_cube
from tests.maps import make_map


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of two untrained members, since what is tested here is not what they know."""
    torch.manual_seed(0)
    arguments = {"members": 2, "block": 30, "bin": 25, "width": 4, "channels": 4}
    path = tmp_path_factory.mktemp("weights") / "rise-1.safetensors"
    card = card_of(network="emergence-ensemble", network_arguments=arguments, domain=Domain())
    save_weights(EmergenceEnsemble(EmergenceEnsemble.Config(**arguments)), path, card)
    return str(path)


@pytest.fixture(scope="module")
def cube_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cubes") / "patch.asdf"
    asdf.AsdfFile({"cube": growing_cube(days=np.arange(225) / 15)}).write_to(path)
    return path


def test_a_cube_in_a_file_is_that_cube(cube_file, weights):
    found = detect_emergence(cube_file, weights=weights)
    given = detect_emergence(growing_cube(days=np.arange(225) / 15), weights=weights)
    assert np.array_equal(found.curves, given.curves)
    assert len(found.sha256) == 64


def test_the_command_writes_what_the_verb_tells(cube_file, weights, tmp_path, capsys):
    output, picture = tmp_path / "found.ecsv", tmp_path / "found.png"
    command = ["emergence", str(cube_file), "--weights", weights, "-o", str(output), "--plot", str(picture)]
    assert main(command) == 0
    table = QTable.read(output)
    assert table["probability"][0] == pytest.approx(detect_emergence(cube_file, weights=weights).probability)
    assert table["start"][0].isot == START.isot
    assert picture.stat().st_size > 10_000
    assert main([*command[:4], "-o", str(tmp_path / "found.csv")]) == 0
    assert "validated on simulations only" in (tmp_path / "found.csv").read_text()
    capsys.readouterr()
    assert main(command[:4]) == 0
    assert "rise-1" in capsys.readouterr().out


def test_a_folder_of_full_disks(weights, tmp_path, capsys):
    for number in range(3):
        time = START + TimeDelta(number * 5, format="jd")
        observer = get_earth(time)
        header = make_fitswcs_header((200, 200), observer_middle(observer), scale=[12, 12] * u.arcsec / u.pix)
        m = make_map(np.full((200, 200), 20.0 + number), **{**header, "bunit": "G", "wavelnth": None})
        m.save(tmp_path / f"disk{number}.fits")
    place = ["--centre", "-30", "15", "--time", START.isot, "--scale", "0.2", "--weights", weights]
    assert main(["emergence", str(tmp_path), *place]) == 0
    assert "2001-03-01T06:00" in capsys.readouterr().out
    assert main(["emergence", str(tmp_path), *place[:3]]) == 2
    assert "--centre, --time: a folder needs both" in capsys.readouterr().err


def observer_middle(observer):
    from astropy.coordinates import SkyCoord

    return SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame="helioprojective", observer=observer, obstime=observer.obstime)


def test_what_cannot_be_read_is_told(weights, cube_file, tmp_path, capsys):
    assert main(["emergence", str(cube_file), "-o", "table.fits"]) == 2
    assert "must end in one of" in capsys.readouterr().err
    assert main(["emergence", str(cube_file), "--time", "2001-03-01"]) == 2
    assert "--time: it belongs to a folder" in capsys.readouterr().err
    asdf.AsdfFile({"data": np.zeros(3)}).write_to(tmp_path / "other.asdf")
    (tmp_path / "broken.asdf").write_text("nothing")
    for name, message in (
        ("other.asdf", "holds 0 NDCubes"),
        ("broken.asdf", "cannot be read as ASDF"),
        ("none.asdf", "there is no file"),
        ("patch.fits", "patch_cube"),
    ):
        with pytest.raises(ObservationError, match=message):
            detect_emergence(tmp_path / name, weights=weights)
