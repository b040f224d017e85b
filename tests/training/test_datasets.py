import dataclasses
import pickle

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.table import QTable
from sunpy.map import Map
from torch.utils.data import DataLoader

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import prepare
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import FolderDataset, NpzDataset, PatchDataset, read_npz, write_npz
from sunpy_ml.weights import get_card

CARD = get_card("halpha-2")
SLIC = get_card("slic-1.1.1")


def _save(m, path):
    path.parent.mkdir(exist_ok=True, parents=True)
    m.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number, kind in enumerate(("quiet", "sunspots", "quiet", "prominences")):
        scene = halpha_scene(kind, seed=number, time=f"2014-10-{20 + number}T01:02:03")
        _save(scene, folder / kind / f"{number}.fits")
    return folder


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    m = halpha_scene("quiet", shape=(300, 400), scale=6 * u.arcsec / u.pix, seed=5)
    return _save(m, tmp_path_factory.mktemp("disk") / "disk.fits")


def _table(**columns):
    row = {"image": ["disk.fits"] * 2, "x": [10, 200], "y": [20, 100], "size": [60, 80], "label": ["quiet", "limb"]}
    return QTable({name: values for name, values in {**row, **columns}.items() if values is not None})


def test_a_folder_for_each_class(folder):
    dataset = FolderDataset(folder, CARD)
    assert dataset.classes == ("prominences", "quiet", "sunspots")
    assert dataset.labels.tolist() == [0, 1, 1, 2]
    assert [path.name for path in dataset.paths] == ["3.fits", "0.fits", "2.fits", "1.fits"]
    sample = dataset[3]
    expected = prepare(halpha_scene("sunspots", seed=1, time="2014-10-21T01:02:03"), CARD).data
    np.testing.assert_allclose(sample["image"][0], expected, rtol=1e-5, atol=1e-5)
    assert sample["image"].dtype == torch.float32
    assert sample["label"] == 2
    assert sample["date"] == "2014-10-21T01:02:03.000"
    assert sample["waveband"] == "656.3 nm"


def test_labels_follow_the_classes_that_are_given(folder):
    dataset = FolderDataset(folder, CARD, CARD.output.classes)
    assert [dataset.classes[label] for label in dataset.labels] == ["prominences", "quiet", "quiet", "sunspots"]
    with pytest.raises(ValueError, match=r"\['prominences'\] are not among \['quiet', 'sunspots'\]"):
        FolderDataset(folder, CARD, ["quiet", "sunspots"])


def test_what_the_headers_tell(folder):
    table = FolderDataset(folder, CARD).describe()
    assert table["label"].tolist() == ["prominences", "quiet", "quiet", "sunspots"]
    assert [date[:10] for date in table["date"]] == ["2014-10-23", "2014-10-20", "2014-10-22", "2014-10-21"]
    assert set(table["instrument"]) == {"H-alpha simulation"}
    assert u.allclose(table["wavelength"], 656.28 * u.nm)
    assert u.allclose(table["plate_scale"], 1.06 * u.arcsec / u.pix)
    assert u.allclose(table["field_of_view"], 256 * 1.06 * u.arcsec)


def test_a_header_that_is_silent(tmp_path):
    scene = halpha_scene("quiet", shape=(64, 64))
    meta = {key: value for key, value in scene.meta.items() if key not in ("wavelnth", "waveunit", "date-obs")}
    _save(Map(scene.data, meta), tmp_path / "quiet" / "silent.fits")
    dataset = FolderDataset(tmp_path, CARD)
    assert (dataset[0]["date"], dataset[0]["waveband"]) == ("", "unknown")
    described = dataset.describe()
    assert described["date"][0] == ""
    assert np.isnan(described["wavelength"][0])


def test_folders_that_cannot_be_a_data_set(tmp_path):
    with pytest.raises(ValueError, match="must hold a folder of FITS files for each class"):
        FolderDataset(tmp_path / "nowhere", CARD)
    with pytest.raises(ValueError, match="must hold a folder of FITS files for each class"):
        FolderDataset(tmp_path, CARD)
    (tmp_path / "quiet").mkdir()
    with pytest.raises(ObservationError, match="there is no FITS file in the folder"):
        FolderDataset(tmp_path, CARD)


def test_workers_read_what_the_process_itself_reads(folder):
    dataset = FolderDataset(folder, CARD)
    own = [dataset[index] for index in range(len(dataset))]
    batches = list(DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context="spawn"))
    torch.testing.assert_close(torch.cat([batch["image"] for batch in batches]), torch.stack([s["image"] for s in own]))
    assert torch.cat([batch["label"] for batch in batches]).tolist() == dataset.labels.tolist()
    assert [date for batch in batches for date in batch["date"]] == [sample["date"] for sample in own]


def test_patches_are_cut_by_their_boxes(disk):
    dataset = PatchDataset(_table(), CARD, folder=disk.parent)
    assert dataset.classes == ("limb", "quiet")
    assert dataset.labels.tolist() == [1, 0]
    whole = Map(disk)
    patch = dataset.observation(1)
    np.testing.assert_array_equal(patch.data, whole.data[100:180, 200:280])
    # The patch knows where on the Sun it lies.
    assert u.allclose(patch.wcs.pixel_to_world(0, 0).Tx, whole.wcs.pixel_to_world(200, 100).Tx)
    assert dataset[1]["image"].shape == (1, 256, 256)
    assert "features" not in dataset[1]
    assert dataset.describe()["source"][1] == f"{disk}[100:180, 200:280]"
    assert u.allclose(dataset.describe()["field_of_view"], [[360, 360], [480, 480]] * u.arcsec)


def test_patches_of_a_table_on_disk_with_features(disk):
    columns = {"size": None, "width": [60, 90] * u.pix, "height": [50, 80] * u.pix}
    features = {"has_filaments": [1, 0], "has_sunspots": [np.nan, 1.0]}
    _table(**columns, **features).write(disk.parent / "labels.ecsv", overwrite=True)
    dataset = PatchDataset(disk.parent / "labels.ecsv", CARD)
    assert dataset.observation(1).data.shape == (80, 90)
    assert dataset.features == ("filaments", "sunspots")
    assert dataset[1]["features"].tolist() == [0, 1]
    assert dataset[0]["features"].isnan().tolist() == [False, True]


@pytest.mark.parametrize("box", [{"x": [-1, 0]}, {"y": [241, 0]}, {"size": [0, 10]}, {"x": [341, 0]}])
def test_boxes_beyond_the_image(disk, box):
    dataset = PatchDataset(_table(**box), CARD, folder=disk.parent)
    with pytest.raises(ObservationError, match="the box of row 0"):
        dataset[0]


def test_a_table_that_lacks_a_column():
    with pytest.raises(ValueError, match=r"lacks the columns \['width', 'height'\]"):
        PatchDataset(_table(size=None), CARD)
    with pytest.raises(ValueError, match="expected at least one observation, got none"):
        PatchDataset(_table()[:0], CARD)


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (5, 256, 256), dtype=np.uint8)


@pytest.mark.parametrize("compressed", [True, False])
def test_the_authors_format(tmp_path, grey, compressed):
    path = tmp_path / "solar_train_data.npz"
    rows = np.concatenate([np.array([[4], [0], [1], [3], [2]], np.uint8), grey.reshape(5, -1)], axis=1)
    (np.savez_compressed if compressed else np.savez)(path, header=np.zeros(3), data=rows)
    images, labels = read_npz(path)
    np.testing.assert_array_equal(images, grey)
    assert labels.tolist() == [4, 0, 1, 3, 2]
    assert isinstance(images, np.memmap) != compressed
    dataset = NpzDataset(path, SLIC)
    assert dataset.classes == SLIC.output.classes
    for data in (dataset, pickle.loads(pickle.dumps(dataset))):
        np.testing.assert_array_equal(data[3]["image"][0], grey[3])
        assert data[3]["label"] == 3
    assert len(pickle.dumps(dataset)) < 5000


def test_what_is_written_is_what_the_authors_would_have_written(tmp_path, grey):
    path = tmp_path / "images.npz"
    write_npz(path, grey, [0, 1, 2, 3, 4])
    with np.load(path, allow_pickle=False) as content:
        assert list(content) == ["data"]
        assert content["data"].dtype == np.uint8
        assert content["data"].shape == (5, 65537)
        np.testing.assert_array_equal(content["data"][:, 0], np.arange(5))
        np.testing.assert_array_equal(content["data"][2, 1:], grey[2].ravel())


def test_a_folder_becomes_the_authors_format_and_back(tmp_path, folder):
    dataset = FolderDataset(folder, SLIC)
    samples = [dataset[index] for index in range(len(dataset))]
    images = torch.cat([sample["image"] for sample in samples]).numpy()
    np.testing.assert_array_equal(images, images.round())  # whole grey levels: nothing is lost
    write_npz(tmp_path / "images.npz", images.astype(np.uint8), dataset.labels)
    again = NpzDataset(tmp_path / "images.npz", SLIC, dataset.classes)
    assert again.labels.tolist() == dataset.labels.tolist()
    torch.testing.assert_close(again[2]["image"], samples[2]["image"], rtol=0, atol=0)


def test_other_cards_normalise_the_grey_levels(tmp_path, grey):
    write_npz(tmp_path / "images.npz", grey, [0] * 5)
    image = NpzDataset(tmp_path / "images.npz", CARD)[0]["image"]
    low, high = np.percentile(grey[0], [5, 95])
    np.testing.assert_allclose(image[0], (grey[0] - low) / (high - low), rtol=1e-5, atol=1e-5)
    small = dataclasses.replace(CARD, input=dataclasses.replace(CARD.input, shape=(64, 32)))
    assert NpzDataset(tmp_path / "images.npz", small)[0]["image"].shape == (1, 64, 32)


@pytest.mark.parametrize(
    ("images", "labels", "name", "message"),
    [
        (np.zeros((1, 256, 256)), [0], "a.npz", "expected uint8"),
        (np.zeros((1, 64, 64), np.uint8), [0], "a.npz", r"shape \(1, 64, 64\)"),
        (np.zeros((1, 256, 256), np.uint8), [0, 1], "a.npz", "for 2 labels"),
        (np.zeros((1, 256, 256), np.uint8), [256], "a.npz", "expected 0 to 255, got 256"),
        (np.zeros((1, 256, 256), np.uint8), [0], "a.npy", "must end in '.npz'"),
    ],
)
def test_what_the_format_cannot_hold(tmp_path, images, labels, name, message):
    with pytest.raises(ValueError, match=message):
        write_npz(tmp_path / name, images, labels)


def test_files_that_are_not_in_the_format(tmp_path):
    path = tmp_path / "images.npz"
    with pytest.raises(ValueError, match="cannot be read as npz"):
        read_npz(path)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="cannot be read as npz"):
        read_npz(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read as npz"):
        read_npz(path)
    np.savez(path, data=np.zeros((2, 7), np.uint8))
    with pytest.raises(ValueError, match=r"must be uint8 of the shape \(N, 65537\)"):
        read_npz(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_pickled_objects_are_never_loaded(tmp_path, save):
    save(tmp_path / "images.npz", data=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"cannot be read as npz.*(pickle|Object arrays)"):
        read_npz(tmp_path / "images.npz")


def test_a_label_without_a_class(tmp_path):
    write_npz(tmp_path / "images.npz", np.zeros((1, 256, 256), np.uint8), [5])
    with pytest.raises(ValueError, match=r"there are 5, but .* has label 5"):
        NpzDataset(tmp_path / "images.npz", SLIC)
