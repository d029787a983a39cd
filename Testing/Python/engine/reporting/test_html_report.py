"""The report: every picture the right way round, everything escaped, one file, whatever the result."""

import base64
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.orientation import nearest_canonical
from FAAnomalyLib.reporting.figures import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Scene,
    colours,
    cut,
    montage,
    png,
    save_montage_png,
)
from FAAnomalyLib.reporting.html_report import report_html
from FAAnomalyLib.result import Region, Result
from FAAnomalyLib.volume import Volume

pytestmark = pytest.mark.slow

TURNS = [(order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]
PIECE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


def turned(volume, order, signs):
    """*volume* (RAS) stored with other axes: the same world, another file."""
    data, matrix = volume.data.transpose(order), volume.affine[:, [*order, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            data = np.flip(data, axis)
            matrix[:3, 3] += matrix[:3, axis] * (data.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return Volume(np.ascontiguousarray(data), matrix)


def box(shape=(40, 48, 32), spacing=(4.0, 4.0, 5.0)):
    """A dim block with a bright marker far right, front and top."""
    data = np.zeros(shape, np.float32)
    data[2:-2, 2:-2, 2:-2] = 0.2
    data[-9:-3, -11:-3, -8:-3] = 0.8
    return Volume(
        data, np.array([[spacing[0], 0, 0, -80], [0, spacing[1], 0, -96], [0, 0, spacing[2], -70], [0, 0, 0, 1.0]])
    )


def result_of(volume, regions=0, z=None, **provenance):
    z = volume.data * 0 if z is None else z
    segmentation = np.where(np.abs(z) > 4, np.where(z > 0, 1, 2), 0).astype(np.uint8)
    peak = np.unravel_index(np.argmax(volume.data), volume.shape)
    ras = tuple(float(v) for v in volume.affine[:3, :3] @ peak + volume.affine[:3, 3])
    found = [
        Region(i + 1, "decreased" if i % 2 else "increased", 30, 1.5, 6.0 - i / 9, 4.0, -0.2, 0.05, ras, ras)
        for i in range(regions)
    ]
    return Result(
        volume,
        volume.with_data(volume.data * 0.9),
        volume.with_data(volume.data * 0.1),
        volume.with_data(z),
        volume.with_data(segmentation),
        found,
        dict(provenance),
    )


def images(page):
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in PIECE.findall(page)]


@pytest.mark.parametrize(("order", "signs"), TURNS)
def test_every_axis_order_gives_the_same_ras_volume(order, signs):
    volume = box()
    back = nearest_canonical(turned(volume, order, signs))
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_allclose(back.affine, volume.affine)


def test_oblique_volumes_go_to_their_nearest_axes():
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    volume = box()
    matrix = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ volume.affine
    tilted = Volume(volume.data, matrix)
    back = nearest_canonical(turned(tilted, (2, 0, 1), (1, -1, -1)))
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_allclose(back.affine, matrix, atol=1e-9)


@pytest.mark.parametrize(
    ("axis", "place"),
    [(AXIAL, "front up, right on the left"), (CORONAL, "top up, right on the left"), (SAGITTAL, "top up, front left")],
)
def test_a_marker_right_front_top_lands_up_and_left(axis, place):
    data = np.zeros((6, 7, 8))
    data[5, 6, 7] = 1
    picture = cut(data, axis, (5, 6, 7)[axis])
    assert picture[0, 0] == 1 and picture.sum() == 1, place


@pytest.mark.parametrize(("order", "signs"), TURNS[::5])
@pytest.mark.parametrize("axis", [AXIAL, CORONAL, SAGITTAL])
def test_pictures_show_the_marker_on_the_patients_right_side(order, signs, axis):
    plain = box()
    plain.data[plain.data > 0.5] = 0.2
    with_marker, without = (
        np.asarray(
            Scene(result_of(turned(v, order, signs)), width=200).panel("input", axis, (34, 40, 26)).convert("L")
        ).astype(int)
        for v in (box(), plain)
    )
    rows, columns = np.nonzero(with_marker - without > 100)
    height, width = with_marker.shape
    assert rows.size > 100
    # Patient's right (or front, in the sagittal slice) is on the left; front or top is up.
    assert rows.max() < 0.45 * height and columns.max() < 0.45 * width


def test_pixels_are_square_in_millimetres():
    scene = Scene(result_of(box(spacing=(1.0, 2.0, 5.0))), width=300)
    for axis, sides in ((AXIAL, (0, 1)), (CORONAL, (0, 2)), (SAGITTAL, (1, 2))):
        picture = scene.panel("input", axis, scene.centre())
        wanted = scene.size_mm[sides[0]] / scene.size_mm[sides[1]]
        assert picture.width / picture.height == pytest.approx(wanted, rel=0.03)


def test_the_cross_marks_the_voxel():
    volume = box()
    volume.data[:] = 0.2
    scene = Scene(result_of(volume), width=400)
    at = (30, 12, 20)
    for axis, sides in ((AXIAL, (0, 1)), (CORONAL, (0, 2)), (SAGITTAL, (1, 2))):
        picture = np.asarray(scene.panel("outline", axis, at, cross=True)).astype(int)
        green = (picture[..., 1] - picture[..., 0]) > 100
        column, row = np.argmax(green.sum(0)), np.argmax(green.sum(1))
        for found, side in ((column, sides[0]), (row, sides[1])):
            expected = (scene.box[side].stop - at[side] - 0.5) * scene.spacing[side] * scene.zoom
            assert abs(found - expected) <= 1.5
            # The same place, counted from the voxel itself.
            assert scene.box[side].stop - 1 - int(found / scene.zoom / scene.spacing[side]) == at[side]


def test_overlay_colours():
    rgb, alpha = colours(np.array([-9.0, -1.9, 0.0, 1.9, 9.0]), 9.0)
    assert (alpha[1:4] == 0).all() and (alpha[[0, 4]] > 0.5).all()
    assert rgb[0, 2] > rgb[0, 0] and rgb[4, 0] > rgb[4, 2]


def test_overlay_colours_the_side_of_its_sign():
    volume = box()
    z = np.zeros_like(volume.data)
    z[25:34, 10:20, 10:20], z[6:15, 10:20, 10:20] = 6, -6
    picture = np.asarray(Scene(result_of(volume, z=z), width=240).panel("z-map", AXIAL, (0, 0, 15))).astype(int)
    red, blue = picture[..., 0] - picture[..., 2] > 60, picture[..., 2] - picture[..., 0] > 60
    assert red.any() and blue.any()
    assert np.argwhere(red)[:, 1].mean() < 120 < np.argwhere(blue)[:, 1].mean()
    plain = np.asarray(Scene(result_of(volume, z=z), width=240).panel("input", AXIAL, (0, 0, 15))).astype(int)
    assert np.ptp(plain, axis=2).max() < 12


def test_palette_keeps_the_colours():
    volume = box()
    z = np.random.default_rng(0).normal(0, 4, volume.shape).astype(np.float32)
    whole = montage(Scene(result_of(volume, z=z)))
    kept = Image.open(io.BytesIO(png(whole))).convert("RGB")
    assert np.abs(np.asarray(kept).astype(int) - np.asarray(whole)).mean() < 6


@pytest.mark.parametrize(("order", "signs"), TURNS[::7])
def test_a_drawn_region_without_a_finding_is_what_is_shown(order, signs):
    volume = box()
    healthy = volume.data.copy()
    healthy[6:11, 30:37, 8:13] = 0.7
    result = result_of(turned(volume, order, signs), drawn_ml=14.0)
    result.expected = turned(volume.with_data(healthy), order, signs)
    assert Scene(result).centre() == (8, 33, 10)
    page = report_html(result)
    assert "Slices through the drawn region" in page and "Only the drawn region of 14.0 ml was analysed" in page
    assert len(images(page)) == 2 and "Axial series" not in page and "its drawn region replaced by one draw" in page
    whole = report_html(result_of(turned(volume, order, signs)))
    assert "near the middle of the brain" in whole and "Axial series" in whole and len(images(whole)) == 2


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_sound_file():
    page = report_html(result_of(box(), regions=3, request={"input": "a.nii.gz"}))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.seen}
    assert all(a["src"].startswith("data:image/png;base64,") and a["alt"] for tag, a in tags.seen if tag == "img")
    assert "http" not in PIECE.sub("", page) and "url(" not in PIECE.sub("", page)
    for word in ("not a diagnosis", "patient&#x27;s right (R) is on the left", "How to read", "<details>", "a.nii.gz"):
        assert word in page
    assert len(images(page)) == 3 + 3 and "its regions replaced by one draw" in page


def test_regions_are_described():
    result = result_of(
        box(),
        regions=14,
        threshold_z={"increased": 4.2, "decreased": 4.3},
        seconds={"a": 20.0, "b": 21.4},
        request={"mask_type": "cubic", "mask_size": 16},
        model={"name": "small", "sha256": "ab" * 32},
    )
    page = report_html(result)
    assert page.count("<h3") == 12 and page.count("<td>1.50</td>") == 14
    assert "2 weaker regions" in page and result.regions[11].sentence().replace("'", "&#x27;") in page
    for fact in (
        "<b>14</b>",
        "<b>7 / 7</b>",
        "<b>21.0 ml</b>",
        "<b>+4.20 / -4.30</b>",
        "<b>41 s</b>",
        "<b>cubic, 20 mm</b>",
        "<b>small</b>",
        "<b>4 x 4 x 5</b>",
    ):
        assert fact in page


def test_without_regions():
    page = report_html(result_of(box()))
    assert "No region is beyond the threshold" in page and len(images(page)) == 2


def test_one_sign_alone_is_said_with_its_threshold():
    limits = {"increased": 3.25, "decreased": 3.5}
    pages = {
        signs: report_html(result_of(box(), threshold_z=limits, request={"signs": signs}))
        for signs in ("both", "increased", "decreased")
    }
    for signs, threshold in (("both", "+3.25 / -3.50"), ("increased", "+3.25"), ("decreased", "-3.50")):
        assert f"<b>{threshold}</b>" in pages[signs]
        assert ("was looked for" in pages[signs]) == (signs != "both")
    assert "Only decreased FA was looked for" in pages["decreased"]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (16, 1, 16)])
@pytest.mark.parametrize("value", [0.0, 0.5, np.nan])
def test_tiny_and_empty_results(shape, value):
    volume = Volume(np.full(shape, value, np.float32), np.eye(4))
    region = Region(1, "increased", 1, 0.001, 5.0, 5.0, 0.1, 0.02, (999.0, -999.0, 0.0), (999.0, -999.0, 0.0))
    result = result_of(volume, z=np.full(shape, value * 10, np.float32))
    result.regions = [region]
    assert len(images(report_html(result))) == 4


def test_everything_is_escaped():
    evil = "<script>alert('x')</script>&\""
    page = report_html(
        result_of(
            box(),
            regions=1,
            request={"input": f"{evil}.nii", "mask_type": evil, "mask_size": 0},
            warnings=[evil],
            model={"name": evil},
            nested={evil: [evil]},
        )
    )
    assert "<script" not in page and "&lt;script&gt;" in page


def test_no_folder_of_the_machine_is_told():
    page = report_html(
        result_of(
            box(),
            request={"input": "/data/Jane Doe/fa.nii.gz", "output": "C:\\Doe\\out"},
            warnings=["/data/Doe/fa.nii.gz says nothing", "values above 1/2 and 0/1"],
            model={"name": "/srv/Doe/models/mine"},
        )
    )
    assert "Doe" not in page and "fa.nii.gz says nothing" in page and "mine" in page
    assert "values above 1/2 and 0/1" in page


def test_a_tilted_scan_is_said():
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    volume = Volume(box().data, np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]]) @ box().affine)
    assert "tilted by 20 degrees" in report_html(result_of(volume))
    assert "tilted" not in report_html(result_of(box()))


@pytest.mark.slow
def test_size_of_a_full_page():
    x = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, n) for n in (145, 174, 145)], indexing="ij"))
    rng = np.random.default_rng(0)
    # Texture of 5 mm, finer than that of a brain at this grid.
    coarse = rng.random((37, 44, 37)).astype(np.float32).repeat(4, 0).repeat(4, 1).repeat(4, 2)[:145, :174, :145]
    data = np.where((x**2).sum(0) < 1, 0.1 + 0.6 * coarse, 0).astype(np.float32)
    volume = Volume(data, np.diag([1.25, 1.25, 1.25, 1.0]))
    page = report_html(result_of(volume, regions=12, z=np.where(data > 0.65, 5, 0).astype(np.float32)))
    assert len(page) < 3_000_000
    assert min(i.width for i in images(page)) > 800


def test_montage_file(tmp_path):
    save_montage_png(result_of(box(), regions=1), tmp_path / "m.png")
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width > 1000 and picture.height > 700
    with pytest.raises(FAError, match="Cannot write"):
        save_montage_png(result_of(box()), tmp_path / "absent" / "m.png")
