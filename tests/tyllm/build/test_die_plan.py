"""What each die gets, and which dies share a program."""

import pytest

from tyllm.build.die_plan import plan_model
from tyllm.build.tensor_parallel import shard_model
from tyllm.build.weight_formats import Quantization

TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
FLOAT = Quantization(None, 128, frozenset())


@pytest.fixture
def planned(meta_model):
    def plan(dies, quantization=FLOAT, skipped=frozenset(), **changes):
        model = meta_model(**changes)
        return plan_model(model, shard_model(model, dies, 32), quantization, skipped)

    return plan


def test_a_tied_table_is_stored_once(planned):
    plan = planned(1)
    assert plan.stored_names[HEAD] == TABLE
    assert TABLE in plan.dies[0].layout.specs and HEAD not in plan.dies[0].layout.specs
    assert [stored.name for stored in plan.stored()].count(TABLE) == 1


def test_the_file_is_in_the_order_of_what_is_packed(planned):
    plan = planned(2)
    specs = [f"{s.name}{suffix}" for s in plan.stored() for suffix in s.formats[0].tensors()]
    assert specs == list(plan.dies[0].layout.specs)


def test_dies_of_equal_shapes_share_a_program(planned):
    two, three = planned(2), planned(3)
    assert two.dies[1].shares_program_with(two.dies[0])
    assert three.dies[1].shares_program_with(three.dies[0])  # one group of heads on two dies
    assert not three.dies[2].shares_program_with(three.dies[0])


def test_a_skipped_embedding_is_not_stored(planned):
    plan = planned(1, skipped=frozenset({TABLE}), tie_word_embeddings=False)
    names = [stored.name for stored in plan.stored()]
    assert TABLE not in names and HEAD in names


def test_int4_is_stored_in_parts(planned):
    name = "model.layers.0.mlp.up_proj.weight"
    layout = planned(1, Quantization("awq", 32, frozenset({name}))).dies[0].layout
    parts = [key.removeprefix(name) for key in layout.specs if key.startswith(name)]
    assert parts == [".weight", ".scale", ".zero"]
