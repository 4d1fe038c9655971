"""`tyllm models`: the architectures that compile, and how far each was tested."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Json

if TYPE_CHECKING:
    from rich.console import Console

NAMED = "1, 2, 3, 4 dies"
OTHER = "1, 3 dies"
NOTE = (
    "Tested, with small random weights in the form of the real config, as INT4: the logits agree with transformers', "
    "and so many dies give the same text. Any other decoder of transformers that goes through its attention interface "
    "is tried too; what cannot be compiled is named at once."
)


@dataclass(frozen=True)
class Model:
    """One architecture.

    Attributes:
        architecture: as config.json names it.
        model_type: as config.json names it.
        checkpoints: published models that have it.
        tested: the dies on which `tests/tyllm/llm/test_architectures.py` compares it with transformers.
    """

    architecture: str
    model_type: str
    checkpoints: tuple[str, ...]
    tested: str


MODELS = (
    Model("Qwen2ForCausalLM", "qwen2", ("Qwen1.5", "Qwen2", "Qwen2.5", "DeepSeek-R1-Distill-Qwen"), NAMED),
    Model("Qwen3ForCausalLM", "qwen3", ("Qwen3",), NAMED),
    Model("LlamaForCausalLM", "llama", ("Llama 3", "Llama 3.1", "Llama 3.2"), NAMED),
    Model("MistralForCausalLM", "mistral", ("Mistral 7B",), NAMED),
    Model("Gemma2ForCausalLM", "gemma2", ("Gemma 2",), OTHER),
    Model("Phi3ForCausalLM", "phi3", ("Phi-3 mini",), OTHER),
    Model("Olmo2ForCausalLM", "olmo2", ("OLMo 2",), OTHER),
    Model("Starcoder2ForCausalLM", "starcoder2", ("StarCoder2",), OTHER),
)


def models(as_json: Json = False, debug: Debug = False) -> None:
    """List the architectures that compile, and how far each was tested.

    Example: `tyllm models --json`
    """

    def draw(console: "Console") -> None:
        from rich.table import Table

        table = Table("architecture", "published as", "tested")
        for model in MODELS:
            table.add_row(model.architecture, ", ".join(model.checkpoints), model.tested)
        console.print(table)
        console.print(NOTE)

    print_result({"models": [asdict(model) for model in MODELS], "note": NOTE}, as_json, draw)
