"""Misspelt names, and names that are computed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.names import (
    COMPUTED,
    PREFIXES,
    SYNONYMS,
    check_names,
    distance,
    is_computed,
    nearest,
    unknown_names,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import read_roles

ROOT = Path(__file__).resolve().parents[5]
ROLES = read_roles(ROOT / "roles")


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("worker", "workers", 1),
        ("heath", "health", 1),
        ("helath", "health", 1),
        ("server", "service", 3),
        ("same", "same", 0),
        ("", "abc", 3),
        ("ca", "abc", 3),
    ],
)
def test_the_distance_of_two_words(one: str, other: str, letters: int) -> None:
    """A letter changed, inserted, removed, or swapped with its neighbour counts one."""
    assert distance(one, other) == distance(other, one) == letters


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("site_heath_path", "site_health_path"),
        ("site_worker", "site_workers"),
        ("site_domain", "site_domains"),
        ("site_secret", "site_secrets"),
        ("site_nmae", "site_name"),
        ("site_tls_certifcate", "site_tls_certificate"),
        ("site_Workers", "site_workers"),
        ("gunicorn_setings", "gunicorn_settings"),
        ("uwsgi_setting", "uwsgi_settings"),
        ("nginx_extra_directive", "nginx_extra_directives"),
        ("release_uv_versoin", "release_uv_version"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    (complaint,) = check_names([name], ROLES, own=())
    assert str(complaint) == (
        f"{name}: there is no such variable; did you mean {meant}? "
        "If it is a variable of your own, list it in site_custom_variables"
    )
    assert unknown_names([name], ROLES, own=()) == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("site_git_repo", "site_git_url"),
        ("site_repo", "site_git_url"),
        ("site_git_branch", "site_git_ref"),
        ("site_wsgi", "site_wsgi_application"),
        ("site_workers_count", "site_workers"),
        ("site_ssl_key", "site_tls_key"),
        # A slip of one letter, even in a short word.
        ("site_git_rev", "site_git_ref"),
        ("site_git_ur", "site_git_url"),
        # Another word of that length: nothing tells which one was meant.
        ("site_git_key", "site_git_ref or site_git_url"),
        ("site_health_match", "site_health_path, site_health_status or site_health_checks"),
    ],
)
def test_another_word_than_the_variable_s_is_no_slip(name: str, meant: str) -> None:
    (complaint,) = check_names([name], ROLES, own=())
    assert complaint.cure.partition("?")[0] == f"did you mean {meant}"
    assert unknown_names([name], ROLES, own=()) == ""


def test_synonyms_stand_for_variables_and_are_none() -> None:
    assert set(SYNONYMS.values()) <= ROLES.options.keys()
    assert not [name for name in SYNONYMS if name in ROLES.options or is_computed(name, ROLES)]


@pytest.mark.parametrize(
    "name",
    ["site_motto", "site_home", "site_zone", "site_mail", "site_role", "site_url", "site_group", "site_locale"],
)
def test_a_short_name_is_not_alike_by_chance(name: str) -> None:
    """It is some other variable, of which the user is warned."""
    assert list(check_names([name], ROLES, own=())) == []
    assert unknown_names([name], ROLES, own=()) == (
        f"{name}: pitcrew.django has no such variable. If this is your own, list it in site_custom_variables."
    )


@pytest.mark.parametrize("name", ["nginx_port", "release_notes", "gunicorn_user", "sites", "ansible_user", "__site_x"])
def test_variables_of_others(name: str) -> None:
    assert list(check_names([name], ROLES, own=())) == []
    assert unknown_names([name], ROLES, own=()) == ""


def test_all_unknown_names_are_in_one_warning() -> None:
    assert unknown_names(["site_motto", "site_colour", "nginx_port"], ROLES, own=()) == (
        "site_colour and site_motto: pitcrew.django has no such variables. "
        "If these are your own, list them in site_custom_variables."
    )


def test_names_of_one_s_own() -> None:
    """Neither refused nor warned of."""
    own = ["site_worker", "site_motto"]
    assert list(check_names(own, ROLES, own)) == []
    assert unknown_names(own, ROLES, own) == ""


def test_no_option_is_refused() -> None:
    assert list(check_names(ROLES.options, ROLES, own=())) == []
    assert unknown_names(ROLES.options, ROLES, own=()) == ""
    assert all(name.startswith(PREFIXES) for name in ROLES.options)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("site_user", "the site's user has the site's name; set site_name"),
        ("site_root", "a site is in /srv, in a directory with its name; set site_name"),
        ("site_state", "a site writes to /var/lib, to a directory with its name; set site_name"),
        ("site_plan", "it is the plan; set site_workers, site_threads or site_plan_inputs"),
        ("site_server_protocol", "it follows from other variables; leave it out"),
    ],
)
def test_what_would_be_overridden_is_refused(name: str, sentence: str) -> None:
    """Even if site_custom_variables lists it, which the message then answers."""
    refusal = f"{name}: cannot be set: {sentence}, or rename it if it is a variable of your own"
    assert [str(complaint) for complaint in check_names([name], ROLES, own=())] == [refusal]
    assert [str(complaint) for complaint in check_names([name], ROLES, own=[name])] == [
        f"{refusal}; site_custom_variables cannot free a name that the collection uses"
    ]
    assert list(check_names(["site_my_root"], ROLES, own=["site_my_root"])) == []


def test_what_tasks_set_cannot_be_set_by_a_user() -> None:
    """Nor what a play of ours sets; there are reasons for no other names."""
    text = "".join(path.read_text() for path in (ROOT / "roles").glob("*/tasks/*.yml"))
    registered = set(re.findall(r"register: ([a-z]\w+)", text))
    set_facts = set(re.findall(r"set_fact:\n +([a-z]\w+):", text))
    assert registered
    assert set_facts
    by_tasks = registered | set_facts | {"site_switch_is_last"}
    assert by_tasks <= COMPUTED.keys() <= by_tasks | ROLES.computed
    assert not COMPUTED.keys() & ROLES.options.keys()
    assert not ROLES.computed & ROLES.options.keys()


def test_what_is_nearest() -> None:
    assert nearest("pat", ["path", "status"]) == "path"
    assert nearest("site_anything_else", []) is None
