"""Every program has a driver, an environment and a name of its own."""

from baselines.harness.environments import REQUIREMENTS
from baselines.vision_tower.engines import ENGINES


def test_every_program_has_a_driver_and_a_name_of_its_own():
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
    assert all(engine.command()[1].is_file() for engine in ENGINES)
    assert {engine.environment for engine in ENGINES if engine.environment} <= set(REQUIREMENTS)
    assert [engine.name for engine in ENGINES if engine.is_ours] == ["tyllm"]
