from __future__ import annotations

import cv2
import numpy as np

from sopilot_assets.embedding.pooling import clip_means, clip_spreads, half_precision, one_cv2_thread

TIMES_S = np.array([0.25, 0.75, 1.25, 4.0])
FEATURES = np.array([[1.0], [2.0], [6.0], [9.0]], dtype=np.float32)


def test_a_clip_is_the_mean_and_spread_of_the_samples_inside_it() -> None:
    starts_s = np.array([0.0, 0.5])
    assert clip_means(FEATURES, TIMES_S, starts_s, length_s=1.0).tolist() == [[1.5], [4.0]]
    assert clip_spreads(FEATURES, TIMES_S, starts_s, length_s=1.0).tolist() == [[0.5], [2.0]]


def test_a_clip_without_samples_takes_the_nearest_one() -> None:
    starts_s = np.array([1.5, 2.5])
    assert clip_means(FEATURES, TIMES_S, starts_s, length_s=1.0).tolist() == [[6.0], [9.0]]
    assert clip_spreads(FEATURES, TIMES_S, starts_s, length_s=1.0).tolist() == [[0.0], [0.0]]


def test_a_sample_on_a_border_belongs_to_the_later_clip() -> None:
    found = clip_means(FEATURES[:2], np.array([0.0, 1.0]), np.array([0.0, 1.0]), length_s=1.0)
    assert found.tolist() == [[1.0], [2.0]]


def test_half_precision_survives_being_stored_as_such() -> None:
    rounded = half_precision(np.array([[1 / 3, 1000.123]], dtype=np.float32))
    np.testing.assert_array_equal(rounded.astype(np.float16).astype(np.float32), rounded)


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    with one_cv2_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
