"""The rows of the table: what is played, how often in `make test-faults`, and how often in `make test`."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import damage, forged, guard_pages, injection, kill, open_session, races, sanitizers, strangers
from tests.faults.tally import Tally


@dataclass(frozen=True)
class Row:
    """A kind of fault.

    Attributes:
        says: what is done, for the table.
        play: plays so many tries.
        full: tries of `make test-faults`.
        fast: tries of `make test`.
    """

    says: str
    play: Callable[[Tally, int], None]
    full: int
    fast: int


ROWS: dict[str, Row] = {
    "kill-quantize": Row("kill -9 at a random moment of quantize", kill.kill_quantize, 500, 3),
    "kill-compile": Row("kill -9 at a random moment of compile", kill.kill_compile, 500, 3),
    "kill-overwrite": Row("kill -9 at a random moment of compile --overwrite", kill.kill_overwrite, 500, 3),
    "kill-sign": Row("kill -9 at a random moment of sign", kill.kill_sign, 500, 3),
    "inject-quantize": Row(
        "KILL, EIO, ENOSPC, EMFILE, EACCES at system calls of quantize", injection.inject_quantize, 1500, 4
    ),
    "inject-compile": Row(
        "KILL, EIO, ENOSPC, EMFILE, EACCES at system calls of compile", injection.inject_compile, 1500, 4
    ),
    "inject-run": Row("KILL, EIO, ENOSPC, EMFILE, EACCES at system calls of run", injection.inject_run, 1000, 4),
    "inject-sign": Row("KILL, EIO, ENOSPC, EMFILE, EACCES at system calls of sign", injection.inject_sign, 500, 4),
    "flips": Row("one bit of a package flipped, every file in turn", damage.flips, 10_000, 40),
    "truncations": Row("a file of a package cut short, every file in turn", damage.truncations, 1_500, 20),
    "open-session": Row("files changed under an open session", open_session.change_under_session, 400, 12),
    "race-quantize": Row("two quantizations with one output", races.race_quantize, 200, 2),
    "race-compile": Row("two compiles with one output", races.race_compile, 200, 2),
    "race-sign": Row("two signings of one package", races.race_sign, 200, 2),
    "forgeries-text": Row("packages forged, all hashes made right", forged.forgeries_text, 1_000, 40),
    "forgeries-vision": Row(
        "packages with a vision tower forged, all hashes made right", forged.forgeries_vision, 1_000, 20
    ),
    "templates": Row("chat templates that want to crash, hang or fill the process", strangers.templates, 100, 3),
    "tokenizers": Row("tokenizers that want the same", strangers.tokenizers, 100, 3),
    "conversations": Row("saved conversations changed or forged", strangers.conversations, 3_000, 60),
    "images": Row("images changed, and bombs", strangers.images, 3_000, 100),
    "checkpoints": Row("checkpoints changed in every part", strangers.checkpoints, 500, 3),
    "guard-pages": Row("packages whose memory lies between pages that trap", guard_pages.guard_pages, 27, 1),
    "sanitizers": Row("packages whose C library is under ASan and UBSan, or TSan", sanitizers.sanitizers, 12, 1),
}
