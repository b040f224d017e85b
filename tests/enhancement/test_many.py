"""Many files, and the command line."""

import numpy as np
import pytest
from sunpy.map import Map

from sunpy_ml import enhance_files, enhance_hmi
from sunpy_ml.cli import main
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import as_map, write_map
from tests.maps import make_map

HMI = {"wavelnth": 6173.0, "telescop": "SDO/HMI", "cdelt1": 0.504, "cdelt2": 0.504}


@pytest.fixture
def files(tmp_path):
    paths = []
    for seed, unit in enumerate(("DN / s", "G")):
        data = np.random.default_rng(seed).normal((50000, 0)[seed], (2000, 100)[seed], (30, 36)).astype(np.float32)
        mask = np.zeros(data.shape, bool)
        mask[3, 4] = True
        paths.append(tmp_path / f"image{seed}.fits")
        write_map(make_map(data, bunit=unit, mask=mask, **HMI), paths[-1])
    return paths


def test_each_file_gives_one_of_its_name(files, tmp_path):
    table = enhance_files(files, tmp_path / "sharp", deviations=True)
    assert table["error"].tolist() == ["", ""]
    for source, row in zip(files, table, strict=True):
        expected = enhance_hmi(source)
        written = as_map(row["output"])
        valid = ~expected.mask
        np.testing.assert_array_equal(written.data[valid], expected.data[valid])
        assert np.isnan(written.data[~valid]).all()
        assert written.unit == expected.unit
        assert written.meta["consrms"] == row["consrms"]
        assert "weights hmi-" in str(written.meta["history"])
        deviation = as_map(str(row["output"]).replace(".fits", ".sigma.fits"))
        np.testing.assert_array_equal(deviation.data[valid], expected.uncertainty.array[valid])


def test_one_bad_file_costs_no_other(files, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"no image")
    table = enhance_files([broken, files[0]], tmp_path / "sharp")
    assert "cannot be read" in table["error"][0]
    assert np.isnan(table["consrms"][0])
    assert table["error"][1] == ""
    assert "there is a file" in enhance_files([files[0]], tmp_path / "sharp")["error"][0]
    assert enhance_files([files[0]], tmp_path / "sharp", overwrite=True)["error"][0] == ""


def test_the_file_that_is_read_is_never_replaced(files):
    before = files[0].read_bytes()
    table = enhance_files([files[0]], files[0].parent, overwrite=True)
    assert "is the file that is read" in table["error"][0]
    assert files[0].read_bytes() == before


def test_names_must_differ(files, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / files[0].name).write_bytes(files[0].read_bytes())
    with pytest.raises(ObservationError, match=r"not so \['image0.fits'\]"):
        enhance_files([files[0], other / files[0].name], tmp_path / "sharp")
    with pytest.raises(ObservationError, match="got 0 files"):
        enhance_files([], tmp_path / "sharp")
    with pytest.raises(ObservationError, match="names: got 1 for 2 files"):
        enhance_files(files, tmp_path / "sharp", names=["one.fits"])


def test_the_command_line_writes_what_the_function_gives(files, tmp_path, capsys):
    assert main(["enhance", str(files[0]), "-o", str(tmp_path / "one.fits")]) == 0
    assert "one.fits: seen again by HMI it differs by" in capsys.readouterr().out
    expected = enhance_hmi(files[0])
    np.testing.assert_array_equal(Map(tmp_path / "one.fits").data[~expected.mask], expected.data[~expected.mask])
    assert main(["enhance", str(tmp_path / "image*.fits"), "-o", str(tmp_path / "all"), "--uncertainty", "none"]) == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["image0.fits", "image1.fits"]


@pytest.mark.parametrize("name", ["out.fit", "out.fts", "out.FITS", "out.fits.gz", "out.fits.fz"])
def test_the_command_line_knows_the_endings_of_fits(files, tmp_path, name):
    assert main(["enhance", str(files[0]), "-o", str(tmp_path / name), "--uncertainty", "none"]) == 0
    assert (tmp_path / name).is_file()
    assert as_map(tmp_path / name).data.shape == (60, 72)


def test_the_command_line_refuses_other_endings(files, tmp_path, capsys):
    assert main(["enhance", str(files[0]), "-o", str(tmp_path / "out.png")]) == 2
    assert "a file must end in .fits" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()
    folder = tmp_path / "of.24"
    folder.mkdir()
    assert main(["enhance", str(files[0]), "-o", str(folder), "--uncertainty", "none"]) == 0
    assert (folder / "image0.fits").is_file()


def test_the_command_line_says_what_failed(files, tmp_path, capsys):
    out = str(tmp_path / "one.fits")
    assert main(["enhance", *map(str, files), "-o", out]) == 2
    assert "for 2 files; name a folder" in capsys.readouterr().err
    assert main(["enhance", str(files[1]), "-o", out, "--kind", "continuum"]) == 1
    assert "kind: got 'continuum'" in capsys.readouterr().err
    none = ["--deviations", "--uncertainty", "none"]
    assert main(["enhance", str(files[0]), "-o", out, *none]) == 1
    assert "deviations: " in capsys.readouterr().err
