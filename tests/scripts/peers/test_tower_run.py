"""Vision towers take turns in processes of their own, and what computes something else is not compared."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest


def sample(peers, engine, seconds, cosine=0.9999, **more):
    return peers("tower_rounds").TowerSample(0, engine, 1.5, seconds, 2_000_000, cosine, cosine, **more)


@pytest.fixture
def run(peers):
    """Ours takes 1 s, OpenVINO 2, ONNX Runtime's int8 1.5; a fast one is wrong, another failed."""
    run = peers("tower_rounds").TowerRun("2026-01-02", "A tower", (4, 6), "A processor", 2, [{"amx_bf16": 1e12}])
    run.samples += [
        sample(peers, "tyllm", (0.9, 1.0, 3.0)),
        sample(peers, "tyllm", (1.0,)),
        sample(peers, "openvino-batched-sdpa", (2.0,)),
        sample(peers, "openvino-masks-sdpa", (0.1,), cosine=0.5),
        sample(peers, "onnxruntime-batched-matmul-int8", (1.5,)),
        peers("tower_rounds").TowerSample(0, "torch-own", error="out of luck"),
    ]
    return run


def test_the_fastest_that_is_right_is_compared(peers, run):
    text = peers("tower_table").markdown(run)
    assert "OpenVINO bf16, windows in batches (2.000 s), TyLLM is 2.00× as fast" in text
    assert "8 bits, ONNX Runtime int8, windows in batches, MatMul (1.500 s), TyLLM is 1.50× as fast" in text
    assert "torch-own failed: out of luck" in text
    assert "A tower, 4 × 6 = 24 patches, 2 threads" in text


def test_a_row_has_medians_and_cosines(peers, run):
    table = peers("tower_table")
    engines = {engine.name: engine for engine in peers("tower_engines").ENGINES}
    assert table.row(run, engines["openvino-batched-sdpa"])[1:] == [
        "2.00",
        "1.50",
        "2.00",
        "0.999900",
        "0.999900",
        "2.00",
    ]
    assert table.row(run, engines["tyllm"])[1] == "1.00"
    assert table.row(run, engines["torch-own"])[1] == "failed"


def test_every_program_has_a_driver_and_a_name_of_its_own(peers):
    engines = peers("tower_engines").ENGINES
    assert len({engine.name for engine in engines}) == len(engines)
    assert all(engine.command()[1].is_file() for engine in engines)
    assert {engine.environment for engine in engines if engine.environment} <= set(peers("environments").REQUIREMENTS)


def test_what_was_far_behind_in_the_first_round_sits_out_the_others(peers, monkeypatch, tmp_path):
    rounds, engines = peers("tower_rounds"), peers("tower_engines").ENGINES[:4]
    seconds = dict(zip(engines, (0.1, 3.5, 1.0, 2.0), strict=True))
    monkeypatch.setattr(rounds, "read_into_cache", lambda model: None)
    monkeypatch.setattr(
        rounds,
        "measure",
        lambda engine, model, data, threads, turn: rounds.TowerSample(turn, engine.name, 1.0, (seconds[engine],)),
    )
    run, turns = rounds.TowerRun("2026-01-02", "A tower", (4, 6), "A processor", 2), []
    models = dict.fromkeys(engines, tmp_path)
    rounds.alternate(run, models, tmp_path, 3, tmp_path / "samples.json", lambda: turns.append(len(run.samples)))
    assert turns == [0, 4, 7, 10]
    assert len(run.of(engines[1].name)) == 1


def test_what_starts_slowly_is_measured_when_named(peers):
    program = peers("vision_tower")
    assert [engine.name for engine in program.wanted_engines(["torch-batched-sdpa-compiled"])] == [
        "torch-batched-sdpa-compiled"
    ]
    assert not any(engine.on_demand for engine in program.wanted_engines(None))


@pytest.fixture
def engine(peers):
    """`engine(program)`: one whose driver is this Python program."""

    def made(program):
        class Engine(peers("tower_engines").TowerEngine):
            def command(self):
                return [sys.executable, "-c", program]

        return Engine("tyllm", "TyLLM", "tyllm")

    return made


def test_a_driver_s_last_line_is_the_sample(peers, engine):
    found = {"start": 1.5, "seconds": [3.0, 1.0, 2.0], "peak_rss": 7, "cosine": 0.9, "worst_cosine": 0.8}
    program = f"print('noise'); print({json.dumps(found)!r})"
    measured = peers("tower_rounds").measure(engine(program), Path("model"), Path("data"), 2, 1)
    assert (measured.round, measured.time, measured.peak_rss, measured.worst_cosine) == (1, 2.0, 7, 0.8)


def test_a_driver_that_fails_gives_a_sample_with_its_last_words(peers, engine):
    program = "raise RuntimeError('no such model')"
    measured = peers("tower_rounds").measure(engine(program), Path("model"), Path("data"), 2, 0)
    assert measured.error == "RuntimeError: no such model"


def test_a_measurement_is_timed_by_its_clock_and_compared_with_the_reference(peers, monkeypatch, tmp_path):
    measurement, now = peers("tower_measurement"), [0.0]
    for name in ("perf_counter", "monotonic"):
        monkeypatch.setattr(measurement.time, name, lambda: now[0])
    np.save(tmp_path / "patches.npy", np.ones((4, 2), np.float32))
    np.save(tmp_path / "reference.npy", np.float32([[1, 0], [1, 1]]))

    def tower(patches):
        now[0] += 2.0
        return np.float32([[3, 0], [0, 3]])

    given = argparse.Namespace(data=tmp_path, started=-1.0, repeats=5, seconds=5.0)
    found = measurement.measure(lambda given: tower, given)
    assert (found["start"], found["seconds"]) == (3.0, [2.0, 2.0, 2.0])
    assert found["cosine"] == pytest.approx(6 / 54**0.5)
    assert found["worst_cosine"] == pytest.approx(0.5**0.5)
