"""What a release reports, and the order of its stages, on real directories with a fake Django."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import django_runner, settings_judgement
from ansible_collections.pitcrew.django.plugins.module_utils.django_runner import Report, SettingsRefused, build
from ansible_collections.pitcrew.django.plugins.module_utils.settings_judgement import (
    describe,
    link_media,
    link_shared,
    url_path,
    variable_behind,
)


class SystemCheckError(Exception):
    """What Django raises if its checks find errors."""


class Resolver404(Exception):
    """What Django raises for a path that it does not have."""


class NoReverseMatch(Exception):
    """What Django raises for a name that no URL has."""


class CheckError(str):
    """A message of Django's checks, silenced or not."""

    def is_serious(self) -> bool:
        """Whether it is an error."""
        return "W0" not in self

    def is_silenced(self) -> bool:
        """Whether the project does not want to hear it."""
        return "silenced" in self


class Site:
    """A release on disk, its settings, its job, and a Django that records its commands."""

    def __init__(self, tmp_path: Path) -> None:
        self.release, self.home = tmp_path / "releases/r1", tmp_path / "home"
        self.project = self.release / "app"
        self.project.mkdir(parents=True)
        self.home.mkdir()
        self.settings = SimpleNamespace(
            ALLOWED_HOSTS=["shop.example.com", ".example.org"],
            DEBUG=False,
            SECRET_KEY="a key of its own",
            MIDDLEWARE=[],
            ROOT_URLCONF="shop.urls",
            DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}},
            INSTALLED_APPS=["django.contrib.staticfiles"],
            STATIC_URL="/static/",
            STATIC_ROOT=self.project / "collected",
            MEDIA_URL="/media/",
            MEDIA_ROOT="",
        )
        self.job: dict[str, Any] = {
            "release": str(self.release),
            "home": str(self.home),
            "domains": ["shop.example.com"],
            "shared": [],
            "collectstatic": True,
            "migrate": True,
            "migrates_shared_database": True,
            "allow_insecure": False,
            "allow_lossy": False,
            "health_path": "/",
            "middleware": [],
        }
        self.report = Report(os.open(tmp_path / "report", os.O_WRONLY | os.O_CREAT))
        self.check_errors: list[CheckError] = []
        self.urls = {"/", "/admin/login/"}
        self.calls: list[str] = []
        self.fails_at = ""

    def call_command(self, name: str, **options: Any) -> None:
        """Note the command with its options, or fail."""
        shown = {key: value for key, value in options.items() if key not in ("stdout", "stderr")}
        self.calls.append(" ".join([name, *(f"{key}={value}" for key, value in sorted(shown.items()))]))
        if name == self.fails_at:
            raise RuntimeError(f"{name} failed")
        if name == "check" and self.check_errors:
            raise SystemCheckError

    def resolve(self, path: str) -> None:
        """Find the path among the URLs."""
        if path not in self.urls:
            raise Resolver404

    def reverse(self, _name: str) -> str:
        """Give the URL of the admin's login, if there is one."""
        if "/admin/login/" not in self.urls:
            raise NoReverseMatch
        return "/admin/login/"

    def describe(self) -> dict[str, Any]:
        """Describe a release that nothing is wrong with."""
        description = describe(self.settings, self.job, self.report)
        assert self.report["complaints"] == []
        return description

    def complaint(self) -> str:
        """Describe a release that one thing is wrong with, and give that."""
        describe(self.settings, self.job, self.report)
        [complaint] = self.report["complaints"]
        return str(complaint)

    def run(self) -> dict[str, Any]:
        """Go through the stages; give the report, with what was raised under `raised`."""
        try:
            build(self.job, self.report)
        except (SettingsRefused, RuntimeError) as error:
            self.report["raised"] = str(error)
        return self.report


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
        "django.core": {"checks": SimpleNamespace(run_checks=lambda **_options: site.check_errors)},
        "django.core.management": {"call_command": site.call_command},
        "django.core.management.base": {"SystemCheckError": SystemCheckError},
        "django.urls": {
            "NoReverseMatch": NoReverseMatch,
            "Resolver404": Resolver404,
            "resolve": site.resolve,
            "reverse": site.reverse,
        },
        "django.http": {},
        "django.http.request": {"validate_host": validate_host},
    }
    for name, content in played.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)

    def migrate(_job: dict[str, Any], report: Report) -> None:
        report.enter("migrate")
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
    link_shared(site.project, site.home, ["data/", "var/cache/", "conf/local.ini"], site.report)
    assert (site.project / "data").readlink() == site.home / "data"
    assert (site.home / "data").is_dir()
    assert (site.project / "var/cache").readlink() == site.home / "var/cache"
    assert (site.home / "var/cache").is_dir()
    assert (site.project / "conf/local.ini").readlink() == site.home / "conf/local.ini"
    assert (site.home / "conf").is_dir()
    assert not (site.home / "conf/local.ini").exists()


def test_what_is_shared_keeps_its_content(site: Site) -> None:
    """The next release finds what the one before wrote."""
    (site.home / "data").mkdir()
    (site.home / "data/kept").write_text("kept")
    link_shared(site.project, site.home, ["data/"], site.report)
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
    link_shared(site.project, site.home, [name, "other/"], site.report)
    assert site.report["complaints"] == [
        f"site_shared_paths: '{name}' is in the source, too; remove it from one of the two"
    ]
    assert (site.project / "other").is_symlink()


def test_uploads_elsewhere_stay_there(site: Site, tmp_path: Path) -> None:
    """What lies outside of the release outlives it anyway."""
    assert link_media(tmp_path / "media", site.release, site.home, site.report) == tmp_path / "media"
    assert list(site.home.iterdir()) == []


def test_uploads_inside_the_release_are_kept_beside_it(site: Site) -> None:
    """Two releases, one directory."""
    assert link_media(site.project / "var/media", site.release, site.home, site.report) == site.home / "media"
    (site.project / "var/media/photo").write_text("photo")
    following = site.release.with_name("r2")
    assert link_media(following / "app/var/media", following, site.home, site.report) == site.home / "media"
    assert (following / "app/var/media/photo").read_text() == "photo"


def test_uploads_that_are_shared_by_name(site: Site) -> None:
    """Naming the directory that would be chosen anyway does no harm."""
    link_shared(site.project, site.home, ["media/"], site.report)
    assert link_media(site.project / "media", site.release, site.home, site.report) == site.home / "media"


def test_uploads_that_are_shared_by_another_name(site: Site) -> None:
    """Whoever named MEDIA_ROOT in site_shared_paths has moved it out of the release already."""
    link_shared(site.project, site.home, ["uploads/"], site.report)
    found = link_media(site.project / "uploads", site.release, site.home, site.report)
    assert found.resolve() == site.home / "uploads"


def test_uploads_beside_the_release_have_a_place(site: Site) -> None:
    """Before anybody uploads: nginx follows a link to it only if its owner is that of the directory."""
    assert link_media(site.home / "uploads/2026", site.release, site.home, site.report) == site.home / "uploads/2026"
    assert (site.home / "uploads/2026").is_dir()


def test_uploads_that_the_source_brings_along(site: Site) -> None:
    """They would be out of sight behind the link: the sentence says where to."""
    (site.project / "media").mkdir()
    link_media(site.project / "media", site.release, site.home, site.report)
    kept = site.home / "media"
    assert site.report["complaints"] == [
        f"MEDIA_ROOT is '{site.project / 'media'}', a directory that the source contains. Uploads cannot be kept "
        f"inside a release: remove that directory from the source, or set site_settings: {{MEDIA_ROOT: {kept}}}"
    ]
    assert site.report["inventory"] == {"site_settings": {"MEDIA_ROOT": str(kept)}}


# What the settings say


def test_a_description(site: Site) -> None:
    """What nginx serves, and from where."""
    site.settings.MEDIA_ROOT = site.home / "uploads"
    assert site.describe() == {
        "collects": True,
        "public": {"static": str(site.project / "collected"), "media": str(site.home / "uploads")},
        "static": "static",
        "media": "media",
    }


def test_files_that_are_not_the_site_s(site: Site) -> None:
    """They cannot be served; reported before anything is migrated."""
    site.settings.MEDIA_ROOT = "/var/uploads"
    [complaint] = site.run()["complaints"]
    assert "'/var/uploads' cannot be served as /media/, since it is not the site's" in complaint
    assert site.calls == ["setup", "check deploy=True"]


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
    assert site.describe()["public"]["media"] == str(site.home / "media")


def test_a_relative_static_root(site: Site) -> None:
    """As Django takes it: from the working directory."""
    site.settings.STATIC_ROOT = "staticfiles"
    assert site.describe()["public"]["static"] == str(site.project / "staticfiles")


def test_a_relative_media_root(site: Site) -> None:
    """As Django takes it: from the working directory, which is inside the release."""
    site.settings.MEDIA_ROOT = "media"
    assert site.describe()["public"]["media"] == str(site.home / "media")


def test_uploads_where_the_site_s_directory_is_a_link(site: Site, tmp_path: Path) -> None:
    """How an operator got /srv onto another disk makes no difference."""
    (tmp_path / "srv").symlink_to(tmp_path / "releases")
    site.job["release"] = str(tmp_path / "srv/r1")
    site.settings.MEDIA_ROOT = str(site.project / "media")
    assert site.describe()["public"]["media"] == str(site.home / "media")


@pytest.mark.parametrize(
    ("domains", "allowed", "debug"),
    [
        (["shop.example.com"], ["shop.example.com"], False),
        (["example.org", "a.example.org", "*.example.org"], [".example.org"], False),
        (["shop.localhost", "127.0.0.1"], [], True),
    ],
)
def test_domains_that_django_answers_for(site: Site, domains: list[str], allowed: list[str], debug: bool) -> None:
    """A wildcard stands for any host below; with DEBUG and no ALLOWED_HOSTS Django allows its own host."""
    site.job |= {"domains": domains, "allow_insecure": debug}
    site.settings.ALLOWED_HOSTS, site.settings.DEBUG = allowed, debug
    assert site.describe()["static"] == "static"


@pytest.mark.parametrize("domain", ["other.example.com", "*.example.com", "localhost"])
def test_a_domain_that_django_refuses(site: Site, domain: str) -> None:
    """The sentence has the domain, the setting as it is, the module it is in, and a value that works."""
    site.job["domains"] = ["shop.example.com", domain]
    wanted = [domain.lstrip("*")]
    assert site.complaint() == (
        "ALLOWED_HOSTS in shop.settings is ['shop.example.com', '.example.org'], so Django would return 400 to "
        f"visitors of {domain}. Set site_settings: {{ALLOWED_HOSTS+: {json.dumps(wanted)}}}"
    )
    assert site.report["inventory"] == {"site_settings": {"ALLOWED_HOSTS+": wanted}}


def test_all_domains_that_django_refuses(site: Site) -> None:
    """They are in one sentence."""
    site.job["domains"] = ["a.test", "shop.example.com", "b.test"]
    assert "to visitors of a.test, b.test. Set" in site.complaint()


def test_the_module_that_is_named_is_the_project_s(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the inventory overrides settings."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "site_overrides")
    monkeypatch.setenv("SITE_SETTINGS_MODULE", "shop.settings")
    site.settings.ALLOWED_HOSTS = []
    assert site.complaint().startswith("ALLOWED_HOSTS in shop.settings is [], so")


# Where the site cannot write

FILE_CACHE = "django.core.cache.backends.filebased.FileBasedCache"
FILE_MAIL = "django.core.mail.backends.filebased.EmailBackend"


def test_mail_in_files_inside_the_release(site: Site) -> None:
    """The directory can be shared by all releases."""
    site.settings.EMAIL_BACKEND, site.settings.EMAIL_FILE_PATH = FILE_MAIL, site.project / "emails"
    assert site.complaint() == (
        f"EMAIL_FILE_PATH is '{site.project}/emails' inside the release, where the site cannot write. Set "
        "site_shared_paths: [emails/]"
    )
    assert site.report["inventory"] == {"site_shared_paths": ["emails/"]}


def test_a_cache_in_files_inside_the_release(site: Site) -> None:
    """A directory that is in the source cannot be shared."""
    (site.project / "cache").mkdir()
    site.settings.CACHES = {"pages": {"BACKEND": FILE_CACHE, "LOCATION": str(site.project / "cache")}}
    assert site.complaint() == (
        f"CACHES['pages'] is '{site.project}/cache' inside the release, where the site cannot write, and the source "
        f"contains it. Set its LOCATION to '{site.home}/cache', by an environment variable or in site_settings"
    )


@pytest.mark.parametrize("backend", [FILE_CACHE, "django.core.cache.backends.redis.RedisCache"])
def test_a_cache_elsewhere(site: Site, backend: str) -> None:
    """It is the site's own concern, and so is mail that is not written to files."""
    location = "/var/cache/shop" if backend == FILE_CACHE else "redis://localhost"
    site.settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location}}
    site.settings.EMAIL_FILE_PATH = site.project / "emails"
    assert site.describe()["static"] == "static"


def test_mail_in_a_directory_that_is_shared(site: Site) -> None:
    """Nothing is left to complain about."""
    link_shared(site.project, site.home, ["emails/"], site.report)
    site.settings.EMAIL_BACKEND, site.settings.EMAIL_FILE_PATH = FILE_MAIL, site.project / "emails"
    assert site.describe()["static"] == "static"


# Static files and uploads that are not the release's own


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (
            "{home}/static",
            "which all releases share: one that is refused would overwrite the files of the one that serves",
        ),
        ("{release}/static", "beside the source, where the site's user cannot write"),
        (f"{sys.prefix}/lib/static", "among the packages, which releases share and nobody can change"),
    ],
)
@pytest.mark.parametrize("url", ["/static/", "https://cdn.example.net/"])
def test_a_place_for_static_files_that_is_not_the_release_s(site: Site, root: str, why: str, url: str) -> None:
    """The cure is a directory inside the release, whoever serves it; nothing is collected elsewhere."""
    where = root.format(home=site.home, release=site.release)
    site.settings.STATIC_ROOT, site.settings.STATIC_URL = where, url
    assert site.complaint() == (
        f"STATIC_ROOT is '{where}', {why}. Set site_settings: {{STATIC_ROOT: staticfiles}}, a directory inside the "
        "release"
    )
    assert site.report["inventory"] == {"site_settings": {"STATIC_ROOT": "staticfiles"}}


def test_a_place_for_static_files_that_others_have(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an earlier way to deploy."""
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != "/")
    site.settings.STATIC_ROOT = "/nowhere/static"
    assert "STATIC_ROOT is '/nowhere/static', where the site's user cannot write ('/' belongs to" in site.complaint()


def test_static_files_that_are_shared_by_name(site: Site) -> None:
    """They outlive a release, which they must not."""
    link_shared(site.project, site.home, ["collected/"], site.report)
    assert site.complaint().endswith("Remove it from site_shared_paths. Static files are collected for each release")
    assert site.report["inventory"] == {}


def test_uploads_beside_the_source(site: Site) -> None:
    """As for a project whose BASE_DIR is one directory too high."""
    site.settings.MEDIA_ROOT = site.release / "media"
    assert site.complaint() == (
        f"MEDIA_ROOT is '{site.release}/media', beside the source, where a release has no uploads and the site cannot "
        f"write. Set site_settings: {{MEDIA_ROOT: {site.home}/media}}"
    )
    assert site.report["inventory"] == {"site_settings": {"MEDIA_ROOT": f"{site.home}/media"}}


def test_files_on_another_host_of_the_site(site: Site) -> None:
    """They are served there."""
    site.job["domains"] = ["shop.example.com", "static.example.org", "*.media.example.org"]
    site.settings.STATIC_URL = "https://static.example.org/s/"
    site.settings.MEDIA_URL, site.settings.MEDIA_ROOT = "//a.media.example.org/m/", site.home / "media"
    assert site.describe()["public"] == {"s": str(site.project / "collected"), "m": str(site.home / "media")}
    assert site.report["warnings"] == []


def test_files_on_the_whole_of_a_host_of_the_site(site: Site) -> None:
    """Pages are there, too."""
    site.job["domains"] = ["shop.example.com", "static.example.org"]
    site.settings.STATIC_URL = "https://static.example.org/"
    assert site.complaint() == (
        "STATIC_URL is 'https://static.example.org/', the whole of a host that the site serves pages on. Set "
        "site_settings: {STATIC_URL: https://static.example.org/static/}"
    )
    assert site.report["inventory"] == {"site_settings": {"STATIC_URL": "https://static.example.org/static/"}}


def test_files_on_a_host_of_others(site: Site) -> None:
    """It is said, and no error."""
    site.settings.STATIC_URL = "https://cdn.example.net/"
    site.settings.MEDIA_URL, site.settings.MEDIA_ROOT = "https://cdn.example.net/media/", "/srv/uploads"
    assert site.describe()["public"] == {}
    static, media, place = site.report["warnings"]
    assert static == (
        "STATIC_URL is 'https://cdn.example.net/', on a host that is not among site_domains: this host does not serve "
        "these files, and whoever serves them has to have them. To serve them here, add that host to site_domains, or "
        "set site_settings: {STATIC_URL: /static/}"
    )
    assert media.startswith("MEDIA_URL is 'https://cdn.example.net/media/', on a host")
    assert place == (
        f"MEDIA_ROOT is '/srv/uploads', and the site's processes can write only below '{site.home}': set "
        f"site_settings: {{MEDIA_ROOT: {site.home}/media}}, or allow it: ReadWritePaths= in a drop-in of the site's "
        "unit"
    )


def test_several_databases_in_the_source(site: Site) -> None:
    """All of them are in what is to be set, since it replaces the whole setting."""
    for name in ("db.sqlite3", "other.sqlite3"):
        (site.project / name).touch()
    engine = "django.db.backends.sqlite3"
    site.settings.DATABASES = {
        "default": {"ENGINE": engine, "NAME": "db.sqlite3"},
        "other": {"ENGINE": engine, "NAME": site.project / "other.sqlite3"},
        "memory": {"ENGINE": engine, "NAME": ":memory:"},
    }
    describe(site.settings, site.job, site.report)
    assert len(site.report["complaints"]) == 2
    assert site.report["inventory"]["site_settings"]["DATABASES"] == {
        "default": {"ENGINE": engine, "NAME": f"{site.home}/db.sqlite3"},
        "other": {"ENGINE": engine, "NAME": f"{site.home}/other.sqlite3"},
        "memory": {"ENGINE": engine, "NAME": ":memory:"},
    }


def test_a_database_beside_one_with_a_password(site: Site) -> None:
    """What cannot be shown is not part of what is to be set."""
    (site.project / "db.sqlite3").touch()
    site.settings.DATABASES["other"] = sqlite("db.sqlite3")["default"]
    assert "DATABASES['other'] is the file 'db.sqlite3' inside the release" in site.complaint()
    assert site.report["inventory"] == {}


def test_a_database_where_the_site_cannot_write(site: Site) -> None:
    """The process is confined to its own directory."""
    site.settings.DATABASES = sqlite("/data/db.sqlite3")
    site.describe()
    [warning] = site.report["warnings"]
    assert warning.startswith(
        f"DATABASES['default'] is the file '/data/db.sqlite3', and the site's processes can write "
        f"only below '{site.home}'. Set its NAME"
    )


# Caches, and the scheme of requests

LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache"}


@pytest.mark.parametrize(
    ("caches", "engine", "workers", "begins"),
    [
        ({"default": LOCAL}, "db", 4, []),
        ({"default": {**LOCAL, "LOCATION": "x"}}, "db", 1, []),
        ({"default": REDIS}, "cache", 4, []),
        (
            {"default": {**LOCAL, "LOCATION": "x"}, "other": LOCAL, "shared": REDIS},
            "db",
            4,
            [
                "CACHES['default'] is LocMemCache, which each of the 4 worker processes has for itself: a value that",
                "CACHES['other'] is LocMemCache, which each of the 4",
            ],
        ),
        (
            {"default": {**LOCAL, "LOCATION": "x"}},
            "db",
            0,
            ["CACHES['default'] is LocMemCache, which each worker process"],
        ),
        (
            {"default": LOCAL},
            "cache",
            4,
            [
                "SESSION_ENGINE is 'django.contrib.sessions.backends.cache', and CACHES['default'] is LocMemCache, "
                "which each of the 4 worker processes has for itself: sessions are lost whenever another process "
                "answers."
            ],
        ),
        ({"default": LOCAL}, "cached_db", 1, ["SESSION_ENGINE is 'django.contrib.sessions.backends.cached_db', and"]),
    ],
)
def test_caches_of_each_process(
    site: Site, caches: dict[str, Any], engine: str, workers: int, begins: list[str]
) -> None:
    """Django's default is no decision of the project, but sessions in it do not work."""
    site.settings.CACHES, site.settings.SESSION_ENGINE = caches, f"django.contrib.sessions.backends.{engine}"
    site.job["workers"] = workers
    warnings = site.run()["warnings"]
    assert len(warnings) == len(begins)
    for warning, begin in zip(warnings, begins, strict=True):
        assert warning.startswith(begin)
        assert "site_services: [redis]" in warning


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, None),
        (("HTTP_X_FORWARDED_PROTO", "https"), None),
        (["HTTP_X_FORWARDED_PROTO", "https"], None),
        (
            ("HTTP_X_FORWARDED_PROTO", "on"),
            "nginx sets that header to https, and never to 'on', so Django takes every request for http",
        ),
        (
            ("HTTP_X_SCHEME", "https"),
            "nginx removes that header from requests or leaves it to visitors, who could claim anything",
        ),
        ("HTTP_X_FORWARDED_PROTO", "Django needs the name of a header and its value"),
        (7, "Django needs the name of a header and its value"),
    ],
)
def test_the_header_with_the_scheme(site: Site, header: Any, why: str | None) -> None:
    """nginx sends one; any other is warned of, with the cure."""
    site.settings.SECURE_PROXY_SSL_HEADER = header
    report = site.run()
    assert report["warnings"] == (
        []
        if why is None
        else [
            f"SECURE_PROXY_SSL_HEADER is {header!r}: {why}. Set site_settings: {{SECURE_PROXY_SSL_HEADER: "
            '["HTTP_X_FORWARDED_PROTO", "https"]}'
        ]
    )
    assert report["complaints"] == []


# What nobody may see or guess


def test_debug(site: Site) -> None:
    """It is refused, with the line that turns it off; nothing but ALLOWED_HOSTS counts then."""
    site.settings.DEBUG = True
    assert site.complaint() == (
        "DEBUG is True in shop.settings, which shows code and settings to visitors. Set site_settings: {DEBUG: false}"
        "; or site_allow_insecure_settings: true, on a host that nobody else can reach"
    )
    assert site.report["inventory"] == {"site_settings": {"DEBUG": False}}


def test_debug_without_allowed_hosts(site: Site) -> None:
    """What DEBUG allows is not allowed any more once it is off."""
    site.settings.DEBUG, site.settings.ALLOWED_HOSTS, site.job["domains"] = True, [], ["localhost"]
    describe(site.settings, site.job, site.report)
    assert [complaint.split()[0] for complaint in site.report["complaints"]] == ["ALLOWED_HOSTS", "DEBUG"]


@pytest.mark.parametrize(
    ("key", "what"),
    [
        (
            "django-insecure-horse",
            "begins with django-insecure-: it is the one that startproject wrote into the source",
        ),
        ("", "is empty"),
    ],
)
def test_a_key_that_is_no_secret(site: Site, key: str, what: str) -> None:
    """It is refused without being shown, with the command that makes another one."""
    site.settings.SECRET_KEY = key
    complaint = site.complaint()
    assert complaint.startswith(f"SECRET_KEY in shop.settings {what}, so others can forge sessions. Set ")
    assert "site_secret_settings: {SECRET_KEY: ...}" in complaint
    assert "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'" in complaint
    assert complaint.endswith("; or site_allow_insecure_settings: true, on a host that nobody else can reach")
    assert "horse" not in json.dumps(site.report)


def test_a_key_that_django_does_not_give(site: Site) -> None:
    """Its settings raise an exception for an empty one."""
    del site.settings.SECRET_KEY
    assert "SECRET_KEY in shop.settings is empty" in site.complaint()


def test_insecure_settings_that_are_allowed(site: Site) -> None:
    """By the operator."""
    site.settings.DEBUG, site.settings.SECRET_KEY = True, "django-insecure-x"
    site.job["allow_insecure"] = True
    assert site.describe()["static"] == "static"


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("SETTING = os.environ['THE_NAME']", "THE_NAME"),
        ("SETTING = os.environ.get('THE_NAME', '').split(',')", "THE_NAME"),
        ("SETTING = os.getenv('THE_NAME') == '1'", "THE_NAME"),
        ("SETTING = env.bool('THE_NAME', default=True)", "THE_NAME"),
        ("SETTING = config('THE_NAME', cast=bool)", "THE_NAME"),
        ("if x:\n    SETTING = env('THE_NAME')", "THE_NAME"),
        ("OTHER = env('THE_NAME')\nSETTING = True", None),
        ("SETTING = env(name)", None),
        ("SETTING = ['x']", None),
        ("if", None),
    ],
)
def test_the_variable_behind_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, variable: str | None
) -> None:
    """As the ways to read the environment that projects use show it; in any module of the settings' package."""
    file = tmp_path / "base.py"
    file.write_text(line)
    module = ModuleType("shopping.conf.base")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "shopping.conf.base", module)
    assert variable_behind("SETTING", "shopping.conf.live") == variable
    assert variable_behind("SETTING", "elsewhere.live") is None


def test_a_variable_is_named_as_another_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the settings read it; a key then goes where the variable is."""
    monkeypatch.setattr(settings_judgement, "variable_behind", lambda setting, _module: f"MY_{setting}")
    site.settings.DEBUG, site.settings.SECRET_KEY, site.settings.ALLOWED_HOSTS = True, "", []
    describe(site.settings, site.job, site.report)
    hosts, debug, key = site.report["complaints"]
    assert hosts.endswith(", or the environment variable MY_ALLOWED_HOSTS, which it is read from")
    assert debug.endswith(
        f", or the environment variable MY_DEBUG, which it is read from{settings_judgement.ALLOWANCE}"
    )
    assert "Set site_secrets: {MY_SECRET_KEY: ...} to" in key
    assert list(site.report["inventory"]) == ["site_settings", "site_secrets"]


def sqlite(name: Any) -> dict[str, Any]:
    """Give settings for a database in a file."""
    return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name}}


@pytest.mark.parametrize("name", ["db.sqlite3", "{project}/db.sqlite3"])
def test_a_database_inside_the_release(site: Site, name: str) -> None:
    """The next deploy would begin with an empty one; the cure is the file's name in the project."""
    path = name.format(project=site.project)
    site.settings.DATABASES = sqlite(path)
    assert site.complaint() == (
        f"DATABASES['default'] is the file {path!r} inside the release, which the next deploy leaves behind. "
        "Set site_shared_paths: [db.sqlite3]"
    )
    assert site.report["inventory"] == {"site_shared_paths": ["db.sqlite3"]}


@pytest.mark.parametrize("where", ["app/db.sqlite3", "db.sqlite3"])
def test_a_database_that_cannot_be_shared(site: Site, where: str) -> None:
    """Since the source has it already, or it is not in the project: the cure is a path outside of the release."""
    (site.project / "db.sqlite3").touch()
    site.settings.DATABASES = sqlite(site.release / where)
    assert f"Set its NAME to '{site.home / 'db.sqlite3'}'" in site.complaint()
    assert site.report["inventory"] == {
        "site_settings": {
            "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(site.home / "db.sqlite3")}}
        }
    }


@pytest.mark.parametrize("kept", ["by name", "by link"])
def test_a_database_that_outlives_the_release(site: Site, kept: str) -> None:
    """In the site's own directory, or shared into the release."""
    link_shared(site.project, site.home, ["db.sqlite3"], site.report)
    site.settings.DATABASES = sqlite((site.home if kept == "by name" else site.project) / "db.sqlite3")
    assert site.describe()["static"] == "static"


def test_a_database_in_memory(site: Site) -> None:
    """A site without data of its own may say so."""
    site.settings.DATABASES = {**sqlite(":memory:"), "other": {}}
    assert site.describe()["static"] == "static"


@pytest.mark.parametrize(("there", "name"), [("static", "staticfiles"), ("staticfiles", "static-root")])
def test_static_files_without_a_place(site: Site, there: str, name: str) -> None:
    """The sentence says what to set, a directory that the source does not have, and how to do without."""
    (site.project / there).mkdir()
    site.settings.STATIC_ROOT = None
    assert site.complaint() == (
        "STATIC_ROOT is not set in shop.settings, so static files cannot be collected. Set site_settings: "
        f"{{STATIC_ROOT: {name}}}, a directory inside the release; or site_collectstatic: false"
    )
    assert site.report["inventory"] == {"site_settings": {"STATIC_ROOT": name}}


@pytest.mark.parametrize("directory", ["{project}", "{project}/../app"])
def test_static_files_among_the_source(site: Site, directory: str) -> None:
    """Everybody could read the settings."""
    site.settings.STATIC_ROOT = directory.format(project=site.project)
    assert "is served to everybody, and the source is in it; set a directory" in site.complaint()


def test_a_database_among_the_uploads(site: Site) -> None:
    """Everybody could read it."""
    site.settings.DATABASES = sqlite(site.home / "media/db.sqlite3")
    site.settings.MEDIA_ROOT = site.home / "media"
    assert "is served to everybody, and DATABASES['default'] is in it; set a directory" in site.complaint()


def test_everything_that_is_wrong_with_the_settings(site: Site) -> None:
    """All of it is reported at once, with the findings of Django's own checks, and what to set in one piece."""
    (site.project / "data").mkdir()
    site.job |= {"shared": ["data/"], "domains": ["a.test"]}
    site.settings.ALLOWED_HOSTS, site.settings.DEBUG, site.settings.STATIC_ROOT = [], True, None
    site.settings.DATABASES = sqlite("db.sqlite3")
    site.check_errors = [CheckError("?: (x.E001) One\n\tHINT: Do."), CheckError("W001"), CheckError("silenced")]
    report = site.run()
    assert [complaint.partition(" ")[0] for complaint in report["complaints"]] == [
        "site_shared_paths:",
        "ALLOWED_HOSTS",
        "DEBUG",
        "DATABASES['default']",
        "STATIC_ROOT",
        "manage.py",
    ]
    assert report["complaints"][-1] == "manage.py check --deploy: ?: (x.E001) One HINT: Do."
    assert report["inventory"] == {
        "site_settings": {"ALLOWED_HOSTS": ["a.test"], "DEBUG": False, "STATIC_ROOT": "staticfiles"},
        "site_shared_paths": ["db.sqlite3"],
    }
    assert site.calls == ["setup", "check deploy=True"]


WITHOUT_APPLICATION = "a_middleware.without_application"


@pytest.mark.parametrize(
    ("middleware", "complaint"),
    [
        ("a_middleware.works", None),
        ({"path": "a_middleware.works", "arguments": {"age": 60}}, None),
        ({"path": "a_middleware.works"}, None),
        ({"path": "a_middleware.Works", "arguments": None}, None),
        ("builtins.iter", None),
        (
            "a_middleware.absent",
            "'a_middleware.absent' cannot be imported: AttributeError: module 'a_middleware' has no",
        ),
        (
            "no_such_package.Wsgi",
            "'no_such_package.Wsgi' cannot be imported: ModuleNotFoundError: No module named 'no_s",
        ),
        (
            "a_middleware.AGE",
            "'a_middleware.AGE' is 7, which is not callable. Name a class or a function that takes an",
        ),
        (
            {"path": "a_middleware.works", "arguments": {"size": 1}},
            "'a_middleware.works' would be called with the application and ['size'], but: got an unexpected keyword "
            "argument 'size'. Its parameters are (application",
        ),
        (
            WITHOUT_APPLICATION,
            f"{WITHOUT_APPLICATION!r} would be called with the application and [], but: too many posi",
        ),
    ],
)
def test_middleware(
    site: Site, monkeypatch: pytest.MonkeyPatch, middleware: str | dict[str, Any], complaint: str | None
) -> None:
    """It has to be there and to take what it will be called with; it is not called."""
    there = ModuleType("a_middleware")

    def works(application: Any, age: int = 0) -> None:
        raise AssertionError

    class Works:
        def __init__(self, application: Any) -> None:
            raise AssertionError

    vars(there).update(works=works, Works=Works, AGE=7, without_application=lambda: None)
    monkeypatch.setitem(sys.modules, "a_middleware", there)
    site.job["middleware"] = [middleware]
    answer = site.run()
    assert len(answer["complaints"]) == (complaint is not None)
    if complaint:
        assert answer["complaints"][0].startswith(f"site_wsgi_middleware: {complaint}")
        assert "collectstatic" not in " ".join(site.calls)


def test_all_middleware_that_is_wrong(site: Site) -> None:
    """It is refused together, and with the settings."""
    site.settings.DEBUG = True
    site.job["middleware"] = ["no_such_package.One", "no_such_package.Two"]
    assert [complaint.split()[0] for complaint in site.run()["complaints"]] == [
        "DEBUG",
        "site_wsgi_middleware:",
        "site_wsgi_middleware:",
    ]


def test_checks_that_cannot_run(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Their error is one of the complaints, if there are others, and its traceback is printed."""
    site.settings.DEBUG, site.fails_at = True, "check"
    assert site.run()["complaints"][1] == "manage.py check --deploy failed: RuntimeError: check failed"
    assert "RuntimeError: check failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("urls", "advice", "inventory"),
    [
        ({"/admin/login/"}, "/admin/login/", {"site_health_path": "/admin/login/"}),
        (set(), "a path that returns 200", {}),
    ],
)
def test_a_health_check_that_would_fail_next(
    site: Site, urls: set[str], advice: str, inventory: dict[str, str]
) -> None:
    """A project as startproject makes it has no home page once DEBUG is off."""
    site.urls, site.settings.DEBUG = urls, True
    report = site.run()
    assert report["complaints"][1] == (
        "site_health_path: '/' is not among the URLs of shop.urls, so the health check would get 404. "
        f"Set site_health_path: {advice}"
    )
    assert report["inventory"] == {"site_settings": {"DEBUG": False}, **inventory}


@pytest.mark.parametrize(
    ("path", "middleware", "debug"),
    [
        ("/?x=1", [], True),
        ("/admin/login", [], True),
        ("/nowhere", ["django.middleware.locale.LocaleMiddleware"], True),
        ("/nowhere", [], False),
    ],
    ids=["there", "with a slash", "by language", "nothing else is wrong"],
)
def test_a_health_check_that_may_pass(site: Site, path: str, middleware: list[str], debug: bool) -> None:
    """Nothing is reported."""
    site.job["health_path"], site.settings.MIDDLEWARE, site.settings.DEBUG = path, middleware, debug
    assert [complaint.split()[0] for complaint in site.run()["complaints"]] == ["DEBUG"] * debug


def test_errors_of_the_check_alone(site: Site) -> None:
    """All of them."""
    site.check_errors = [CheckError("?: (x.E001) One"), CheckError("?: (x.E002) Two")]
    report = site.run()
    assert report["stage"] == "check"
    assert report["complaints"] == [
        f"manage.py check --deploy: ?: (x.E00{n}) {text}" for n, text in ((1, "One"), (2, "Two"))
    ]


# The stages


def test_the_order_of_the_work(site: Site) -> None:
    """What can fail without a trace comes before what changes the database."""
    report = site.run()
    assert (report["stage"], report["description"]) == (
        "done",
        {
            "public": {"static": str(site.project / "collected")},
            "static": "static",
            "media": None,
            "migrated": True,
            "collected": "",
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
    """Nothing after it happens, and the report names it."""
    site.fails_at = stage
    report = site.run()
    assert (report["stage"], report["raised"]) == (stage, f"{stage} failed")
    assert site.calls == calls


def test_settings_that_would_not_work_end_it_first(site: Site) -> None:
    """Before anything is collected or migrated."""
    site.job["domains"] = ["other.example.com"]
    assert site.run()["stage"] == "settings"
    assert site.calls == ["setup", "check deploy=True"]


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
        ({}, {"migrates_shared_database": True}, True),
        ({}, {"migrates_shared_database": False}, False),
        ({}, {"migrates_shared_database": True, "migrate": False}, False),
        (sqlite("/var/lib/shop/db"), {"migrates_shared_database": False}, True),
        (sqlite("/var/lib/shop/db"), {"migrates_shared_database": False, "migrate": False}, False),
        (
            {**sqlite("/var/lib/shop/db"), "other": {"ENGINE": "postgresql", "NAME": "x"}},
            {"migrates_shared_database": False},
            False,
        ),
    ],
    ids=["chosen host", "other host", "not wanted", "own file", "own file, not wanted", "own file and a shared one"],
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
