"""Write the README of each role from its argument specification (`make docs`). A unit test checks they are current."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

# Roles that deploy.yml does not run.
PLAYBOOKS = {"monitoring": "monitor"}
ROLES = Path(__file__).parents[2] / "roles"


def markdown(text: str) -> str:
    """Turn Ansible's markup into Markdown."""
    text = re.sub(r"P\(pitcrew\.django\.(\w+)#role\)", r"[\1](../\1/README.md)", text)
    text = re.sub(r"P\(([\w.]+)#\w+\)", r"`\1`", text)
    return re.sub(r"[COVM]\(([^)]*)\)", r"`\1`", text)


def prose(description: str | list[str]) -> str:
    """Join the sentences of a description."""
    return markdown(" ".join([description] if isinstance(description, str) else description))


def shown_default(option: dict[str, Any]) -> str:
    """Give the default as the table shows it."""
    if option.get("required"):
        return "**required**"
    default = option.get("default")
    return "" if default in (None, "") else f"`{yaml.safe_dump(default, default_flow_style=True).split(chr(10))[0]}`"


def readme(role: Path) -> str:
    """Give the text for one role."""
    points: dict[str, Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    lines = [f"# pitcrew.django.{role.name}", ""]
    for name, point in points.items():
        title = f"`tasks_from: {name}`: " if name != "main" else ""
        lines += [f"{title}{point['short_description']}. {prose(point['description'])}", ""]
    first = next(iter(points))
    playbook = PLAYBOOKS.get(role.name, "deploy")
    lines += [
        "```yaml",
        "- hosts: django",
        "  become: true",
        "  tasks:",
        "    - ansible.builtin.import_role:",
        f"        name: pitcrew.django.{role.name}",
        *([f"        tasks_from: {first}"] if first != "main" else []),
        "```",
        "",
        f"The playbook [{playbook}.yml](../../playbooks/{playbook}.yml) runs "
        + ("all roles in their order." if playbook == "deploy" else "all of it in its order."),
    ]
    if any(point["options"] for point in points.values()):
        lines += ["", "| variable | description | type | default |", "| --- | --- | --- | --- |"]
    for point in points.values():
        for name, option in point["options"].items():
            kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
            choices = option.get("choices")
            text = prose(option["description"])
            if choices:
                text += (
                    (" Any of " if option["type"] == "list" else " One of ")
                    + ", ".join(f"`{choice}`" for choice in choices if choice)
                    + "."
                )
            lines.append(f"| `{name}` | {text} | {kind} | {shown_default(option)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write them all."""
    for role in sorted(path for path in ROLES.iterdir() if path.is_dir()):
        (role / "README.md").write_text(readme(role))


if __name__ == "__main__":
    main()
