import numpy as np
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.crs import CRS
from scipy.ndimage import label

from datasets_def.grid import Grid
from glofgeo.evaluation.lakes import MIN_PIXELS, countable, match_lakes, outline_lakes
from glofgeo.evaluation.pixels import burn

TRANSFORM = Affine(10, 0, 300000, 0, -10, 3100000)
corners = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 12), st.integers(1, 12))
boxes = st.lists(corners, max_size=8).map(
    lambda found: np.array([shapely.box(x, y, x + w, y + h) for x, y, w, h in found], dtype=object)
)


def lakes(*rings):
    return np.array([shapely.box(*ring) for ring in rings], dtype=object)


def all_pairs(reference, predicted, counted, iou):
    """The rule of the module, told with nested loops."""

    def level(lake, others):
        touching = shapely.union_all([other for other in others if lake.intersection(other).area > 0])
        return lake.intersection(touching).area / lake.union(touching).area

    found = [level(lake, predicted) >= iou for lake in reference]
    false = 0
    for guess in predicted:
        over = [k for k, lake in enumerate(reference) if lake.intersection(guess).area > 0]
        false += level(guess, reference) < iou and not any(found[k] or not counted[k] for k in over)
    return (
        sum(f and c for f, c in zip(found, counted, strict=True)),
        sum(counted) - sum(f and c for f, c in zip(found, counted, strict=True)),
        false,
    )


@given(boxes, boxes, st.sampled_from([0.1, 0.37, 0.5]), st.randoms(use_true_random=False))
def test_matching_equals_all_pairs(reference, predicted, iou, random):
    counted = np.array([random.random() < 0.8 for _ in reference], bool)
    counts = match_lakes(reference, predicted, counted, iou)
    # Away from the threshold itself, where the two ways of adding up areas may round apart.
    if match_lakes(reference, predicted, counted, iou + 1e-9) == match_lakes(reference, predicted, counted, iou - 1e-9):
        assert (counts.found, counts.missed, counts.false) == all_pairs(reference, predicted, counted, iou)


def test_a_lake_in_pieces_is_found_once_and_no_piece_is_false():
    reference = lakes((0, 0, 10, 10))
    predicted = lakes(*[(x, 0, x + 0.9, 10) for x in range(10)], (50, 50, 60, 60))
    counts = match_lakes(reference, predicted, np.array([True]), 0.5)
    assert (counts.found, counts.missed, counts.false) == (1, 0, 1)


def test_two_lakes_drawn_as_one_are_no_false_lake():
    counts = match_lakes(lakes((0, 0, 4, 9), (5, 0, 9, 9)), lakes((0, 0, 9, 9)), np.ones(2, bool), 0.5)
    assert (counts.found, counts.missed, counts.false) == (0, 2, 0)


def test_lakes_that_only_touch_do_not_match():
    counts = match_lakes(lakes((0, 0, 4, 4)), lakes((4, 0, 8, 4)), np.ones(1, bool), 0.1)
    assert (counts.found, counts.missed, counts.false) == (0, 1, 1)


@given(arrays(bool, (14, 17)))
def test_outlines_are_the_large_components_and_cover_their_pixels(mask):
    polygons = outline_lakes(mask, TRANSFORM)
    components, count = label(mask, np.ones((3, 3)))
    sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
    large = sizes[sizes >= MIN_PIXELS]
    # A mask without any large region has nothing the specks could be merged into; they go when they are counted.
    areas = np.array([p.area / 100 for p in polygons if p.area >= 100 * MIN_PIXELS])
    assert sorted(areas) == sorted(large)
    assert all(polygon.is_valid for polygon in polygons)
    grid = Grid(mask.shape, TRANSFORM, CRS.from_epsg(32645))
    kept = np.array([p for p in polygons if p.area >= 100 * MIN_PIXELS], dtype=object)
    assert (burn(kept, grid) == np.isin(components, 1 + np.flatnonzero(sizes >= MIN_PIXELS))).all()


def test_a_lake_counts_if_half_of_it_can_be_seen_and_it_is_large_enough():
    grid = Grid((20, 20), Affine(1, 0, 0, 0, -1, 20), CRS.from_epsg(32645))
    usable = np.ones((20, 20), bool)
    usable[:, 10:] = False  # x >= 10 is not observed
    seen, large = countable(
        lakes((2, 2, 8, 8), (6, 12, 12, 18), (8.5, 2, 13.5, 8), (-4, 2, 2, 8), (-2, 12, 4, 18), (3, 16, 4, 20)),
        usable,
        grid,
    )
    assert seen.tolist() == [True, True, False, False, True, True]
    assert large.tolist() == [True] * 5 + [False]


def test_parts_far_off_the_grid_are_not_seen_and_take_no_memory():
    """All lakes of a continent in one feature would be a raster of 10^12 pixels."""
    grid = Grid((20, 20), Affine(1, 0, 0, 0, -1, 20), CRS.from_epsg(32645))
    near = shapely.box(2, 2, 8, 8)
    spread = [shapely.MultiPolygon([near, shapely.box(1e6, 1e6, 1e6 + side, 1e6 + 6)]) for side in (4, 8)]
    seen, _ = countable(np.array(spread, dtype=object), np.ones((20, 20), bool), grid)
    assert seen.tolist() == [True, False]


def test_twenty_thousand_lakes_are_matched_each_to_its_own():
    """All pairs would be 400 million."""
    col, row = np.indices((200, 100)).reshape(2, -1) * 20
    reference = shapely.box(col, row, col + 10, row + 10)
    predicted = shapely.box(col + 2, row, col + 12, row + 10)[::2]
    counts = match_lakes(reference, predicted, np.ones(20_000, bool), 0.5)
    assert (counts.found, counts.missed, counts.right, counts.false) == (10_000, 10_000, 10_000, 0)


def test_a_lake_over_one_that_does_not_count_is_excused_however_badly_it_is_drawn():
    """A hint of a lake under cloud, or of a pond below the minimum, is no invention."""
    reference = lakes((0, 0, 10, 10), (20, 0, 30, 10))
    predicted = lakes((0, 0, 2, 10), (20, 0, 22, 10))
    for counted, false in (((False, True), 1), ((True, False), 1), ((False, False), 0), ((True, True), 2)):
        counts = match_lakes(reference, predicted, np.array(counted), 0.5)
        assert (counts.found, counts.right, counts.false) == (0, 0, false)
