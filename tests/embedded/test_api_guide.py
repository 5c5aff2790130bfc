"""Every example of docs/api.md and docs/demo-shop.md, typed into a shell by a newcomer who has just
started LoyalNest."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from tests.embedded.conftest import until

PAGE = "".join(
    (CHECKOUT / "docs" / page).read_text(encoding="utf-8") for page in ("api.md", "demo-shop.md")
)
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
_LOYALNEST = f"{shlex.quote(sys.executable)} -m infra.cli.main"

# What a reader has to fill in with something of their own is refused as it stands.
TO_FILL_IN = {"the one of the newest pair": ["401"], "you@example.com": ["401", "401"]}
ANSWERED_OTHERWISE = {"$stranger": ["200", "200", "200", "404"]}
"""Examples whose point is a refusal, by a text in them; all others are answered 200 or 201."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if shutil.which("curl") is None:
        reason = "There is no curl here, and the examples are typed with it."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("LOYALNEST_")}
    environment = inherited | {
        "LOYALNEST_HOME": str(tmp_path_factory.mktemp("home")),
        "LOYALNEST_HTTP_PORT": str(free_port(set())),
    }

    def loyalnest(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", *words],
            env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    loyalnest("up", "--detach")
    try:
        until(lambda: json.loads(loyalnest("status", "--json"))["demo"] == "seeded", patience=60)
        yield environment
    finally:
        loyalnest("down")


def test_every_example_does_what_the_page_says(product: dict[str, str], tmp_path: Path) -> None:
    """In their order and in one shell, as each may use what those before it have set."""
    statuses = tmp_path / "statuses"
    # curl, as the page has it; and besides, what it was answered.
    counting = (
        "curl() { command curl --write-out '%{stderr}%{http_code}\\n' \"$@\""
        f" 2>> {shlex.quote(str(statuses))}; }}\n"
    )
    lines = [counting]
    for number, example in enumerate(EXAMPLES):
        here = example.replace("127.0.0.1:8080", f"127.0.0.1:{product['LOYALNEST_HTTP_PORT']}")
        here = here.replace("./dev.sh loyalnest", _LOYALNEST).replace("./dev.sh", _LOYALNEST)
        lines.append(f"echo example {number} >> {shlex.quote(str(statuses))}\n{here}\n")
    done = subprocess.run(
        ["bash", "-c", "".join(lines)],
        env=product, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    heard: list[list[str]] = []
    for line in statuses.read_text().splitlines():
        if line.startswith("example "):
            heard.append([])
        else:
            heard[-1].append(line)
    assert len(heard) == len(EXAMPLES) > 10
    for example, answers in zip(EXAMPLES, heard, strict=True):
        special = TO_FILL_IN | ANSWERED_OTHERWISE
        expected = next((answer for text, answer in special.items() if text in example), None)
        if expected is None:
            assert set(answers) <= {"200", "201"}, f"{example}\n{answers}\n{done.stdout[-2000:]}"
        else:
            assert answers == expected, f"{example}\n{done.stdout[-2000:]}"
