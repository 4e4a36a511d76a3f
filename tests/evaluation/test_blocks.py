import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pyproj import Geod, Transformer
from rasterio.crs import CRS
from scipy.stats import norm as normal
from scipy.stats import t as student

from datasets_def.grid import Grid
from glofgeo.evaluation.blocks import Blocks, Joined, bootstrap, choose_blocks, cut_blocks, join_blocks
from glofgeo.evaluation.pixels import strips

UTM = CRS.from_epsg(32645)
TRANSFORM = Affine(10, 0, 300000, 0, -10, 3100000)
masks = array_shapes(min_dims=2, max_dims=2, max_side=17).flatmap(lambda shape: arrays(bool, shape))


def share(total):
    return {"share": None if total[1] == 0 else float(total[0] / total[1])}


@given(masks, st.integers(1, 20), st.integers(1, 20))
def test_blocks_count_every_pixel_where_it_lies_whatever_the_strips(mask, side, height):
    blocks = Blocks(Grid(mask.shape, TRANSFORM, UTM), side)
    expected = np.zeros(blocks.shape, int)
    for row, col in np.argwhere(mask):
        expected[row // side, col // side] += 1
    cuts = list(strips(blocks.grid, height))
    assert (sum(blocks.sums(mask[rows], rows) for rows in cuts) == expected.ravel()).all()
    numbers = np.vstack([blocks.numbers(rows) for rows in cuts])
    assert (np.bincount(numbers[mask], minlength=expected.size) == expected.ravel()).all()
    row, col = (int(v[-1]) for v in np.nonzero(np.ones_like(mask)))
    pixel = shapely.box(*TRANSFORM * (col, row + 1), *TRANSFORM * (col + 1, row))
    assert blocks.home(np.array([pixel], dtype=object)).tolist() == [numbers[row, col]]


def test_a_lake_beyond_the_edge_belongs_to_the_nearest_block():
    blocks = Blocks(Grid((40, 40), TRANSFORM, UTM), 20)
    far = np.array([shapely.box(299000, 3100100, 299100, 3100200), shapely.box(301000, 3099000, 301100, 3099100)])
    assert blocks.home(far).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [(32645, TRANSFORM), (4326, Affine(1e-4, 0, 86.9, 0, -1e-4, 27.9)), (3857, Affine(10, 0, 9.67e6, 0, -10, 3.24e6))],
)
def test_a_pixel_covers_the_area_that_a_geodesic_measures(epsg, transform):
    grid = Grid((100, 100), transform, CRS.from_epsg(epsg))
    blocks = Blocks(grid, 100)
    corners = [(49.5, 49.5), (50.5, 49.5), (50.5, 50.5), (49.5, 50.5)]
    x, y = zip(*(transform * corner for corner in corners), strict=True)
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
    expected = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert blocks.pixel_areas().item() == pytest.approx(expected, rel=1e-4)
    assert cut_blocks(grid).side == round(2500 / expected**0.5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=8, max_size=14), st.integers(0, 3))
def test_intervals_are_those_of_blocks_drawn_one_by_one(pairs, seed):
    counts = np.array([(a, a + b) for a, b in pairs], float)
    interval = bootstrap(counts, share, seed=seed)["share"]
    assert interval == bootstrap(np.vstack([counts, np.zeros((5, 2))]), share, seed=seed)["share"]
    used = counts[counts.any(axis=1)]
    if len(used) < 10:
        assert interval is None
        return
    rng = np.random.default_rng(99)
    drawn = [used[rng.integers(0, len(used), len(used))].sum(axis=0) for _ in range(2000)]
    errors = student.ppf(0.975, len(used) - 1) * (len(used) / (len(used) - 1)) ** 0.5
    low, high = np.percentile([a / n for a, n in drawn], 100 * normal.cdf([-errors, errors]))
    assert interval == pytest.approx((low, high), abs=0.12)
    assert interval[0] <= used[:, 0].sum() / used[:, 1].sum() <= interval[1]


def test_an_interval_narrows_with_the_root_of_the_area_seen():
    rng = np.random.default_rng(0)
    few, many = (np.column_stack([rng.integers(0, 101, n), np.full(n, 100)]).astype(float) for n in (100, 1600))
    wide, narrow = (np.ptp(bootstrap(counts, share)["share"]) for counts in (few, many))
    assert wide / narrow == pytest.approx(4, rel=0.2)
    # A uniform share has the standard deviation 1 / sqrt(12); 95 % are 3.92 standard errors.
    assert wide == pytest.approx(3.92 * 12**-0.5 / 10, rel=0.2)


def test_a_figure_that_one_block_carries_gets_no_interval():
    lone = np.zeros((20, 2))
    lone[:, 0], lone[3, 1] = 1, 7
    assert bootstrap(lone, lambda t: {"share": None if t[1] == 0 else float(t[0])}) == {"share": None}


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 10), st.integers(0, 99))
def test_joined_blocks_are_the_sums_of_squares(rows, cols, times, seed):
    counts = np.random.default_rng(seed).integers(0, 9, (rows, cols, 2, 3)).astype(float)
    expected = [
        counts[top : top + times, left : left + times].sum(axis=(0, 1))
        for top in range(0, rows, times)
        for left in range(0, cols, times)
    ]
    np.testing.assert_array_equal(join_blocks(counts.reshape(-1, 2, 3), (rows, cols), times), expected)


def wrong(errors):
    """Blocks of a hundred lake pixels each, of which so many are missed."""
    return np.stack([100 - errors, 0 * errors, errors], axis=-1).reshape(-1, 3).astype(float)


def patches(rng, side, patch):
    """Errors that are alike within patches of so many blocks."""
    return np.kron(rng.integers(0, 101, (side // patch, side // patch)), np.ones((patch, patch), int))


@pytest.mark.parametrize(("patch", "times"), [(1, {1}), (2, {2}), (3, {4, 8}), (4, {4}), (8, {8})])
def test_blocks_grow_until_neighbours_do_not_err_together(patch, times):
    errors = patches(np.random.default_rng(3), 96, patch)
    joined = choose_blocks([[wrong(errors)]], [errors.shape])
    assert joined.times in times
    assert joined.correlation < 0.2
    assert joined.side_km == 2.5 * joined.times


def test_blocks_suit_the_method_that_errs_over_the_longest_distance():
    rng = np.random.default_rng(4)
    near, far = patches(rng, 48, 1), patches(rng, 48, 4)
    assert choose_blocks([[wrong(near)], [wrong(far)]], [near.shape]).times == 4


def test_blocks_of_several_grids_are_joined_within_each():
    """Thirty grids of 2 x 2 blocks: each errs as a whole, and none says anything of another."""
    grids = [wrong(np.full((2, 2), value)) for value in np.random.default_rng(5).integers(0, 101, 30)]
    assert choose_blocks([grids], [(2, 2)] * 30).times == 2
    assert choose_blocks([grids[:12]], [(2, 2)] * 12).times == 2
    # Ten blocks must be left.
    few = choose_blocks([grids[:9]], [(2, 2)] * 9)
    assert few.times == 1
    assert few.too_few


def test_an_area_without_errors_or_without_lakes_needs_no_larger_blocks():
    for counts in (np.tile([5.0, 0, 0], (64, 1)), np.zeros((64, 3))):
        assert choose_blocks([[counts]], [(8, 8)]) == Joined(1, 0.0)


def test_an_interval_is_widened_by_what_neighbours_share_and_missing_where_that_is_too_much():
    counts = np.column_stack([np.random.default_rng(0).integers(0, 101, 400), np.full(400, 100)]).astype(float)
    plain, wide = (bootstrap(counts, share, Joined(1, r))["share"] for r in (0.0, 0.25))
    assert np.ptp(wide) / np.ptp(plain) == pytest.approx(2**0.5, rel=0.1)
    assert bootstrap(counts, share, Joined(1, 0.31))["share"] is None
    assert bootstrap(counts[:9], share)["share"] is None


def test_errors_that_reach_over_a_block_do_not_make_the_interval_too_narrow():
    """The share of wrong pixels is a half; errors are alike within 10 km. Blocks of 2.5 km hold it 18 times of 30."""
    held = 0
    for seed in range(30):
        counts = wrong(patches(np.random.default_rng(seed), 48, 4))
        joined = choose_blocks([[counts]], [(48, 48)])
        blocks = join_blocks(counts, (48, 48), joined.times)
        low, high = bootstrap(blocks, lambda total: {"iou": float(total[0] / total.sum())}, joined)["iou"]
        held += low <= 0.5 <= high
    assert held >= 26
