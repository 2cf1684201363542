"""Is MediaPipe's face model here? Without it, tests that need it are skipped, with a reason."""

import pytest

from empdis_utils.features import faces


def problem():
    """What keeps the face model from being used; "" where it works."""
    try:
        with faces.landmarker(str(faces.find_model()), 1, 0.5):
            return ""
    except (ImportError, FileNotFoundError) as error:
        return str(error)


PROBLEM = problem()
needs_mediapipe = pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)
