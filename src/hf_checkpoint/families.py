"""The families of models that are tested, and what no config.json says of them: the one table of such facts.

The compiler, the quantizer, `tyllm models` and the README's list read it. A decoder that is not here is tried all the
same: nothing in the code depends on a text model's family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class VisionFacts:
    """Facts about a vision-language family: names of its tensors and modules, and its special tokens.

    Attributes:
        tower: name of the vision tower's module within its parent, and the start of its tensors' names as stored.
        stored_names: how tensors' names begin in transformers' model, and in the hub's checkpoints.
        float_modules: names of a tower of float weights in AutoAWQ's `modules_to_not_convert`: AutoAWQ's and vLLM's,
            and what transformers 5 matches.
        tokens: what a placeholder is for → the config's attribute that holds its token id.
    """

    tower: str
    stored_names: tuple[tuple[str, str], ...]
    float_modules: tuple[str, ...]
    tokens: Mapping[str, str]


QWEN_VISION = VisionFacts(
    tower="visual",
    stored_names=(("model.visual.", "visual."), ("model.language_model.", "model.")),
    float_modules=("visual", "model.visual"),
    tokens={
        "image": "image_token_id",
        "video": "video_token_id",
        "start": "vision_start_token_id",
        "end": "vision_end_token_id",
    },
)


EVERY = (1, 2, 3, 4)
SOME = (1, 3)
"""Numbers of dies."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        architecture: as config.json names it.
        model_type: as config.json names it.
        published: published models that have it.
        tested_dies: numbers of dies on which a small random model of it is compared with transformers.
        vision: of a vision-language model; None for one that reads text alone.
        is_tiny: whether that model is as tiny as the sweep's, float16, and has not the form of a published config.
    """

    architecture: str
    model_type: str
    published: tuple[str, ...]
    tested_dies: tuple[int, ...]
    vision: VisionFacts | None = None
    is_tiny: bool = False

    @property
    def tested(self) -> str:
        """The extent to which the family is tested, such as "1, 3 dies"."""
        dies = f"{', '.join(map(str, self.tested_dies))} dies"
        if self.is_tiny:
            return f"{dies}, tiny"
        return dies if self.vision is None else f"{dies}, the tower on others"


def _tiny(architecture: str, model_type: str, *published: str) -> Family:
    """A family that the sweep tests, on 1 and 3 dies."""
    return Family(architecture, model_type, published, SOME, is_tiny=True)


FAMILIES = (
    Family("Qwen2ForCausalLM", "qwen2", ("Qwen1.5", "Qwen2", "Qwen2.5", "DeepSeek-R1-Distill-Qwen"), EVERY),
    Family("Qwen3ForCausalLM", "qwen3", ("Qwen3",), EVERY),
    Family("LlamaForCausalLM", "llama", ("Llama 3", "Llama 3.1", "Llama 3.2"), EVERY),
    Family("MistralForCausalLM", "mistral", ("Mistral 7B",), EVERY),
    Family("Gemma2ForCausalLM", "gemma2", ("Gemma 2",), SOME),
    Family("Phi3ForCausalLM", "phi3", ("Phi-3 mini",), SOME),
    Family("Olmo2ForCausalLM", "olmo2", ("OLMo 2",), SOME),
    Family("Starcoder2ForCausalLM", "starcoder2", ("StarCoder2",), SOME),
    Family("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", ("Qwen2.5-VL",), EVERY, QWEN_VISION),
    Family("Qwen2VLForConditionalGeneration", "qwen2_vl", ("Qwen2-VL",), (1, 2), QWEN_VISION),
    _tiny("MixtralForCausalLM", "mixtral", "Mixtral"),
    _tiny("Qwen2MoeForCausalLM", "qwen2_moe", "Qwen1.5-MoE", "Qwen2-57B-A14B"),
    _tiny("Qwen3MoeForCausalLM", "qwen3_moe", "Qwen3-30B-A3B", "Qwen3-235B-A22B"),
    _tiny("OlmoeForCausalLM", "olmoe", "OLMoE"),
    _tiny("PhimoeForCausalLM", "phimoe", "Phi-3.5-MoE"),
    _tiny("GraniteMoeForCausalLM", "granitemoe", "Granite 3 MoE"),
    _tiny("GemmaForCausalLM", "gemma", "Gemma 1"),
    _tiny("Gemma3ForCausalLM", "gemma3_text", "Gemma 3 1B"),
    _tiny("PhiForCausalLM", "phi", "Phi-1", "Phi-2"),
    _tiny("GPT2LMHeadModel", "gpt2", "GPT-2"),
    _tiny("OPTForCausalLM", "opt", "OPT"),
    _tiny("GPTNeoXForCausalLM", "gpt_neox", "Pythia", "GPT-NeoX"),
    _tiny("GPTJForCausalLM", "gptj", "GPT-J"),
    _tiny("BloomForCausalLM", "bloom", "BLOOM"),
    _tiny("CohereForCausalLM", "cohere", "Command R"),
    _tiny("Cohere2ForCausalLM", "cohere2", "Command R7B"),
    _tiny("Glm4ForCausalLM", "glm4", "GLM-4"),
    _tiny("GraniteForCausalLM", "granite", "Granite 3"),
    _tiny("SmolLM3ForCausalLM", "smollm3", "SmolLM3"),
    _tiny("StableLmForCausalLM", "stablelm", "StableLM 2"),
    _tiny("OlmoForCausalLM", "olmo", "OLMo 1"),
    _tiny("Olmo3ForCausalLM", "olmo3", "OLMo 3"),
    _tiny("Ernie4_5ForCausalLM", "ernie4_5", "ERNIE 4.5"),
)


def vision_facts(config: Mapping[str, Any]) -> VisionFacts | None:
    """The facts about the vision-language model of a config.json; None for any other model."""
    return next((each.vision for each in FAMILIES if each.model_type == config.get("model_type")), None)


def is_vision_language(config: Mapping[str, Any]) -> bool:
    """Whether the model of a config.json is a vision-language model that is supported."""
    return vision_facts(config) is not None


def reads_text_alone(config: Mapping[str, Any]) -> bool:
    """Whether the model of a config.json sees images, and is supported for text without them."""
    return not is_vision_language(config) and any(name in config for name in ("vision_config", "vq_config"))


TOWERS = tuple(sorted({f"{each.vision.tower}." for each in FAMILIES if each.vision}))
"""How the names of a vision tower's tensors begin as they are stored."""


def stored_vision_facts(tensors: Iterable[str]) -> VisionFacts | None:
    """The facts about the vision-language family that has stored tensors of these names; None where none has."""
    names = list(tensors)
    every = (each.vision for each in FAMILIES if each.vision)
    return next((vision for vision in every if any(name.startswith(f"{vision.tower}.") for name in names)), None)
