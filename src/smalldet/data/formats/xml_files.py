"""XML that strangers wrote: bounded in size and depth, without entities, of known encodings."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from smalldet.data.formats.text_files import UTF16, file_bytes

MAX_BYTES = 32 << 20
MAX_DEPTH = 16
DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
# Text encodings that labelling programs write; `base64` and its like are no text.
ENCODINGS = frozenset(
    ["utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb2312", "gb18030", "big5"]
    + ["shift_jis", "euc_jp", "euc_kr", "koi8-r"]
    + [f"iso8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)]
    + [f"cp{number}" for number in (932, 936, 949, 950, *range(1250, 1259))]
)


def read_xml(path: Path, roots: tuple[str, ...]) -> Element:
    """The root element of a file, all tags without their namespaces.

    Args:
        path: the file.
        roots: what the root element may be called.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no XML, has another root element, entities of its own, an encoding that is
            no text's, or is nested too deep or too large; names the file and, where known, the
            line.
    """
    text = _decoded(path, file_bytes(path, MAX_BYTES))
    if "<!ENTITY" in text:
        raise ValueError(f"{path}: declares entities, which are not read; write the text itself")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: is no XML: {error}") from None
    except ValueError as error:  # lone surrogates, null characters
        raise ValueError(f"{path}: is no XML: {error}") from None
    level = [root]
    spaced = "xmlns" in text
    for _ in range(MAX_DEPTH):
        if spaced:
            for element in level:
                element.tag = element.tag.rpartition("}")[2]
        level = [child for element in level if len(element) for child in element]
        if not level:
            break
    if level:
        raise ValueError(f"{path}: is nested deeper than {MAX_DEPTH} levels")
    if root.tag not in roots:
        wanted = " or ".join(f"<{name}>" for name in roots)
        raise ValueError(f"{path}: its root element is <{root.tag[:100]}>, not {wanted}")
    return root


def _decoded(path: Path, raw: bytes) -> str:
    if raw.startswith(UTF16):
        name = "utf-16"
    else:
        declared = DECLARED.match(raw[:1024].removeprefix(codecs.BOM_UTF8))
        name = declared[1].decode("ascii", errors="replace") if declared else "utf-8"
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = ""
    if known not in ENCODINGS:
        raise ValueError(f"{path}: encoding {name!r} is not read; save it as UTF-8")
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode(known)
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}: line {number} is not {name} text") from None
    # The parser must not decode anew.
    return re.sub(r"^<\?xml[^>]*\?>", "", text.removeprefix("\ufeff"), count=1)


def fields_of(element: Element) -> dict[str, str]:
    """{tag: text} of the children of an element, space round the text left out."""
    return {child.tag: (child.text or "").strip() for child in element}


def root_tag(head: str) -> str:
    """The name of the first element in the beginning of a file, without its namespace's prefix."""
    body = re.sub(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", "", head, flags=re.DOTALL).lstrip()
    match = re.match(r"<(?:[\w.-]+:)?([\w.-]+)", body)
    return match[1] if match else ""
