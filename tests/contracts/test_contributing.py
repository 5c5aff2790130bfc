"""What ``docs/contributing.md`` quotes is what the repository says."""

import re
from collections.abc import Iterator

from contracts.generate.documents import ROOT

BLOCK = re.compile(r"(?ms)(?:^`(?P<path>[\w/.]+)`\n\n)?^```python\n(?P<code>.*?)^```$")


def quotes() -> Iterator[tuple[str, str]]:
    """(path, code) of every block; one without a path of its own is of the file before it."""
    path = ""
    for found in BLOCK.finditer((ROOT / "docs/contributing.md").read_text(encoding="utf-8")):
        path = found["path"] or path
        yield path, found["code"]


def test_every_quote_is_in_its_file() -> None:
    found = list(quotes())
    assert len(found) > 10
    for path, code in found:
        assert code in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no longer:\n{code}"


def test_every_named_file_is_there() -> None:
    text = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:\w+/)+\w+\.\w+)`", text):
        assert (ROOT / path).is_file(), path
