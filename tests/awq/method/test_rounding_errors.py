"""Errors of linear layers and of the stream."""

import pytest
import torch

from awq.method.hessian import Hessian
from awq.method.rounding_errors import RelativeError, as_part, from_part, sampling_step, stream_error
from awq.work.work_folder import WorkFolder


def test_an_error_is_the_share_of_the_output_that_changed():
    torch.manual_seed(0)
    x, weight = torch.randn(50, 32), torch.randn(12, 32)
    stored = weight + 0.1 * torch.randn(12, 32)
    hessian = Hessian.empty(32, torch.device("cpu"))
    hessian.accumulate(x)
    error = RelativeError(hessian)
    for rows in (slice(0, 5), slice(5, 12)):
        error.accumulate(weight[rows], stored[rows])
    output = x @ weight.T
    assert error.share == pytest.approx(float((x @ stored.T - output).square().sum() / output.square().sum()), rel=1e-2)


def test_without_activations_it_is_the_weights_change():
    error = RelativeError(None)
    error.accumulate(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 5.0]]))
    assert error.share == pytest.approx(1 / 25)
    assert RelativeError(None).share == 0


def test_every_token_counts_alike_in_the_stream():
    wanted = torch.tensor([[[1000.0, 0.0], [1.0, 0.0]]])
    found = torch.tensor([[[1100.0, 0.0], [1.0, 0.3]]])
    assert stream_error(wanted, found) == pytest.approx((0.01 + 0.09) / 2)


def test_sampled_rows():
    assert [sampling_step(rows) for rows in (8, 511, 512, 152_064)] == [1, 1, 2, 594]


def test_errors_wait_in_the_work_folder(tmp_path):
    work = WorkFolder(tmp_path / "work")
    work.open("fingerprint")
    work.write_part("errors", as_part({"a": 0.25, "b c": 1e-9}))
    assert from_part(work.file("errors")) == {"a": 0.25, "b c": 1e-9}
    assert from_part(work.file("none")) == {}
