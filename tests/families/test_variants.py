"""Variants of a tiny config: names that say what is changed, one field at a time."""

from tests.families.tiny_config import tiny_config
from tests.families.variants import changes_of, one_field_each, scaled, variant_names


def test_a_name_says_the_type_and_the_changes():
    model_type, changes = changes_of('llama+mlp_bias=true+hidden_act="relu"')
    assert (model_type, changes) == ("llama", {"mlp_bias": True, "hidden_act": "relu"})


def test_every_variant_differs_from_the_type_in_what_its_name_says():
    names = variant_names("qwen2")
    assert len(names) == len(set(names)) > 20
    plain = tiny_config("qwen2", {}).to_dict()
    for name in names:
        _, changes = changes_of(name)
        assert any(plain.get(field) != value for field, value in changes.items()), name


def test_the_fields_of_a_language_model_inside_another_are_changed_there():
    assert "gemma3+text_config.num_key_value_heads=1" in variant_names("gemma3")


def test_training_does_not_matter():
    assert not list(one_field_each({"attention_dropout": 0.0, "use_cache": True, "router_aux_loss_coef": 0.1}))


def test_rotary_parameters_of_each_kind_of_layer_are_changed():
    rope = {"full_attention": {"rope_theta": 1.0}, "sliding_attention": {"rope_theta": 2.0}}
    found = scaled(rope, {"rope_type": "linear", "factor": 4.0})
    assert {each["factor"] for each in found.values()} == {4.0}
