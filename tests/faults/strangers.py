"""What strangers send: checkpoints, templates, tokenizers, saved conversations, images.

Held: a sentence, or an answer like any other; never a signal, a hang or an error that is not ours.
"""

import shutil
from collections.abc import Callable
from functools import cache
from itertools import islice

from tests.faults import batch
from tests.faults.samples import checkpoint, fresh, package, warm
from tests.faults.tally import Tally

ANSWERED, REFUSED = "answered", "refused"


def checkpoints(tally: Tally, count: int) -> None:
    """Changed checkpoints, quantized by rounding: its checks are those of all that read checkpoints."""
    from tests.hostile_checkpoints import hostile

    warm()
    changes = list(hostile(count, tally.seed))

    def one(number, chance):
        from awq import AutoAWQForCausalLM

        name, change = changes[number]
        out = fresh(tally.row)
        folder = shutil.copytree(checkpoint(), out.with_name("checkpoint"))
        change(folder)

        def quantize():
            model = AutoAWQForCausalLM.from_pretrained(folder)
            model.quantize(None, quant_config={"q_group_size": 32}, method="rtn")
            model.save_quantized(out)

        return (name, *_tried(quantize))

    batch.play(tally, count, one, limit=60.0, per_child=50)


def templates(tally: Tally, count: int) -> None:
    """Templates that want to crash, hang or fill the process."""
    from tests.hostile_templates import HOSTILE_TEMPLATES

    warm()
    names = sorted(HOSTILE_TEMPLATES)

    def one(number, chance):
        from hf_messages.chat_renderer import ChatRenderer
        from tyllm_base.errors import PackageError

        name = names[number % len(names)]

        def render():
            renderer = ChatRenderer(
                {"default": HOSTILE_TEMPLATES[name]}, lambda what: PackageError(f"The template {what}.")
            )
            try:
                renderer.render({"messages": [{"role": "user", "content": "Hello"}], "add_generation_prompt": True})
            finally:
                renderer.close()

        return (name, *_tried(render))

    batch.play(tally, count, one, limit=60.0)


def tokenizers(tally: Tally, count: int) -> None:
    """tokenizer.json files that want the same of the library that reads them."""
    from tests.hostile_tokenizers import HOSTILE_TOKENIZERS

    warm()
    names = sorted(HOSTILE_TOKENIZERS)

    def one(number, chance):
        from hf_checkpoint.tokenizer_trial import try_tokenizer

        name = names[number % len(names)]
        folder = fresh(tally.row)
        folder.mkdir()
        content = HOSTILE_TOKENIZERS[name]
        (folder / "tokenizer.json").write_bytes(content if isinstance(content, bytes) else content.encode())
        return (name, *_tried(lambda: try_tokenizer(folder, {"vocab_size": 500_000})))

    batch.play(tally, count, one, limit=90.0)


def conversations(tally: Tally, count: int) -> None:
    """Changed saved conversations, restored over a good one: refused ones leave it bit for bit as it was."""
    from tests.hostile_conversations import check_restore, forged
    from tests.mutated_bytes import mutated

    warm()

    @cache
    def conversation():
        from tyllm.runtime import Session

        made = Session(package(), threads=2).conversation()
        made.append([5, 6, 7, 8, 9])
        return made, made.save()

    def one(number, chance):
        made, before = conversation()
        changed = mutated(before, chance) if number % 2 else forged(before, chance)
        accepted = check_restore(made, before, changed)
        return "bytes" if number % 2 else "forged archive", ANSWERED if accepted else REFUSED, True

    batch.play(tally, count, one, limit=60.0)


def images(tally: Tally, count: int) -> None:
    """Changed images of every format, and bombs that are small as files."""
    from tests.hostile_images import bombs, hostile

    warm()
    contents = [*bombs().values(), *islice(hostile(count, tally.seed), count)]

    def one(number, chance):
        from hf_messages.image_file import load_image

        path = fresh(tally.row).with_name(f"image{chance.choice(('.png', '.jpg', '.gif', ''))}")
        path.write_bytes(contents[number])
        return (f"{len(contents[number])} bytes", *_tried(lambda: load_image(path)))

    batch.play(tally, min(count, len(contents)), one, limit=20.0)


def _tried(call: Callable[[], object]) -> tuple[str, bool]:
    """How a call ended: an answer, or a sentence of one line; other errors pass."""
    from tyllm_base.errors import TyllmError

    try:
        call()
    except TyllmError as error:
        sentence = str(error)
        return REFUSED, "\n" not in sentence and len(sentence) < 2000 and sentence.isprintable()
    return ANSWERED, True
