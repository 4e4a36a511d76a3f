import numpy as np

from glofgeo.evaluation.ndwi import ndwi


def test_ndwi_is_undefined_where_nothing_is_reflected():
    index = ndwi(np.array([0.2, 0.1, 0.0, -0.01], np.float32), np.array([0.1, 0.2, 0.0, -0.02], np.float32))
    np.testing.assert_allclose(index, [1 / 3, -1 / 3, np.nan, np.nan], rtol=1e-6)
