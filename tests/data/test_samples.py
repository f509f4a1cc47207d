import numpy as np
import pytest
import torch

import gammvae.data.samples
from gammvae.data.samples import StreamedSamples, batch_of, in_order, samples_on, subset

CPU = torch.device("cpu")


@pytest.mark.parametrize("limit", [0, 2**30])
def test_samples_are_the_same_in_memory_and_streamed(rows_and_values, limit, monkeypatch):
    monkeypatch.setattr(gammvae.data.samples, "IN_MEMORY_BYTES", limit)
    rows, values = rows_and_values
    samples = samples_on(CPU, rows)
    streamed = limit == 0 and not isinstance(rows, np.ndarray)
    assert isinstance(samples, StreamedSamples) == streamed
    index = torch.tensor([5, 59, 0])
    assert (len(samples), tuple(samples.shape), samples.device) == (60, (60, 6), CPU)
    assert torch.equal(samples[index], torch.from_numpy(values)[index])
    assert torch.equal(batch_of(samples, index), samples[index])
    assert [len(part) for part in samples.split(25)] == [25, 25, 10]
    assert torch.equal(torch.cat(list(in_order(samples, "test"))), torch.from_numpy(values))
    assert samples[index].dtype == torch.float32


def test_a_subset_is_all_if_they_are_few_and_a_sorted_draw_without_repetition_else():
    np.testing.assert_array_equal(subset(5, 5, seed=0), range(5))
    some = subset(1000, 100, seed=3)
    assert len(set(some)) == 100
    assert (np.diff(some) > 0).all()
    assert some.max() < 1000
    np.testing.assert_array_equal(some, subset(1000, 100, seed=3))
    assert (some != subset(1000, 100, seed=4)).any()


def test_rows_in_memory_are_not_copied_on_the_cpu():
    rows = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    assert samples_on(CPU, rows).data_ptr() == rows.ctypes.data
    for other in (rows.astype(np.float64), rows[:, ::2], rows.T):
        samples = samples_on(CPU, other)
        assert samples.dtype == torch.float32
        assert (samples.numpy() == other).all()
        assert samples.is_contiguous()
    rows.flags.writeable = False
    assert samples_on(CPU, rows).data_ptr() != rows.ctypes.data
