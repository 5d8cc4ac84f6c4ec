"""The pages of the reference, each made from what it is about."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import django
import yaml

from website.links import ROOT

OWN = ("counter", "tasks")
"""The applications that have commands of Tally's"""

OF_DJANGO = re.compile(
    r"\[(--version|-v|-h|--settings|--pythonpath|--traceback|--no-color|--force-color|--skip-checks)[^]]*\]"
)
"""Options that all commands have"""


def reference() -> dict[str, str]:
    """All of them: the page's path -> its text."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "TALLY_HOME": home,
            "SECRET_KEY": "-" * 50,
        }
        django.setup()
        pages: tuple[Callable[[], Iterator[str]], ...] = (settings, api, topics, commands, metrics)
        return {f"reference/{page.__name__}.md": "\n".join(page()) + "\n" for page in pages}


def settings() -> Iterator[str]:
    """From .env.example."""
    yield "# Settings\n"
    yield "Each is a variable of the environment, or a line of the file `.env` of the folder that Tally is"
    yield "started in. The environment goes before. A secret may stand in a file: `NAME_FILE` is the path of"
    yield "a file with its value.\n"
    yield from _row("setting", "default", "what it is")
    yield from _row("---", "---", "---")
    about: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if found := re.match(r"#([A-Z_]+)=(.*)", line):
            yield from _row(f"`{found[1]}`", f"`{found[2]}`" if found[2] else "", " ".join(about))
            about = []
        elif line.startswith("# "):
            about.append(line.removeprefix("# "))
        else:
            about = []


def api() -> Iterator[str]:
    """From the schema of the API."""
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415  (after Django's settings)

    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    yield "# API\n"
    yield f"{schema['info']['description']}\n"
    yield "`/api/docs/` of a running Tally has all of it to try, `/api/schema/` is the OpenAPI schema.\n"
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"## {method.upper()} {path}\n"
            yield f"{operation.get('summary', '')}. {operation.get('description', '')}\n"
            yield from _parameters(operation.get("parameters", ()))
            yield from _answers(operation["responses"])


def _answers(answers: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from _row("answer", "what it means")
    yield from _row("---", "---")
    for status, answer in answers.items():
        yield from _row(str(status), answer.get("description") or "as in this example")
    yield ""
    content = answers["200"].get("content", {}).get("application/json", {})
    for example in content.get("examples", {}).values():
        yield f"```json\n{json.dumps(example['value'], indent=2)}\n```\n"


def _parameters(parameters: Iterable[dict[str, Any]]) -> Iterator[str]:
    if parameters:
        yield from _row("parameter", "in", "what it is")
        yield from _row("---", "---", "---")
        for each in parameters:
            about, *_ = each.get("description", "").splitlines() or [""]  # then its choices follow
            yield from _row(f"`{each['name']}`", each["in"], about)
        yield ""


def topics() -> Iterator[str]:
    """From docs/asyncapi.yaml and the schemas of the records."""
    described = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
    yield "# Topics\n"
    yield f"{described['info']['description']}\n"
    yield "[asyncapi.yaml](../asyncapi.yaml) has all of it for machines.\n"
    for channel in described["channels"].values():
        yield f"## {channel['address']}\n"
        yield f"{channel.get('description', '')}\n"
    yield "## Values\n"
    for file in sorted((ROOT / "docs" / "schemas").glob("*.json")):
        schema = json.loads(file.read_text())
        yield f"### {file.stem}\n"
        yield f"{schema.get('description', '')} [{file.name}](../schemas/{file.name})\n"
        yield from _row("field", "type", "what it is")
        yield from _row("---", "---", "---")
        for name, of in schema["properties"].items():
            kind = of.get("type") or " or ".join(
                str(each.get("type")) for each in of.get("oneOf", of.get("anyOf", ()))
            )
            yield from _row(f"`{name}`", kind, of.get("description", ""))
        yield ""


def commands() -> Iterator[str]:
    """From the programs' and the commands' own help."""
    from django.core.management import get_commands, load_command_class  # noqa: PLC0415

    from tally.command import USAGE  # noqa: PLC0415

    yield "# Commands\n"
    yield "In a clone `tally` is `bin/tally`.\n"
    yield f"```text\n{USAGE}```\n"
    for name, app in sorted(get_commands().items()):
        if app in OWN:
            command = load_command_class(app, name)
            parser = command.create_parser("tally", name)
            yield f"## {name}\n"
            yield f"{command.help}\n"
            yield f"```text\n{_own_usage(parser.format_usage())}\n```\n"


def _own_usage(text: str) -> str:
    return " ".join(OF_DJANGO.sub("", text).removeprefix("usage: ").split())


def metrics() -> Iterator[str]:
    """From what `/metrics` tells with a Redis that is empty."""
    from website.scraped import families  # noqa: PLC0415

    yield "# Metrics\n"
    yield "What the processes of a machine have counted, and what is in Redis at the moment.\n"
    yield from _row("metric", "type", "labels", "what it is")
    yield from _row("---", "---", "---", "---")
    for family in families():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield from _row(f"`{family.name}`", family.type, labels, family.about)


def _row(*cells: str) -> Iterator[str]:
    yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
