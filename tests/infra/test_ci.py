"""CI, wherever it runs, runs the one test command; documents name files that exist."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.cli.config import STACK
from tests.infra.deployment import ROOT, read_yaml
from tests.infra.test_compose import SETTINGS

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS += sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_ci_runs_the_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)
    assert re.search(r'^exec \./dev\.sh test "\$@"$', script.read_text(), re.MULTILINE)


def test_github_runs_the_same_on_the_oldest_python_we_promise() -> None:
    workflow = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")
    job = workflow["jobs"]["test"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert "3.11" in job["strategy"]["matrix"]["python"]
    triggers = {str(key): value for key, value in workflow.items()}["True"]  # YAML reads `on` so
    assert triggers.keys() == {"push", "pull_request"}


def test_the_test_command_checks_style_types_imports_and_contracts() -> None:
    recipes = (ROOT / "Justfile").read_text()
    (needs,) = re.findall(r"^test \*args: (.*)$", recipes, re.MULTILINE)
    assert {"lint", "types", "contracts-check"} <= set(needs.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_setting_is_documented() -> None:
    documented = set(
        re.findall(r"^\| `(LOYALNEST_\w+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    )
    assert documented == {*SETTINGS, *STACK}


def test_defaults_are_documented() -> None:
    """Those that are said as they are; the others are in words."""
    said = dict(
        re.findall(
            r"^\| `(LOYALNEST_\w+)` \| `([^`|]*)` \|",
            (ROOT / "docs/settings.md").read_text(),
            re.MULTILINE,
        )
    )
    meant = {name: str(each.default) for name, each in SETTINGS.items() if each.default != ""}
    assert len(said) > 15
    wrong = {name for name in said.keys() & meant.keys() if said[name] != meant[name].lower()}
    assert wrong == set()
