"""Elastic displacements against scipy.ndimage: the smoothing of the fields, and what becomes of images and masks by the same fields.

elastic_test.py ELASTIC [TEST...]"""
import json, subprocess, sys, unittest

import numpy as np
from scipy import ndimage


def array(of):
    return np.array(of["values"]).reshape(of["shape"])


class Elastic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cases = json.loads(subprocess.run([sys.argv[1]], capture_output=True, check=True).stdout)

    def test_a_field_is_noise_smoothed_by_a_gaussian_and_of_the_deviation_that_is_asked_for(self):
        for case in self.cases:
            noise, field, smoothness = array(case["noise"]), array(case["field"]), case["smoothness"]
            # Uniform, of a deviation of 1.
            self.assertLess(abs(noise).max(), 3 ** 0.5 + 1e-6)
            self.assertAlmostEqual(noise.std(), 1, delta=0.1)
            smooth = ndimage.gaussian_filter(noise, smoothness, mode="wrap", truncate=3)
            taps = ndimage.gaussian_filter1d((np.arange(401) == 200).astype(float), smoothness, truncate=3)
            expected = smooth / (taps ** 2).sum() ** (noise.ndim / 2)
            np.testing.assert_allclose(field, expected, atol=2e-5)

    def test_images_and_masks_come_from_where_the_same_field_says(self):
        for case in self.cases:
            image, mask, after = array(case["image"]), array(case["mask"]), array(case["after"])
            places = after[:-1]  # [axes, ...]: beyond the edge that of the edge
            moved = np.abs(places - np.indices(image.shape)).max(axis=tuple(range(1, places.ndim)))
            self.assertGreater(moved.max(), 2)
            expected = ndimage.map_coordinates(image, places, order=1, mode="nearest")
            np.testing.assert_allclose(after[-1], expected, atol=2e-3)
            self.assertFalse(np.allclose(after[-1], image, atol=0.1))
            # In the very middle of two pixels either may be the nearest.
            is_plain = (np.abs(places - np.floor(places) - 0.5) > 1e-3).all(axis=0)
            expected = ndimage.map_coordinates(mask, places, order=0, mode="nearest")
            self.assertGreater(is_plain.mean(), 0.98)
            np.testing.assert_array_equal(array(case["mask_after"])[is_plain], expected[is_plain])

    def test_only_the_axes_that_are_named_are_displaced(self):
        for number, stays in ((2, (0,)), (4, (2,))):
            after = array(self.cases[number]["after"])
            for axis in range(after.shape[0] - 1):
                by = np.abs(after[axis] - np.indices(after.shape[1:])[axis]).max()
                (self.assertLess if axis in stays else self.assertGreater)(by, 1e-4 if axis in stays else 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
