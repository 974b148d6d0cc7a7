"""What the lists of a source mean for the application server."""

from __future__ import annotations

from ansible_collections.pitcrew.django.plugins.plugin_utils.project.lists import find_lists
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.servers import server_findings
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.tree import Tree
from ansible_collections.pitcrew.django.plugins.plugin_utils.server_version import Server

GUNICORN = Server("gunicorn", "gunicorn_version", wanted="", tested="26.0.0", oldest="24.1.0", reason="they hang")


def found(requirements: str) -> list[tuple[str, object, str]]:
    tree = Tree.of({"requirements.txt": requirements})
    lists = find_lists(tree, "")
    return [(one.variable, one.value, str(one)) for one in server_findings(tree, lists, GUNICORN)]


def test_a_gunicorn_that_is_too_old() -> None:
    assert found("django\ngunicorn==20.1.0\n") == [
        (
            "gunicorn_version",
            "26.0.0",
            "requirements.txt, line 2 asks for gunicorn==20.1.0; versions before 24.1.0 are not supported",
        )
    ]
    assert found("django\ngunicorn>=25\n") == []


def test_a_uwsgi_that_nobody_runs() -> None:
    assert found("django\nuWSGI==2.0.31\n") == [
        (
            "",
            None,
            "uwsgi is in the list, but gunicorn serves the site: every host compiles it for nothing. Take it out of "
            "the list, or set site_server: uwsgi (requirements.txt, line 2)",
        )
    ]
