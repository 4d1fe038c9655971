"""`tyllm chat`: a conversation in the terminal; its history stays in the KV cache."""

import io
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tyllm.cli.attach import Attachments
from tyllm.cli.demanded_signer import demanded_signer
from tyllm.cli.generation_options import generation_options
from tyllm.cli.open_session import open_session
from tyllm.cli.quantities import pluralized
from tyllm.cli.shared_options import (
    Debug,
    Demanded,
    Fit,
    Fps,
    Greedy,
    ImageFit,
    Issuer,
    Json,
    MaxNewTokens,
    MinP,
    Package,
    RepetitionPenalty,
    Seed,
    Stop,
    System,
    Temperature,
    Threads,
    TopK,
    TopP,
)
from tyllm.cli.signals import go_on
from tyllm.cli.streaming_output import as_dict, print_cut, print_timings, stream_text
from tyllm_base.printable import json_text, model_text, one_line

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.generation.request import GenerateOptions
    from tyllm.runtime.generation.result import Result
    from tyllm.runtime.prompt.prompt import Prompt
    from tyllm_base.errors import TyllmError

COMMANDS = "/reset forgets the conversation, /system TEXT sets the system message and forgets, /exit ends"
IMAGES = "/image PATH and /video PATH go with the next message"


def chat(
    package: Package,
    system: System = None,
    max_new_tokens: MaxNewTokens = None,
    greedy: Greedy = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    seed: Seed = None,
    stop: Stop = None,
    image_fit: Fit = ImageFit.PAD,
    fps: Fps = None,
    threads: Threads = None,
    signer: Demanded = None,
    issuer: Issuer = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Talk with a package: `/reset`, `/system TEXT`, `/exit`, `/help`; Ctrl-C ends an answer, Ctrl-D the chat.

    A model that sees takes images with the next message: `/image PATH`, several if need be, and `/video PATH`.

    With `--json` each line of stdin is a message, and each answer one line of JSON on stdout.

    Example: `tyllm chat out/quickstart/2die --temperature 0.7`
    """
    options = generation_options(
        greedy, stop, temperature, max_new_tokens=max_new_tokens, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=repetition_penalty, seed=seed,
    )  # fmt: skip
    if isinstance(sys.stdin, io.TextIOWrapper):  # a line of other bytes is refused by itself, and names files rightly
        sys.stdin.reconfigure(errors="surrogateescape")
    with open_session(package, threads, demanded_signer(signer, issuer)) as session:
        terminal = TerminalChat(session, options, system, as_json, Attachments(session, image_fit.value, fps))
        _ = session.chat_template  # a package without one is told before the first question
        terminal.note(f"{session.info.architecture} on {pluralized(session.info.dies, 'die')}; {terminal.commands}.")
        while (line := terminal.read_line()) is not None:
            terminal.handle_line(line)


@dataclass
class TerminalChat:
    """A conversation under way: its messages, and how it is shown."""

    session: "Session"
    options: "GenerateOptions"
    system: str | None
    as_json: bool
    attached: Attachments
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def commands(self) -> str:
        """The commands that there are, in a sentence."""
        return COMMANDS if self.session.info.visual is None else f"{COMMANDS}, {IMAGES}"

    def read_line(self) -> str | None:
        """The next line of the user; None at the end."""
        interactive = sys.stdin.isatty() and not self.as_json
        try:
            line = input("> ") if interactive else input()
        except EOFError:
            return None
        return None if line.strip() == "/exit" else line.strip()

    def handle_line(self, line: str) -> None:
        """Obey a command, or answer a message."""
        command, _, rest = line.partition(" ")
        if command == "/reset":
            self._forget()
            self.note("The conversation is forgotten.")
        elif command == "/system":
            self.system = rest.strip() or None
            self._forget()
            self.note("The system message is set." if self.system else "There is no system message now.")
        elif command in ("/image", "/video"):
            self.attach(command, rest)
        elif command == "/help":
            self.note(f"{self.commands}.")
        elif command.startswith("/"):
            self.note(f"There is no command {command}; {self.commands}.")
        elif line:
            self.answer(line)

    def attach(self, command: str, rest: str) -> None:
        """Keep images for the next message; one that cannot be used is told."""
        from tyllm_base.errors import TyllmError

        try:
            for told in self.attached.read(command.removeprefix("/"), rest):
                self.note(told)
        except TyllmError as error:
            self._refuse(error)

    def answer(self, line: str) -> None:
        """Answer a message; one that cannot be answered is forgotten."""
        from tyllm_base.errors import GenerationError

        self.messages.append({"role": "user", "content": self.attached.with_text(line)})
        try:
            prompt = self.session.prompt_builder.of_chat([*self._system_message(), *self.messages])
            said: list[str] = []
            result = self._stream_answer(prompt, said)
        except GenerationError as error:
            self.messages.pop()
            self._refuse(error, " Or say /reset.")
            return
        self.messages.append({"role": "assistant", "content": "".join(said)})
        if self.as_json:
            print(json_text(as_dict(result) if result else {"text": "".join(said)}), flush=True)
        elif result:
            print_cut(result, self.session.info.max_kv_cache_size, " say /reset, or")
            print_timings(result.timings)

    def note(self, text: str) -> None:
        """Tell the user something that is no answer."""
        print(one_line(text), file=sys.stderr)

    def _system_message(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": self.system}] if self.system else []

    def _stream_answer(self, prompt: "Prompt", said: list[str]) -> "Result | None":
        """Stream the answer until the end (the result) or Ctrl-C (None); `said` keeps the pieces."""

        def write(piece: str) -> None:
            said.append(piece)
            if not self.as_json:
                print(model_text(piece, sys.stdout), end="", flush=True)

        try:
            return stream_text(self.session, prompt, self.options, write)
        except KeyboardInterrupt:
            go_on()
            return None
        finally:
            if not self.as_json:
                print()

    def _forget(self) -> None:
        self.messages.clear()
        self.attached.clear()

    def _refuse(self, error: "TyllmError", more: str = "") -> None:
        """Say why a message was not answered, and go on."""
        if self.as_json:
            print(json_text({"error": str(error), "exit_code": error.exit_code}), flush=True)
        self.note(f"{error}{more}")
