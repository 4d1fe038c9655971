"""Medians and ranges are over the rounds; a run survives the way to a file and back."""

from baselines.harness.spread import Spread
from baselines.inference.samples import InferenceRun, Metric, Sample, metrics


def test_a_metric_is_the_median_over_rounds_of_the_medians_within_a_process(small_run):
    spread = Metric("pp", 96).spread(small_run, "Qwen2-0.5B", "tyllm")
    assert spread == Spread(700.0, 600.0, 800.0)


def test_rates_come_from_their_own_prompt_and_start_from_every_process(small_run):
    small_run.samples.append(Sample(3, "Qwen2-0.5B", "tyllm", 512, 9.0, (1.0,), (2.0,), 1))
    assert Metric("tg", 96).spread(small_run, "Qwen2-0.5B", "tyllm").low == 60.0
    assert Metric("tg", 512).spread(small_run, "Qwen2-0.5B", "tyllm").low == 2.0
    assert Metric("start").spread(small_run, "Qwen2-0.5B", "tyllm").high == 9.0


def test_memory_is_that_of_the_512_token_prompt_and_size_has_no_range(small_run):
    assert Metric("rss").spread(small_run, "Qwen2-0.5B", "openvino").median == 600
    assert Metric("size").spread(small_run, "Qwen2-0.5B", "tyllm") == Spread(250.0, 250.0, 250.0)
    assert Metric("size").spread(small_run, "Qwen2-0.5B", "openvino") is None


def test_what_failed_has_no_figure_and_a_reason(small_run):
    assert Metric("pp", 96).spread(small_run, "Qwen2-0.5B", "onnxruntime") is None
    assert small_run.errors("Qwen2-0.5B") == {"onnxruntime": "out of luck"}
    assert small_run.errors("Qwen1.5-1.8B") == {}


def test_a_run_is_read_as_it_was_written(small_run, tmp_path):
    small_run.save(tmp_path / "deep" / "run.json")
    assert InferenceRun.load(tmp_path / "deep" / "run.json") == small_run


def test_metrics_are_named_as_llama_bench_names_them():
    assert [metric.name for metric in metrics([96])] == ["pp96", "tg@96", "start", "rss", "size"]
    assert [metric.more_is_better for metric in metrics([96])] == [True, True, False, False, False]
