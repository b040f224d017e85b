"""Windows hold every frame, none is too long, and none begins too late."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sunpy_ml.emergence.windows import windows

_STEPS = st.lists(st.floats(0.01, 30), min_size=1, max_size=60)


@given(_STEPS, st.floats(1, 20), st.floats(0.5, 20))
def test_windows_cover_all_frames(steps, length, step):
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    cuts = windows(seconds, length, step)
    held = np.zeros(len(seconds), dtype=bool)
    for cut in cuts:
        own = seconds[cut]
        assert len(own)
        assert own[-1] - own[0] <= length * (1 + 1e-9)
        held[cut] = True
    assert held.all()
    ends = [(cut.start, cut.stop) for cut in cuts]
    assert ends == sorted(set(ends))


@given(_STEPS)
def test_what_is_short_enough_is_one_window(steps):
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    assert windows(seconds, float(seconds[-1]) + 1, 1.0) == [slice(0, len(seconds))]
