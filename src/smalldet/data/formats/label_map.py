"""Label maps of TensorFlow's Object Detection API: `item { id: 1 name: 'car' }` for each class.

Layout: https://github.com/tensorflow/models/blob/master/research/object_detection/protos/
string_int_label_map.proto, in the text format of
https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smalldet.data.formats.text_files import utf8_text

MAX_BYTES = 16 << 20
MAX_DEPTH = 8
TOKEN = re.compile(
    r"""[ \t\n\f\v,;]+ | \#[^\n]* | (?P<sign>[{}<>\[\]:]) | (?P<word>[\w.+-]+)
    | (?P<text>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')""",
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class LabelMap:
    """Classes by number and by name.

    Args:
        names: {number: the name that people see: `display_name`, or `name` without one}.
        of_name: {either name: number}.
    """

    names: dict[int, str]
    of_name: dict[str, int]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def read_label_map(path: Path) -> LabelMap:
    """A `.pbtxt` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no label map, or gives a number or a name twice; names file and line.
    """
    tokens = list(_tokens(path))
    names: dict[int, str] = {}
    of_name: dict[str, int] = {}
    place = 0
    while place < len(tokens):
        token = tokens[place]
        fields, place = _message_field(path, tokens, place, 0)
        if token.text != "item" or fields is None:
            raise ValueError(f"{path}: line {token.line} has {token.text[:40]!r}, not item {{")
        number, name = fields.get("id", ""), fields.get("name", "")
        display = fields.get("display_name", "") or name
        if not re.fullmatch(r"-?\d{1,9}", number) or not display:
            raise ValueError(f"{path}: line {token.line}: the item needs an id and a name")
        if int(number) in names or display in of_name:
            raise ValueError(f"{path}: line {token.line}: id {number} or {display!r} comes again")
        names[int(number)] = display
        for one in (name or display, display):
            if of_name.setdefault(one, int(number)) != int(number):
                raise ValueError(f"{path}: line {token.line}: {one!r} comes again")
    if not names:
        raise ValueError(f"{path}: has no item")
    return LabelMap(names, of_name)


def label_map_text(class_names: Sequence[str]) -> str:
    """A label map of classes, numbered from 1."""
    return "".join(
        f'item {{\n  id: {number}\n  name: "{_escaped(name)}"\n}}\n'
        for number, name in enumerate(class_names, start=1)
    )


def _escaped(name: str) -> str:
    """Quotes, backslashes and whatever does not print as octal bytes."""
    return "".join(
        letter
        if letter.isprintable() and letter not in '"\\'
        else "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", errors="replace"))
        for letter in name
    )


def _tokens(path: Path) -> Generator[_Token]:
    text = utf8_text(path, MAX_BYTES)
    place, line = 0, 1
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"{path}: line {line} has {text[place : place + 20]!r}")
        if match.lastgroup:
            yield _Token(match.lastgroup, match[0], line)
        line += match[0].count("\n")
        place = match.end()


def _message_field(
    path: Path, tokens: list[_Token], place: int, depth: int
) -> tuple[dict[str, str] | None, int]:
    """A field whose value is a message: its own fields; None where it is something else."""
    line = tokens[place].line
    place += 1
    if place < len(tokens) and tokens[place].text == ":":
        place += 1
    if place >= len(tokens) or tokens[place].text not in CLOSING:
        return None, place
    if depth > MAX_DEPTH:
        raise ValueError(f"{path}: line {line} is nested deeper than {MAX_DEPTH} levels")
    closing = CLOSING[tokens[place].text]
    place += 1
    fields: dict[str, str] = {}
    while place < len(tokens) and tokens[place].text != closing:
        key = tokens[place]
        if key.kind != "word":
            raise ValueError(f"{path}: line {key.line} has {key.text[:40]!r} where a name must be")
        inner, after = _message_field(path, tokens, place, depth + 1)
        if inner is None:
            value, after = _value(path, tokens, after)
            if key.text in fields:
                raise ValueError(f"{path}: line {key.line} gives {key.text} again")
            fields[key.text] = value
        place = after
    if place >= len(tokens):
        raise ValueError(f"{path}: line {line}: its bracket is not closed; is the file cut short?")
    return fields, place + 1


def _value(path: Path, tokens: list[_Token], place: int) -> tuple[str, int]:
    """A word, or texts one after another, which are one."""
    end = place
    while end < len(tokens) and tokens[end].kind == "text":
        end += 1
    if end > place:
        raw = b"".join(_unescaped(token.text[1:-1]) for token in tokens[place:end])
        try:
            return raw.decode("utf-8"), end
        except UnicodeDecodeError:
            raise ValueError(f"{path}: line {tokens[place].line} is not UTF-8 text") from None
    if place < len(tokens) and tokens[place].kind == "word":
        return tokens[place].text, place + 1
    line = tokens[min(place, len(tokens) - 1)].line
    raise ValueError(f"{path}: line {line} has a name without a value")


def _unescaped(text: str) -> bytes:
    parts: list[bytes] = []
    place = 0
    for match in ESCAPE.finditer(text):
        parts.append(text[place : match.start()].encode("utf-8"))
        octal, hexadecimal, letter, other = match.groups()
        if letter:
            parts.append(chr(int(letter, 16)).encode("utf-8", errors="replace"))
        elif other:
            parts.append(LETTERS.get(other, other).encode("utf-8"))
        else:
            parts.append(bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 255]))
        place = match.end()
    return b"".join([*parts, text[place:].encode("utf-8")])
