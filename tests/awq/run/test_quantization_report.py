"""The report of a run."""

import json

import pytest
from tests.awq.tiny_models import token_lists

from awq import AutoAWQForCausalLM
from awq.run.quantization_report import QuantizationReport

CONFIG = {"q_group_size": 64, "lm_head_enable": True}


def run(folder, output, **arguments):
    model = AutoAWQForCausalLM.from_pretrained(folder)
    model.quantize(object(), CONFIG, token_lists(8), quant_path=output, **arguments)
    model.save_quantized(output)
    return model.report


@pytest.fixture(scope="module")
def report(checkpoint, tmp_path_factory):
    return run(checkpoint("qwen2"), tmp_path_factory.mktemp("report") / "out")


def test_every_linear_and_decoder_layer_has_its_error(report):
    assert len(report.linears) == 2 * 7 + 1 and report.linears[-1].name == "lm_head"
    assert all(1e-5 < linear.error < 0.2 for linear in report.linears)
    assert len(report.layers) == 2 and report.layers[0] < report.layers[1] < 0.2  # errors add up along the stream


def test_the_worst(report):
    worst = report.worst(3)
    assert worst[0].error == max(linear.error for linear in report.linears)
    assert worst[0].error >= worst[1].error >= worst[2].error


def test_it_lies_beside_the_weights(checkpoint, tmp_path):
    report = run(checkpoint("qwen2"), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "quantization_report.json").read_text()) == report.document()


def test_a_run_that_goes_on_has_the_whole_report(checkpoint, tmp_path, report):
    def stop(done, total, what):
        if what == "layer 2 of 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint("qwen2"), tmp_path / "out", progress=stop)
    assert run(checkpoint("qwen2"), tmp_path / "out") == report


def test_rounding_to_nearest_tells_of_weights(checkpoint, tmp_path, report):
    found = run(checkpoint("qwen2"), tmp_path / "out", method="rtn")
    assert (found.measure, found.layers, len(found.linears)) == ("weights", (), 15)
    assert all(1e-3 < linear.error < 0.02 for linear in found.linears)


def test_without_propagation_there_is_no_second_stream(checkpoint, tmp_path):
    found = run(checkpoint("qwen2"), tmp_path / "out", without=["propagation"])
    assert found.layers == () and len(found.linears) == 15


def test_autoawqs_method_tells_nothing(checkpoint, tmp_path):
    assert run(checkpoint("qwen2"), tmp_path / "out", method="awq").linears == ()


def test_rare_experts_are_named_the_rarest_first_and_not_all_of_them():
    experts = {f"mlp.experts.{number}": 30 - number for number in range(12)}
    report = QuantizationReport("outputs", (), (), rare_experts=experts)
    assert report.document()["rare_experts"] == experts
    assert "the experts mlp.experts.11 (19), mlp.experts.10 (20), " in report.rarity
    assert "mlp.experts.4 (26) and 4 more, which" in report.rarity
    assert QuantizationReport("outputs", (), ()).rarity is None
