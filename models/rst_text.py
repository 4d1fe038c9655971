"""reStructuredText as readable plain text: roles, labels and directives are resolved or dropped, the words stay."""

import re

HEADING = {"=": "# ", "*": "# ", "-": "## "} | dict.fromkeys("~^\"'.+", "### ")
NOTES = {
    "versionadded": "New in version {}:",
    "versionchanged": "Changed in version {}:",
    "deprecated": "Deprecated since version {}:",
    "deprecated-removed": "Deprecated since version {}:",
    "note": "Note: {}",
    "warning": "Warning: {}",
    "tip": "Tip: {}",
    "seealso": "See also: {}",
    "rubric": "{}",
}
# What these describe is their argument: `.. function:: bisect(a, x)`.
DESCRIBES = re.compile(
    r"^(?:\w+:)?(?:\w*function|\w*method|class|exception|attribute|data|property|decorator|describe|opcode|option|"
    r"c?member|macro|type|var|struct|directive|role|confval|event|program|envvar)$"
)
DIRECTIVE = re.compile(r"^(?P<indent> *)\.\. (?P<name>[\w:.-]+):: ?(?P<rest>.*)$")
INLINE = (
    (re.compile(r":pep:`(\d+)[^`]*`"), r"PEP \1"),
    (re.compile(r":[a-zA-Z][\w:+-]*:`!?~?([^`<]*[^`<\s])\s*(?:<[^>`]*>)?`"), r"`\1`"),  # :func:`~os.path` → `os.path`
    (re.compile(r"(?<!`)`([^`<]+?)\s*<[^>`]+>`__?"), r"\1"),  # `text <url>`_ → text
    (re.compile(r"``([^`]+)``"), r"`\1`"),
    (re.compile(r"`([^`\n]+)`__?"), r"\1"),
    (re.compile(r"\|(\w+)\| "), ""),
    (re.compile(r"::$", re.MULTILINE), ":"),
    (re.compile(r"\\ ?(?=[\w*`])"), ""),
)
DROPPED = re.compile(r"^ *(?:\.\. .*|\.\.|:[\w-]+:(?: .*)?|-{5,}|={3,}[= ]*)$")


def inline(text: str) -> str:
    """The text with its roles, links and literals as plain words and `code`."""
    for pattern, replacement in INLINE:
        text = pattern.sub(replacement, text)
    return text


def directive(match: re.Match[str]) -> str | None:
    """The line that stands for a directive's first line; None where nothing does."""
    name, rest, indent = match["name"], match["rest"].strip(), match["indent"]
    if name in NOTES:
        return (indent + NOTES[name].format(rest)).rstrip()
    if DESCRIBES.match(name) and rest:
        return f"{indent}`{rest}`"
    return None


def is_underline(line: str, title: str) -> bool:
    """Whether `line` underlines `title`."""
    return len(line) >= 3 and line[0] in HEADING and line == line[0] * len(line) and bool(title.strip())


def plain_text(source: str) -> str:
    """The text of a reST file.

    Args:
        source: Content of an `.rst` file.

    Returns:
        Paragraphs, `# headings` and code, at most one blank line between them, ending in one newline.
    """
    lines: list[str] = []
    for raw in source.expandtabs().splitlines():
        line = raw.rstrip()
        if is_underline(line, lines[-1] if lines else ""):
            lines[-1] = HEADING[line[0]] + lines[-1].strip()
        elif match := DIRECTIVE.match(line):
            lines += [text] if (text := directive(match)) is not None else []
        elif not DROPPED.match(line) and not (len(line) > 3 and len(set(line)) == 1):
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", inline("\n".join(lines))).strip() + "\n"
