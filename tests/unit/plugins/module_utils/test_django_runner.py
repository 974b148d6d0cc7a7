"""What a release says of itself and in which order it does its work, on real directories; Django is played."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import django_runner
from ansible_collections.pitcrew.django.plugins.module_utils.django_runner import (
    Answer,
    Objection,
    build,
    describe,
    link_media,
    link_shared,
    url_path,
)


class Site:
    """A release on disk, its settings, its job, and a Django that notes what it is told to do."""

    def __init__(self, tmp_path: Path) -> None:
        self.release, self.state = tmp_path / "releases/r1", tmp_path / "state"
        self.project = self.release / "app"
        self.project.mkdir(parents=True)
        self.state.mkdir()
        self.settings = SimpleNamespace(
            ALLOWED_HOSTS=["shop.example.com", ".example.org"],
            DEBUG=False,
            DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}},
            INSTALLED_APPS=["django.contrib.staticfiles"],
            STATIC_URL="/static/",
            STATIC_ROOT=self.project / "collected",
            MEDIA_URL="/media/",
            MEDIA_ROOT="",
        )
        self.job: dict[str, Any] = {
            "release": str(self.release),
            "state": str(self.state),
            "domains": ["shop.example.com"],
            "shared": [],
            "collectstatic": True,
            "migrate": True,
            "leads": True,
        }
        self.answer = tmp_path / "answer"
        self.calls: list[str] = []
        self.fails_at = ""

    def call_command(self, name: str, **options: Any) -> None:
        """Note the command with its options, or fail."""
        self.calls.append(" ".join([name, *(f"{key}={value}" for key, value in sorted(options.items()))]))
        if name == self.fails_at:
            raise RuntimeError(f"{name} failed")

    def describe(self) -> dict[str, Any]:
        """Describe the release."""
        return describe(self.settings, self.job)

    def run(self) -> dict[str, Any]:
        """Go through the stages; give the answer, with what was raised under `raised`."""
        answer = Answer(os.open(self.answer, os.O_WRONLY | os.O_CREAT))
        try:
            build(self.job, answer)
        except (Objection, RuntimeError) as error:
            answer["raised"] = str(error)
        return answer


def validate_host(host: str, allowed: list[str]) -> bool:
    """Judge as Django does: exact, any, or with a leading dot the domain and all below it."""
    return any(
        name in ("*", host) or (name.startswith(".") and (host.endswith(name) or host == name[1:])) for name in allowed
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a site whose project is the working directory, as in a release."""
    site = Site(tmp_path)
    played: dict[str, dict[str, Any]] = {
        "django": {"setup": lambda: site.calls.append("setup")},
        "django.conf": {"settings": site.settings},
        "django.core": {},
        "django.core.management": {"call_command": site.call_command},
        "django.http": {},
        "django.http.request": {"validate_host": validate_host},
    }
    for name, content in played.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)

    def migrate(_job: dict[str, Any], answer: Answer) -> None:
        answer.reach("migrate")
        site.call_command("migrate")

    # Migrations of a real Django are in test_migrations.py.
    monkeypatch.setattr(django_runner, "migrate_guarded", migrate)
    monkeypatch.chdir(site.project)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.delenv("SITE_SETTINGS_MODULE", raising=False)
    return site


# URLs


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/static/", "static"),
        ("static/", "static"),
        ("/files/static/", "files/static"),
        ("/static/?v=1", "static"),
        ("https://cdn.example.com/static/", None),
        ("//cdn.example.com/static/", None),
        ("/", None),
        ("", None),
        (None, None),
    ],
)
def test_url_path(url: str | None, path: str | None) -> None:
    """What lies on another host, or is the whole site, is not served from disk."""
    assert url_path(url) == path


# What outlives a release


def test_shared_directories_and_files(site: Site) -> None:
    """A directory is made, a file is left to the site to write; both are links in the release."""
    link_shared(site.project, site.state, ["data/", "var/cache/", "conf/local.ini"])
    assert (site.project / "data").readlink() == site.state / "data"
    assert (site.state / "data").is_dir()
    assert (site.project / "var/cache").readlink() == site.state / "var/cache"
    assert (site.state / "var/cache").is_dir()
    assert (site.project / "conf/local.ini").readlink() == site.state / "conf/local.ini"
    assert (site.state / "conf").is_dir()
    assert not (site.state / "conf/local.ini").exists()


def test_what_is_shared_keeps_its_content(site: Site) -> None:
    """The next release finds what the one before wrote."""
    (site.state / "data").mkdir()
    (site.state / "data/kept").write_text("kept")
    link_shared(site.project, site.state, ["data/"])
    assert (site.project / "data/kept").read_text() == "kept"


@pytest.mark.parametrize("name", ["data/", "data"])
@pytest.mark.parametrize("kind", ["directory", "file", "broken link"])
def test_what_is_in_the_source_too(site: Site, name: str, kind: str) -> None:
    """Neither of the two may win without a word."""
    path = site.project / "data"
    {
        "directory": path.mkdir,
        "file": lambda: path.write_text(""),
        "broken link": lambda: path.symlink_to("nowhere"),
    }[kind]()
    with pytest.raises(Objection, match=f"site_shared_paths: '{name}' is in the source, too"):
        link_shared(site.project, site.state, [name])


def test_uploads_elsewhere_stay_there(site: Site, tmp_path: Path) -> None:
    """What lies outside of the release outlives it anyway."""
    assert link_media(tmp_path / "media", site.release, site.state) == tmp_path / "media"
    assert list(site.state.iterdir()) == []


def test_uploads_inside_the_release_are_kept_beside_it(site: Site) -> None:
    """Two releases, one directory."""
    assert link_media(site.project / "var/media", site.release, site.state) == site.state / "media"
    (site.project / "var/media/photo").write_text("photo")
    following = site.release.with_name("r2")
    assert link_media(following / "app/var/media", following, site.state) == site.state / "media"
    assert (following / "app/var/media/photo").read_text() == "photo"


def test_uploads_that_are_shared_by_name(site: Site) -> None:
    """Naming the directory that would be chosen anyway does no harm."""
    link_shared(site.project, site.state, ["media/"])
    assert link_media(site.project / "media", site.release, site.state) == site.state / "media"


def test_uploads_that_are_shared_by_another_name(site: Site) -> None:
    """Whoever named MEDIA_ROOT in site_shared_paths has moved it out of the release already."""
    link_shared(site.project, site.state, ["uploads/"])
    found = link_media(site.project / "uploads", site.release, site.state)
    assert found.resolve() == site.state / "uploads"


def test_uploads_beside_the_release_have_a_place(site: Site) -> None:
    """Before anybody uploads: nginx follows a link to it only if its owner is that of the directory."""
    assert link_media(site.state / "uploads/2026", site.release, site.state) == site.state / "uploads/2026"
    assert (site.state / "uploads/2026").is_dir()


def test_uploads_that_the_source_brings_along(site: Site) -> None:
    """They would be out of sight behind the link: the sentence says where to."""
    (site.project / "media").mkdir()
    with pytest.raises(Objection, match=r"MEDIA_ROOT is '.*/app/media', which the source brings along") as objection:
        link_media(site.project / "media", site.release, site.state)
    assert str(site.state / "media") in str(objection.value)


# What the settings say


def test_a_description(site: Site) -> None:
    """What nginx serves, and from where."""
    site.settings.MEDIA_ROOT = site.state / "uploads"
    assert site.describe() == {
        "collects": True,
        "public": {"static": str(site.project / "collected"), "media": str(site.state / "uploads")},
        "static": "static",
        "media": "media",
    }


def test_files_that_are_not_the_site_s(site: Site) -> None:
    """They cannot be served; said before anything is migrated."""
    site.settings.MEDIA_ROOT = "/var/uploads"
    assert "'/var/uploads' cannot be served as /media/; keep it below " in site.run()["raised"]
    assert site.calls == ["setup"]


@pytest.mark.parametrize(
    ("settings", "job", "description"),
    [
        ({"INSTALLED_APPS": []}, {}, {"collects": False, "public": {}, "static": None, "media": None}),
        (
            {"STATIC_ROOT": None},
            {"collectstatic": False},
            {"collects": False, "public": {}, "static": None, "media": None},
        ),
        (
            {"STATIC_URL": "https://cdn.example.com/"},
            {},
            {"collects": True, "public": {}, "static": None, "media": None},
        ),
        (
            {"MEDIA_ROOT": "/uploads", "MEDIA_URL": "", "INSTALLED_APPS": []},
            {},
            {"collects": False, "public": {}, "static": None, "media": None},
        ),
        (
            {"MEDIA_ROOT": "/uploads", "MEDIA_URL": "https://files.example.com/", "INSTALLED_APPS": []},
            {},
            {"collects": False, "public": {}, "static": None, "media": None},
        ),
    ],
    ids=["no staticfiles", "not wanted", "static elsewhere", "uploads without URL", "uploads elsewhere"],
)
def test_what_nginx_does_not_serve(
    site: Site, settings: dict[str, Any], job: dict[str, Any], description: dict[str, Any]
) -> None:
    """Files that are not collected, or that another host serves."""
    vars(site.settings).update(settings)
    site.job.update(job)
    assert site.describe() == description


def test_uploads_inside_the_release_are_served_from_beside_it(site: Site) -> None:
    """Whatever the release says."""
    site.settings.MEDIA_ROOT = str(site.project / "media")
    assert site.describe()["public"]["media"] == str(site.state / "media")


def test_a_relative_static_root(site: Site) -> None:
    """As Django takes it: from the working directory."""
    site.settings.STATIC_ROOT = "staticfiles"
    assert site.describe()["public"]["static"] == str(site.project / "staticfiles")


def test_a_relative_media_root(site: Site) -> None:
    """As Django takes it: from the working directory, which is inside the release."""
    site.settings.MEDIA_ROOT = "media"
    assert site.describe()["public"]["media"] == str(site.state / "media")


def test_uploads_where_the_site_s_directory_is_a_link(site: Site, tmp_path: Path) -> None:
    """How an operator got /srv onto another disk makes no difference."""
    (tmp_path / "srv").symlink_to(tmp_path / "releases")
    site.job["release"] = str(tmp_path / "srv/r1")
    site.settings.MEDIA_ROOT = str(site.project / "media")
    assert site.describe()["public"]["media"] == str(site.state / "media")


@pytest.mark.parametrize(
    ("domains", "debug"),
    [
        (["shop.example.com"], False),
        (["example.org", "a.example.org", "*.example.org"], False),
        (["shop.example.com", "localhost", "127.0.0.1"], True),
    ],
)
def test_domains_that_django_answers_to(site: Site, domains: list[str], debug: bool) -> None:
    """A wildcard stands for any host below; with DEBUG Django allows its own host."""
    site.job["domains"], site.settings.DEBUG = domains, debug
    assert site.describe()["static"] == "static"


@pytest.mark.parametrize("domain", ["other.example.com", "*.example.com", "localhost"])
def test_a_domain_that_django_refuses(site: Site, domain: str) -> None:
    """The sentence has the domain, the setting as it is, and the module it is set in."""
    site.job["domains"] = ["shop.example.com", domain]
    with pytest.raises(Objection) as objection:
        site.describe()
    message = str(objection.value)
    assert message.startswith(f"site_domains: '{domain}' is not among the ALLOWED_HOSTS of shop.settings")
    assert "['shop.example.com', '.example.org']" in message


def test_the_module_that_is_named_is_the_project_s(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the inventory's settings lie over it."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "site_overrides")
    monkeypatch.setenv("SITE_SETTINGS_MODULE", "shop.settings")
    site.settings.ALLOWED_HOSTS = []
    with pytest.raises(Objection, match=r"ALLOWED_HOSTS of shop\.settings, which are \[\]"):
        site.describe()


def sqlite(name: Any) -> dict[str, Any]:
    """Give settings for a database in a file."""
    return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name}}


@pytest.mark.parametrize("name", ["db.sqlite3", "{project}/db.sqlite3"])
def test_a_database_inside_the_release(site: Site, name: str) -> None:
    """The next deploy would begin with an empty one."""
    site.settings.DATABASES = sqlite(name.format(project=site.project))
    with pytest.raises(Objection, match=r"DATABASES\['default'\] is the file .* inside the release") as objection:
        site.describe()
    assert str(site.state) in str(objection.value)
    assert "site_shared_paths" in str(objection.value)


@pytest.mark.parametrize("kept", ["by name", "by link"])
def test_a_database_that_outlives_the_release(site: Site, kept: str) -> None:
    """In the site's own directory, or shared into the release."""
    link_shared(site.project, site.state, ["db.sqlite3"])
    site.settings.DATABASES = sqlite((site.state if kept == "by name" else site.project) / "db.sqlite3")
    assert site.describe()["static"] == "static"


def test_a_database_in_memory(site: Site) -> None:
    """A site without data of its own may say so."""
    site.settings.DATABASES = sqlite(":memory:")
    assert site.describe()["static"] == "static"


def test_static_files_without_a_place(site: Site) -> None:
    """The sentence says what to set, and how to do without."""
    site.settings.STATIC_ROOT = None
    with pytest.raises(Objection, match=r"STATIC_ROOT is not set in shop\.settings") as objection:
        site.describe()
    assert "site_collectstatic: false" in str(objection.value)


@pytest.mark.parametrize("directory", ["{project}", "{project}/../app"])
def test_static_files_among_the_source(site: Site, directory: str) -> None:
    """Everybody could read the settings."""
    site.settings.STATIC_ROOT = directory.format(project=site.project)
    with pytest.raises(Objection, match=r"is served to everybody, and the source is in it"):
        site.describe()


def test_a_database_among_the_uploads(site: Site) -> None:
    """Everybody could read it."""
    site.settings.DATABASES = sqlite(site.state / "media/db.sqlite3")
    site.settings.MEDIA_ROOT = site.state / "media"
    with pytest.raises(Objection, match=r"is served to everybody, and DATABASES\['default'\] is in it"):
        site.describe()


# The stages


def test_the_order_of_the_work(site: Site) -> None:
    """What can fail without a trace comes before what changes the database."""
    answer = site.run()
    assert (answer["stage"], answer["description"]) == (
        "done",
        {
            "public": {"static": str(site.project / "collected")},
            "static": "static",
            "media": None,
            "migrated": True,
        },
    )
    assert site.calls == [
        "setup",
        "check deploy=True",
        "collectstatic interactive=False verbosity=0",
        "migrate",
    ]


@pytest.mark.parametrize(
    ("stage", "calls"),
    [
        ("check", ["setup", "check deploy=True"]),
        ("collectstatic", ["setup", "check deploy=True", "collectstatic interactive=False verbosity=0"]),
        (
            "migrate",
            ["setup", "check deploy=True", "collectstatic interactive=False verbosity=0", "migrate"],
        ),
    ],
)
def test_a_stage_that_fails_is_the_last(site: Site, stage: str, calls: list[str]) -> None:
    """Nothing after it happens, and the answer names it."""
    site.fails_at = stage
    answer = site.run()
    assert (answer["stage"], answer["raised"]) == (stage, f"{stage} failed")
    assert site.calls == calls


def test_settings_that_would_not_work_end_it_first(site: Site) -> None:
    """Before anything is checked, collected or migrated."""
    site.job["domains"] = ["other.example.com"]
    assert site.run()["stage"] == "settings"
    assert site.calls == ["setup"]


def test_shared_files_are_there_when_the_settings_are_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings may read one of them."""
    site.job["shared"] = ["data/"]
    monkeypatch.setattr(
        sys.modules["django"], "setup", lambda: site.calls.append(f"setup {(site.project / 'data').is_dir()}")
    )
    site.run()
    assert site.calls[0] == "setup True"


@pytest.mark.parametrize(
    ("databases", "job", "migrates"),
    [
        ({}, {"leads": True}, True),
        ({}, {"leads": False}, False),
        ({}, {"leads": True, "migrate": False}, False),
        (sqlite("/var/lib/shop/db"), {"leads": False}, True),
        (sqlite("/var/lib/shop/db"), {"leads": False, "migrate": False}, False),
        ({**sqlite("/var/lib/shop/db"), "other": {"ENGINE": "postgresql", "NAME": "x"}}, {"leads": False}, False),
    ],
    ids=["leads", "follows", "not wanted", "own file", "own file, not wanted", "own file and a shared one"],
)
def test_who_migrates(site: Site, databases: dict[str, Any], job: dict[str, bool], migrates: bool) -> None:
    """A database that hosts share is migrated once; one in a file is each host's own."""
    site.settings.DATABASES = databases or site.settings.DATABASES
    site.job.update(job)
    assert site.run()["stage"] == "done"
    assert ("migrate" in site.calls) is migrates


def test_static_files_that_are_not_collected(site: Site) -> None:
    """Where the site says so."""
    site.job["collectstatic"] = False
    assert site.run()["stage"] == "done"
    assert site.calls == ["setup", "check deploy=True", "migrate"]
