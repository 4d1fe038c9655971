"""Medians and ranges are over the rounds; a run survives the way to a file and back."""


def test_a_metric_is_the_median_over_rounds_of_the_medians_within_a_process(peers, small_run):
    samples = peers("samples")
    spread = samples.Metric("pp", 96).spread(small_run, "Qwen2-0.5B", "tyllm")
    assert spread == samples.Spread(700.0, 600.0, 800.0)


def test_rates_come_from_their_own_prompt_and_start_from_every_process(peers, small_run):
    samples = peers("samples")
    small_run.samples.append(samples.Sample(3, "Qwen2-0.5B", "tyllm", 512, 9.0, (1.0,), (2.0,), 1))
    assert samples.Metric("tg", 96).spread(small_run, "Qwen2-0.5B", "tyllm").low == 60.0
    assert samples.Metric("tg", 512).spread(small_run, "Qwen2-0.5B", "tyllm").low == 2.0
    assert samples.Metric("start").spread(small_run, "Qwen2-0.5B", "tyllm").high == 9.0


def test_memory_is_that_of_the_512_token_prompt_and_size_has_no_range(peers, small_run):
    samples = peers("samples")
    assert samples.Metric("rss").spread(small_run, "Qwen2-0.5B", "openvino").median == 600
    assert samples.Metric("size").spread(small_run, "Qwen2-0.5B", "tyllm") == samples.Spread(250.0, 250.0, 250.0)
    assert samples.Metric("size").spread(small_run, "Qwen2-0.5B", "openvino") is None


def test_what_failed_has_no_figure_and_a_reason(peers, small_run):
    samples = peers("samples")
    assert samples.Metric("pp", 96).spread(small_run, "Qwen2-0.5B", "onnxruntime") is None
    assert small_run.errors("Qwen2-0.5B") == {"onnxruntime": "out of luck"}
    assert small_run.errors("Qwen1.5-1.8B") == {}


def test_a_run_is_read_as_it_was_written(peers, small_run, tmp_path):
    small_run.save(tmp_path / "deep" / "run.json")
    assert peers("samples").Run.load(tmp_path / "deep" / "run.json") == small_run
