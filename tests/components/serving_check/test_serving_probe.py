import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving_check import probe


@given(st.lists(st.integers(0, 2**29), min_size=1, max_size=70))
def test_a_huge_batch_is_bounded_in_pictures_and_bytes(sizes):
    taken = probe.huge_batch(sizes)
    assert 1 <= len(taken) <= probe.HUGE
    assert taken == [i % len(sizes) for i in range(len(taken))]
    total = sum(sizes[i] for i in taken)
    assert total <= 2**28 or len(taken) == 1
    if len(taken) < probe.HUGE:
        assert total + sizes[len(taken) % len(sizes)] > 2**28


@given(st.lists(st.binary(min_size=30), min_size=1, max_size=5))
def test_good_and_unreadable_pictures_take_turns(pictures):
    batch, positions = probe.mixed_batch(pictures)
    assert batch[::2] == [pictures[i] for i in positions]
    assert len(batch) == 6
    assert b"" in batch[1::2]
    assert not set(batch[1::2]) & set(pictures)


@pytest.mark.parametrize(("count", "full"), [(31, 0), (32, 1), (33, 1), (63, 1), (64, 2)])
def test_only_full_batches_are_timed(count, full):
    sent = []

    def ask(batch):
        sent.append(len(batch))
        return {"score": np.zeros(len(batch))}

    answers, milliseconds = probe._timed(ask, [b""] * count, probe.BATCH)
    assert len(milliseconds) == full == sent.count(probe.BATCH)
    assert len(answers["score"]) == sum(sent) == count
