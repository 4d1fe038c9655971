"""Questions that a documentation file answers: its modules, functions, terms and headings that ask."""

import re
import textwrap
from collections.abc import Iterator

from rst_text import plain_text

SMALL_TALK = (
    ("Hello", "Hello! Ask me something about Python."),
    ("Hello!", "Hello! Ask me something about Python."),
    ("Hi", "Hello! What would you like to know about Python?"),
    ("Hi there!", "Hello! What would you like to know about Python?"),
    ("Who are you?", "I am a very small language model. I have read the documentation of Python, and little else."),
    ("What are you?", "I am a very small language model. I have read the documentation of Python, and little else."),
    (
        "What can you do?",
        "I can write a few sentences about Python and its standard library. I am small and often wrong.",
    ),
    ("What is Python?", "Python is a programming language that is easy to learn. It has a large standard library."),
    ("What is your name?", "My name is TyLLM. I am a very small language model."),
    ("Thank you", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Goodbye", "Goodbye!"),
)
MODULE_QUESTIONS = ("What is the module `{}`?", "Describe the module `{}`.", "What is `{}` for?", "Tell me about {}.")
LONGEST = 700  # characters of an answer
SHORTEST = 40
MODULE = re.compile(r"^\.\. module:: ([\w.]+)\n", re.MULTILINE)
FUNCTION = re.compile(r"^\.\. (function|class|method|exception|decorator):: ([\w.]+)", re.MULTILINE)
ASKING = re.compile(r"^(?=[A-Z])(.+\?)\n[-=~]{3,}\n", re.MULTILINE)
TERM = re.compile(r"^   (?=\S)([^:\n`]+)\n(?=      \S)", re.MULTILINE)


def prose(source: str) -> str:
    """The first paragraphs of `source` that are sentences, up to the longest answer; empty where there is none."""
    taken: list[str] = []
    for i, paragraph in enumerate(re.split(r"\n\s*\n", plain_text(source))):
        text = " ".join(paragraph.split())
        if i and text.startswith("#"):
            break
        if text.startswith(("#", "Source code:", "**Source", "`", ">>>", "Note", "See ", "New in", "Changed in")):
            if taken:
                break
            continue
        if not re.match(r"[A-Z*`]", text) or sum(map(len, taken)) + len(text) > LONGEST:
            break
        taken.append(text)
    answer = "\n\n".join(taken)
    return answer if len(answer) >= SHORTEST and answer.endswith(".") else ""


def indented_prose(source: str) -> str:
    """The prose of the block that `source` begins with: all lines indented at least as its first."""
    indent = len(source) - len(source.lstrip(" "))
    block = re.match(rf"(?: {{{max(indent, 1)}}}.*\n|\s*\n)*", source)
    return prose(textwrap.dedent(block[0])) if block else ""


def module_questions(source: str) -> Iterator[tuple[str, str]]:
    """Questions for a module's purpose, asked in several ways."""
    for match in MODULE.finditer(source):
        name, answer = match[1], prose(source[match.end() :])
        for question in MODULE_QUESTIONS:
            yield question.format(name), answer


def function_questions(source: str) -> Iterator[tuple[str, str]]:
    """Questions for functions and classes, answered by the indented text below their directive."""
    module = MODULE.search(source)
    for match in FUNCTION.finditer(source):
        body = source[source.find("\n\n", match.end()) + 2 :][: 3 * LONGEST]
        name = match[2] if "." in match[2] or not module else f"{module[1]}.{match[2]}"
        question = f"What is `{name}`?" if match[1] in ("class", "exception") else f"What does `{name}` do?"
        yield question, indented_prose(body)


def heading_questions(source: str) -> Iterator[tuple[str, str]]:
    """Headings of the kind that ends in a question mark."""
    for match in ASKING.finditer(source):
        yield plain_text(match[1]).strip(), prose(source[match.end() :])


def term_questions(source: str) -> Iterator[tuple[str, str]]:
    """Entries of a glossary."""
    for match in TERM.finditer(source) if ".. glossary::" in source else ():
        answer = indented_prose(source[match.end() :])
        for question in ("What is {}?", "What does {} mean?", "Explain the term {}."):
            yield question.format(match[1]), answer


def questions_of(source: str) -> Iterator[tuple[str, str]]:
    """(question, answer) pairs of one reST file; every answer is one to a few whole paragraphs of it."""
    for find in (module_questions, function_questions, heading_questions, term_questions):
        yield from ((question, answer) for question, answer in find(source) if answer)
