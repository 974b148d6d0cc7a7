"""The specifications of the roles, as the validation reads them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import Option, read_roles


def test_a_role_is_read(tmp_path: Path) -> None:
    """Options with all that is checked by, an example where there is no default, and the names of public variables."""
    role = tmp_path / "site"
    for name, text in {
        "defaults": "---\n# What it is called.\n# site_name: shop\n\nsite_checks: []\n",
        "vars": "---\nsite_user: x\n__site_internal: y\n",
    }.items():
        (role / name).mkdir(parents=True)
        (role / name / "main.yml").write_text(text)
    (role / "meta").mkdir()
    (role / "meta/argument_specs.yml").write_text(
        "argument_specs:\n"
        "  plan:\n"
        "    options:\n"
        "      site_name: {type: str, required: true}\n"
        "      site_checks: {type: list, elements: dict, default: [], no_log: true, options: {path: {choices: [a]}}}\n"
        "  lock:\n"
        "    options: {}\n"
    )
    for other in ("release", "gunicorn", "uwsgi", "nginx", "monitoring"):
        (tmp_path / other / "defaults").mkdir(parents=True)
        (tmp_path / other / "defaults/main.yml").write_text("---\n")
        (tmp_path / other / "meta").mkdir()
        (tmp_path / other / "meta/argument_specs.yml").write_text("argument_specs: {main: {options: {}}}\n")
    roles = read_roles(tmp_path)
    assert roles.options == {
        "site_name": Option("site_name", required=True, example="site_name: shop"),
        "site_checks": Option(
            "site_checks",
            type="list",
            elements="dict",
            default=[],
            secret=True,
            options={"path": Option("path", choices=("a",))},
        ),
    }
    assert roles.computed == {"site_user"}
