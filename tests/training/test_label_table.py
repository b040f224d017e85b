import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective, get_earth, sun

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import PatchDataset, label_table, merge_label_tables, split_by_date
from sunpy_ml.weights import get_card
from tests.maps import make_map

START = "2014-10-24T12:00:00"
SCALE = 2.5


def disk(time=START, **header):
    """A full disk of 1000 by 1000 pixels as seen from the Earth."""
    earth = get_earth(time)
    seen = {
        "hgln_obs": 0.0,
        "hglt_obs": earth.lat.to_value(u.deg),
        "dsun_obs": earth.radius.to_value(u.m),
        "rsun_ref": 695700000.0,
    }
    place = {"crval1": 0.0, "crval2": 0.0, "cdelt1": SCALE, "cdelt2": SCALE, "date__obs": time}
    return make_map(np.zeros((1000, 1000), np.float32), **{**place, **seen, **header})


def polygon(west, east, south, north):
    return f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"


def events(kind="FI", start=START, end=START, **columns):
    return Table({"event_type": [kind], "event_starttime": [start], "event_endtime": [end], **columns})


def at(longitude, latitude, half=3):
    return polygon(longitude - half, longitude + half, latitude - half, latitude + half)


def westward(duration, latitude):
    """Stonyhurst longitude gained since `START`, by hand: Howard's rate less the Earth's own motion."""
    square = np.sin(latitude) ** 2
    turned = (2.894 - 0.428 * square - 0.370 * square**2) * u.urad / u.s * duration
    carrington = 14.1844 * u.deg / u.day * duration
    earth = carrington + ((sun.L0(Time(START) + duration) - sun.L0(START) + 180 * u.deg) % (360 * u.deg) - 180 * u.deg)
    return (turned - earth).to(u.deg)


@pytest.mark.parametrize(("longitude", "latitude"), [(-30, 15), (0, -40), (25, 5)])
def test_a_box_is_where_the_feature_is_after_a_day(longitude, latitude):
    later = Time(START) + 1 * u.day
    m = disk(later.isot)
    table = label_table(
        events(hgs_bbox=[at(longitude, latitude)]),
        {"later": m},
        time_gaps={"filaments": 2 * u.day},
        least_size=1 * u.arcsec,
    )
    lats = np.array([latitude - 3, latitude - 3, latitude + 3, latitude + 3]) * u.deg
    lons = np.array([longitude - 3, longitude + 3, longitude - 3, longitude + 3]) * u.deg
    lons = lons + westward(1 * u.day, lats)
    corners = SkyCoord(lons, lats, 695700 * u.km, frame=HeliographicStonyhurst(obstime=later))
    x, y = (axis.value for axis in m.world_to_pixel(corners.transform_to(m.coordinate_frame)))
    assert len(table) == 1
    row = table[0]
    assert (row["x"], row["x"] + row["width"]) == pytest.approx((x.min() + 0.5, x.max() + 0.5), abs=1)
    assert (row["y"], row["y"] + row["height"]) == pytest.approx((y.min() + 0.5, y.max() + 0.5), abs=1)
    # Left where it was, it would be wrong by far more.
    still = label_table(events(hgs_bbox=[at(longitude, latitude)]), {"now": disk()}, least_size=1 * u.arcsec)[0]
    assert row["x"] - still["x"] > 50
    assert row["time_gap"] == 24 * u.hour


def test_a_planted_spot_lies_in_its_box():
    later = Time(START) + 6 * u.hour
    spot = SkyCoord(
        -20 * u.deg + westward(6 * u.hour, 12 * u.deg),
        12 * u.deg,
        frame=HeliographicStonyhurst(obstime=later),
    )
    m = halpha_scene("quiet", shape=(1000, 1000), scale=SCALE * u.arcsec / u.pix, time=later.isot)
    x, y = (int(np.round(axis.value)) for axis in m.world_to_pixel(spot.transform_to(m.coordinate_frame)))
    m.data[y, x] = -1e6
    # The simulated observer stands at latitude 0, the Earth at 5 degrees: heliographic corners do not mind.
    row = label_table(events("SS", hgs_bbox=[at(-20, 12, 2)]), {"scene": m})[0]
    box = m.data[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]]
    found = np.array(np.unravel_index(box.argmin(), box.shape))
    assert box.min() == -1e6
    assert np.abs(found - (np.array(box.shape) - 1) / 2).max() < 2


def test_all_kinds_of_columns_say_the_same():
    m, earth = disk(), get_earth(START)
    hgs = SkyCoord(
        [-33, -27, -27, -33] * u.deg, [12, 12, 18, 18] * u.deg, frame="heliographic_stonyhurst", obstime=START
    )
    hpc = hgs.transform_to(Helioprojective(obstime=START, observer=earth))
    points = zip(hpc.Tx.to_value("arcsec"), hpc.Ty.to_value("arcsec"), strict=True)
    text = "POLYGON((" + ",".join(f"{x} {y}" for x, y in points) + "))"
    kinds = {
        "hgs text": {"hgs_bbox": [at(-30, 15)]},
        "hpc text": {"hpc_bbox": [text]},
        "hgs": {"hgs_bbox": SkyCoord(hgs.data.reshape(1, 4), frame=HeliographicStonyhurst(obstime=Time(START)))},
        "hpc": {
            "hpc_bbox": SkyCoord(hpc.Tx[None], hpc.Ty[None], frame=Helioprojective(obstime=START, observer="earth"))
        },
        "hpc unknown": {
            "hpc_bbox": SkyCoord(
                [[np.nan] * 4] * u.arcsec, [[np.nan] * 4] * u.arcsec, frame="helioprojective", obstime=START
            ),
            "hgs_bbox": [at(-30, 15)],
        },
        "hpc lost": {"hpc_bbox": MaskedColumn([""], mask=[True]), "hgs_bbox": [at(-30, 15)]},
    }
    boxes = {}
    for name, columns in kinds.items():
        row = label_table(events(**columns), {"m": m})[0]
        boxes[name] = [int(row[column]) for column in ("x", "y", "width", "height")]
    assert all(np.abs(np.subtract(box, boxes["hgs text"])).max() <= 1 for box in boxes.values()), boxes


@pytest.mark.parametrize(
    "columns",
    [
        {"hgs_x": [-30.0], "hgs_y": [15.0]},
        {"hgs_coord": ["POINT(-30 15)"]},
        {"hgs_x": [-30] * u.deg, "hgs_y": [15] * u.deg},
    ],
)
def test_a_point_becomes_a_box_of_the_least_size(columns):
    table = events(**{name: value if isinstance(value, list) else u.Quantity(value) for name, value in columns.items()})
    row = label_table(QTable(table), {"m": disk()}, least_size=100 * u.arcsec)[0]
    centre = label_table(events(hgs_bbox=[at(-30, 15)]), {"m": disk()})[0]
    assert (row["width"], row["height"]) == (40, 40)
    assert row["x"] + 20 == pytest.approx(centre["x"] + centre["width"] / 2, abs=2)
    assert row["y"] + 20 == pytest.approx(centre["y"] + centre["height"] / 2, abs=2)


def test_a_margin_widens_the_box():
    plain, wide = (label_table(events(hgs_bbox=[at(0, 10)]), {"m": disk()}, margin=margin)[0] for margin in (0, 0.25))
    assert wide["width"] == pytest.approx(1.5 * plain["width"], abs=2)
    assert wide["x"] + wide["width"] / 2 == pytest.approx(plain["x"] + plain["width"] / 2, abs=1)


def test_a_filament_beyond_the_limb_is_a_prominence_and_does_not_turn():
    beyond = events(hpc_bbox=[polygon(-1080, -1000, -40, 60)])
    now, later = disk(), disk((Time(START) + 50 * u.min).isot)
    table = label_table(beyond, {"now": now, "later": later})
    assert list(table["label"]) == ["prominences"] * 2
    assert list(table["x"]) == [round(500 - 1080 / SCALE)] * 2
    assert list(table["y"]) == [round(500 - 40 / SCALE)] * 2
    assert "not moved" in table["method"][0]
    hours = disk((Time(START) + 3 * u.hour).isot)
    assert len(label_table(beyond, {"late": hours})) == 0
    from_afar = disk(hgln_obs=20.0)
    assert len(label_table(beyond, {"afar": from_afar})) == 0


def test_what_crosses_the_limb_has_no_sure_name_unless_it_has_one_name():
    crossing = [polygon(-1010, -900, -40, 60)]
    assert len(label_table(events("FI", hpc_bbox=crossing), {"m": disk()})) == 0
    assert list(label_table(events("FL", hpc_bbox=crossing), {"m": disk()})["label"]) == ["flares"]


def test_what_has_turned_behind_the_limb_is_left_out():
    edge = events(end=(Time(START) + 1 * u.day).isot, hgs_bbox=[at(80, 5)])
    now, later = disk(), disk((Time(START) + 1 * u.day).isot)
    assert list(label_table(edge, {"now": now, "later": later})["image"]) == ["now"]
    behind = events(hgs_bbox=[at(170, 5)])
    assert len(label_table(behind, {"now": now})) == 0


def test_labels_hold_for_their_time_only():
    maps = {hours: disk((Time(START) + hours * u.hour).isot) for hours in (-13, -11, 1, 13, 15)}
    long = {"end": (Time(START) + 2 * u.hour).isot, "hgs_bbox": [at(0, 10)]}
    assert list(label_table(events("SS", **long), maps)["image"]) == ["-11", "1", "13"]
    assert list(label_table(events("FL", **long), maps)["image"]) == ["1"]
    assert list(label_table(events("FL", **long), maps, time_gaps={"flares": 14 * u.hour})["image"])[-1] == "15"


def test_only_types_with_a_label_are_taken():
    assert len(label_table(events("CH", hgs_bbox=[at(0, 10)]), {"m": disk()})) == 0
    row = label_table(events("CH", hgs_bbox=[at(0, 10)]), {"m": disk()}, labels={"CH": "holes"}, time_gaps={})[0]
    assert row["label"] == "holes"


def test_boxes_that_leave_the_image_are_left_out():
    shifted = disk(crval1=-1200.0)
    assert len(label_table(events(hgs_bbox=[at(3, 10)]), {"m": shifted})) == 0
    assert len(label_table(events(hgs_bbox=[at(-30, 10)]), {"m": shifted})) == 1


def test_each_row_says_where_it_comes_from(tmp_path):
    found = events(hgs_bbox=[at(0, 10)], kb_archivid=["ivo://helio-informatics.org/FI_1"], frm_name=["AAFDCC"])
    disk().save(tmp_path / "disk.fits")
    table = label_table(found, tmp_path)
    row = table[0]
    assert row["image"] == str(tmp_path / "disk.fits")
    assert row["event"] == "ivo://helio-informatics.org/FI_1"
    assert (row["event_type"], row["found_by"]) == ("FI", "AAFDCC")
    assert row["method"] == "hgs_bbox, turned with the solar surface"
    assert row["event_time"].isot == row["date"].isot == START + ".000"
    table.write(tmp_path / "labels.ecsv")
    # The table is what data sets of patches read.
    dataset = PatchDataset(tmp_path / "labels.ecsv", get_card("halpha-2"))
    assert dataset.observation(0).data.shape == (row["height"], row["width"])


def test_the_same_feature_reported_twice_is_kept_once_the_nearest_in_time():
    early = (Time(START) - 2 * u.hour).isot
    twice = Table(
        {
            "event_type": ["FI", "FI", "FI", "SS"],
            "event_starttime": [early, START, START, START],
            "event_endtime": [START, START, START, START],
            "hgs_bbox": [at(-1, 10), at(0, 10), at(20, 10), at(0, 10)],
        }
    )
    assert list(label_table(twice, {"m": disk()})["time_gap"].value) == [0, 0, 0]
    assert len(label_table(twice, {"m": disk()}, overlap=1.0)) == 4


def test_tables_merge_and_split_by_date():
    one = label_table(events(hgs_bbox=[at(0, 10)]), {"a": disk()})
    other = label_table(events(hgs_bbox=[at(0.2, 10)]), {"a": disk(), "b": disk("2014-10-24T14:00:00")})
    later = label_table(
        events(start="2014-11-24", end="2014-11-24", hgs_bbox=[at(0, 10)]), {"c": disk("2014-11-24T00:00:00")}
    )
    bare = QTable({name: later[name] for name in ("image", "date", "x", "y", "width", "height", "label")})
    bare["label"] = ["quiet"]
    bare["has_spots"] = [0]
    merged = merge_label_tables(one, other, later, bare)
    assert list(merged["image"]) == ["a", "b", "c", "c"]
    assert list(split_by_date(merged["date"], ["2014-11-01"])) == [0, 0, 1, 1]
    assert list(merged["has_spots"].mask) == [True] * 3 + [False]
    empty = label_table(events("CH", hgs_bbox=[at(0, 10)]), {"a": disk()})
    assert empty.colnames == one.colnames
    assert list(merge_label_tables(empty, one)["date"].isot) == list(one["date"].isot)


def test_mistakes_are_refused():
    good, m = events(hgs_bbox=[at(0, 10)]), disk()
    with pytest.raises(ValueError, match=r"lacks the columns \['event_endtime'\]"):
        label_table(good["event_type", "event_starttime", "hgs_bbox"], {"m": m})
    with pytest.raises(ValueError, match="lacks the columns of places"):
        label_table(events(), {"m": m})
    with pytest.raises(ObservationError, match="'m' has no date"):
        label_table(good, {"m": disk(date__obs=None)})
    for options in ({"margin": -1}, {"overlap": 0}, {"least_size": 0 * u.arcsec}):
        with pytest.raises(ValueError, match="margin, overlap, least_size: got"):
            label_table(good, {"m": m}, **options)
    with pytest.raises(ValueError, match="number 0 lacks the columns"):
        merge_label_tables(good)
    with pytest.raises(ValueError, match="tables, overlap: got 0"):
        merge_label_tables()


@pytest.mark.remote_data
@pytest.mark.filterwarnings("ignore:Importing sunpy.net without its extra dependencies")
def test_a_real_query():
    hek = pytest.importorskip("sunpy.net.hek", reason="needs sunpy[net]", exc_type=ImportError)
    from sunpy.net import attrs as a

    found = hek.HEKClient().search(a.Time("2014-10-24 11:00", "2014-10-24 13:00"), a.hek.EventType("SS"))
    table = label_table(found, {"disk": disk()})
    assert len(table) > 0
    assert set(table["label"]) == {"sunspots"}
    # AR 12192, the largest group of its cycle, was near 12 degrees south and 20 degrees east to west of the centre.
    assert any(abs(row["x"] + row["width"] / 2 - 500) < 220 and 300 < row["y"] < 500 for row in table)
