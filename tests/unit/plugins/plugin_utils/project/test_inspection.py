"""What is proposed for small projects of many kinds."""

from __future__ import annotations

from typing import Any

import pytest
from inspected import MANAGE, PROJECT, SAFE, START, WSGI, inspect, of, proposed, with_settings

KEY = "<fill in: the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'>"
USUAL = {"site_settings_module": "shop.settings", "site_secrets": {"SECRET_KEY": KEY}}


def test_a_project_that_needs_little() -> None:
    inspection = inspect({})
    assert proposed(inspection) == USUAL
    assert [one for kind in ("question", "note", "process", "optional") for one in of(inspection, kind)] == []


# What startproject makes, and where it does not fit production


def test_startproject() -> None:
    text = START + (
        "SECRET_KEY = 'django-insecure-1234567890'\nDEBUG = True\nALLOWED_HOSTS = []\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'}}\n"
        "STATIC_URL = 'static/'\n"
    )
    urls = "urlpatterns = [path('admin/', admin.site.urls)]\n"
    inspection = inspect({"shop/settings.py": text, "shop/urls.py": urls})
    assert proposed(inspection) == {
        "site_settings_module": "shop.settings",
        "site_settings": {"DEBUG": False, "ALLOWED_HOSTS": ["shop.example.com"], "STATIC_ROOT": "staticfiles"},
        "site_secret_settings": {"SECRET_KEY": KEY},
        "site_shared_paths": ["db.sqlite3"],
        "site_health_path": "/admin/login/",
    }
    assert [str(one) for one in inspection.proposed if "DEBUG" in str(one.value)] == [
        "DEBUG is True in the source (shop/settings.py, line 7)"
    ]
    assert of(inspection, "note") == [
        "CACHES is not set: each worker process has a cache of its own. Redis and Django's database cache are shared",
        "SECURE_PROXY_SSL_HEADER is not set: with TLS, Django would take requests for http; then set site_settings: "
        "{SECURE_PROXY_SSL_HEADER: [HTTP_X_FORWARDED_PROTO, https]}",
    ]


# Where manage.py lies

MOVED = {
    "manage.py": None,
    "shop/__init__.py": None,
    "shop/settings.py": None,
    "shop/urls.py": None,
    "shop/wsgi.py": None,
}


def below(directory: str) -> dict[str, str | None]:
    return {**MOVED, **{f"{directory}/{name}": PROJECT[name] for name in MOVED}}


def test_manage_py_in_a_directory() -> None:
    inspection = inspect(below("web"))
    assert proposed(inspection) == {**USUAL, "site_project_directory": "web"}
    assert of(inspection, "certain")[0] == "manage.py is the only one in the source (web/manage.py)"


def test_several_manage_py() -> None:
    files = {**below("backend"), "tests/manage.py": MANAGE, "examples/demo/manage.py": MANAGE}
    inspection = inspect(files)
    assert proposed(inspection)["site_project_directory"] == "backend"
    assert of(inspection, "guess")[0] == (
        "manage.py here is nearest to the top; there is also tests/manage.py, examples/demo/manage.py "
        "(backend/manage.py)"
    )


def test_no_manage_py() -> None:
    (question,) = inspect({"manage.py": None}).questions
    assert question.variable == "site_package"
    assert question.reason == (
        "the source has no manage.py: is it a Django project? An application that is installed from a package needs "
        "site_package instead of a source"
    )


def test_what_the_user_has_set_counts() -> None:
    files = {**below("web"), "other/manage.py": MANAGE}
    inspection = inspect(
        files,
        site_project_directory="web",
        site_settings_module="shop.settings",
        site_name="store",
        site_domains=["store.test"],
    )
    assert inspection.site.name == "store"
    assert proposed(inspection)["site_settings"] == {"ALLOWED_HOSTS+": ["store.test"]}


# Settings modules


def test_production_settings_are_preferred() -> None:
    files = {
        "shop/settings.py": None,
        "shop/settings/__init__.py": "",
        "shop/settings/base.py": START.replace("parent.parent", "parent.parent.parent") + SAFE,
        "shop/settings/production.py": "from .base import *\nDEBUG = False\n",
        "shop/settings/local.py": "from .base import *\nDEBUG = True\n",
        "manage.py": MANAGE.replace("shop.settings", "shop.settings.local"),
        "shop/wsgi.py": WSGI.replace("shop.settings", "shop.settings.production"),
    }
    inspection = inspect(files)
    assert proposed(inspection) == {**USUAL, "site_settings_module": "shop.settings.production"}
    assert of(inspection, "certain")[0] == (
        "its name says that it is for production, and wsgi.py names it; manage.py, line 3 names shop.settings.local "
        "(shop/wsgi.py, line 3)"
    )


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("deploy/wsgi.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf.live_shop')"),
        ("Dockerfile", "ENV DJANGO_SETTINGS_MODULE=conf.live_shop"),
        ("Dockerfile", "ENV DJANGO_SETTINGS_MODULE conf.live_shop"),
        ("docker-compose.yml", "      DJANGO_SETTINGS_MODULE: conf.live_shop"),
        ("docker-compose.yml", "      - DJANGO_SETTINGS_MODULE=conf.live_shop"),
        ("Procfile", "web: gunicorn --env DJANGO_SETTINGS_MODULE=conf.live_shop shop.wsgi"),
        ("Procfile", "release: python manage.py migrate --settings=conf.live_shop"),
        ("deploy/shop.service", 'Environment="DJANGO_SETTINGS_MODULE=conf.live_shop"'),
        (".env.example", "DJANGO_SETTINGS_MODULE=conf.live_shop"),
    ],
)
def test_settings_that_only_a_file_names(file: str, line: str) -> None:
    files = {
        "shop/settings.py": None,
        "conf/__init__.py": "",
        "conf/live_shop.py": START + SAFE,
        "manage.py": MANAGE.replace("shop.settings", "conf.missing"),
        "shop/wsgi.py": WSGI.replace("shop.settings", "conf.missing"),
        file: f"# first\n{line}\n",
    }
    inspection = inspect(files)
    assert proposed(inspection)["site_settings_module"] == "conf.live_shop"
    (found,) = [one for one in inspection.proposed if one.variable == "site_settings_module"]
    assert f"({file}, line 2)" in str(found)


def test_modules_that_only_look_like_settings() -> None:
    inspection = inspect(
        {"shop/users/settings/views.py": "def view(request): ...\n", "shop/settings_schema.py": "A = 1\n"}
    )
    assert proposed(inspection)["site_settings_module"] == "shop.settings"
    assert inspection.questions == []


def test_no_settings() -> None:
    (question,) = inspect({"shop/settings.py": "NAME = 'x'\n"}).questions
    assert question.variable == "site_settings_module"


def test_src_layout_that_manage_py_adds() -> None:
    files = {
        "shop/__init__.py": None,
        "shop/settings.py": None,
        "shop/wsgi.py": None,
        "shop/urls.py": None,
        "manage.py": "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'src'))\n"
        + MANAGE,
        "src/shop/__init__.py": "",
        "src/shop/settings.py": START + SAFE,
        "src/shop/wsgi.py": WSGI,
        "src/shop/urls.py": PROJECT["shop/urls.py"],
    }
    assert proposed(inspect(files)) == USUAL


def test_src_layout_that_nothing_adds() -> None:
    files = {
        "shop/__init__.py": None,
        "shop/settings.py": None,
        "shop/wsgi.py": None,
        "shop/urls.py": None,
        "src/shop/__init__.py": "",
        "src/shop/settings.py": START + SAFE,
        "src/shop/wsgi.py": WSGI,
        "src/shop/urls.py": PROJECT["shop/urls.py"],
    }
    assert proposed(inspect(files)) == USUAL


def test_classes_of_django_configurations() -> None:
    text = (
        "from configurations import Configuration, values\n"
        "class Base(Configuration):\n    INSTALLED_APPS = ['django.contrib.staticfiles']\n    ROOT_URLCONF = "
        "'shop.urls'\n"
        "    SECRET_KEY = values.SecretValue()\n    STATIC_ROOT = '/var/lib/shop/static'\n    DEBUG = "
        "values.BooleanValue(True)\n"
        "class Dev(Base):\n    DEBUG = True\n"
        "class Production(Base):\n    DEBUG = False\n    ALLOWED_HOSTS = values.ListValue([])\n"
    )
    inspection = inspect({"shop/settings.py": text})
    found = proposed(inspection)
    assert found["site_environment"] == {
        "DJANGO_ALLOWED_HOSTS": "shop.example.com",
        "DJANGO_CONFIGURATION": "Production",
    }
    assert found["site_secrets"] == {"DJANGO_SECRET_KEY": KEY}


# Applications


def test_an_application_elsewhere() -> None:
    files = {"shop/wsgi.py": None, "deploy/wsgi_live.py": WSGI}
    assert proposed(inspect(files))["site_wsgi_application"] == "deploy.wsgi_live:application"


def test_wsgi_where_the_source_has_none() -> None:
    files = {"shop/wsgi.py": None, "shop/asgi.py": WSGI.replace("wsgi", "asgi")}
    (question,) = inspect(files, site_interface="wsgi").questions
    assert str(question) == (
        "the source has no WSGI application, only the ASGI application shop.asgi:application, which "
        "site_interface: asgi serves; add shop.wsgi"
    )


# Settings that do not fit production


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DEBUG = True\n", {"site_settings": {"DEBUG": False}}),
        ("DEBUG = compute()\n", {"site_settings": {"DEBUG": False}}),
        ("ALLOWED_HOSTS = ['localhost']\n", {"site_settings": {"ALLOWED_HOSTS+": ["shop.example.com"]}}),
        ("ALLOWED_HOSTS = []\n", {"site_settings": {"ALLOWED_HOSTS": ["shop.example.com"]}}),
        ("ALLOWED_HOSTS = ['.example.com']\n", {}),
        ("ALLOWED_HOSTS = ['*']\n", {}),
        ("STATIC_ROOT = None\n", {"site_settings": {"STATIC_ROOT": "staticfiles"}}),
        ("STATIC_ROOT = '/srv/static'\n", {"site_settings": {"STATIC_ROOT": "staticfiles"}}),
        ("STATIC_ROOT = BASE_DIR.parent / 'static'\n", {"site_settings": {"STATIC_ROOT": "staticfiles"}}),
        ("INSTALLED_APPS = ['shop']\nSTATIC_ROOT = None\n", {}),
        ("MEDIA_ROOT = BASE_DIR / 'media'\n", {}),
        ("MEDIA_ROOT = BASE_DIR.parent / 'media'\n", {"site_settings": {"MEDIA_ROOT": "@state@/media"}}),
        ("MEDIA_ROOT = '/data/media'\n", {"site_settings": {"MEDIA_ROOT": "@state@/media"}}),
        ("MEDIA_ROOT = BASE_DIR / 'shop'\n", {"site_settings": {"MEDIA_ROOT": "@state@/media"}}),
        ("STATIC_URL = 'http://localhost:8000/static/'\n", {"site_settings": {"STATIC_URL": "/static/"}}),
        (
            "SECURE_PROXY_SSL_HEADER = ('HTTP_X_SCHEME', 'https')\n",
            {"site_settings": {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}},
        ),
        ("SECURE_SSL_REDIRECT = True\n", {"site_settings": {"SECURE_SSL_REDIRECT": False}}),
        (
            "SECURE_SSL_REDIRECT = True\ndel SECURE_PROXY_SSL_HEADER\nSECURE_PROXY_SSL_HEADER = None\n",
            {
                "site_settings": {
                    "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
                    "SECURE_SSL_REDIRECT": False,
                }
            },
        ),
        (
            "EMAIL_BACKEND = 'django.core.mail.backends.filebased.EmailBackend'\nEMAIL_FILE_PATH = BASE_DIR / 'sent'\n",
            {"site_shared_paths": ["sent/"]},
        ),
        (
            "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.filebased.FileBasedCache', "
            "'LOCATION': BASE_DIR / 'cache'}}\n",
            {"site_shared_paths": ["cache/"]},
        ),
        (
            "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': "
            "'redis://localhost:6379/1'}}\n",
            {"site_services": ["redis"]},
        ),
    ],
)
def test_settings(text: str, expected: dict[str, Any]) -> None:
    assert proposed(with_settings(text)) == {**USUAL, **expected}


def test_a_generated_and_a_written_key() -> None:
    for key, reason in (
        ("'django-insecure-x'", "SECRET_KEY is the one that startproject made"),
        ("'x' * 50", "SECRET_KEY is written in the source, for all who can read that"),
        ("''", "SECRET_KEY is not set"),
    ):
        inspection = inspect({"shop/settings.py": (START + SAFE).replace('os.environ["SECRET_KEY"]', key)})
        found = [one for one in inspection.proposed if one.variable == "site_secret_settings"]
        assert [one.reason for one in found] == [reason]
        assert found[0].value == {"SECRET_KEY": KEY}


def test_static_root_with_files_of_the_source() -> None:
    inspection = inspect({"static-files/shop.css": "p {}\n"})
    assert proposed(inspection)["site_settings"] == {
        "STATIC_ROOT": "staticfiles",
        "STATICFILES_DIRS+": ["@release@/app/static-files"],
    }
    both = with_settings("STATICFILES_DIRS = [BASE_DIR / 'static-files']\n")
    assert proposed(both)["site_settings"] == {"STATIC_ROOT": "staticfiles"}


def test_domains_of_the_source() -> None:
    inspection = with_settings("ALLOWED_HOSTS = ['localhost', 'www.shop.org', '.shop.org', 'shop.herokuapp.com']\n")
    assert proposed(inspection)["site_domains"] == ["www.shop.org", "shop.org"]
    assert inspection.site.domain == "www.shop.org"


def test_urls_on_other_hosts_are_asked_for() -> None:
    (question,) = with_settings("MEDIA_URL = 'https://media.shop.org/m/'\n").questions
    assert question.reason == "MEDIA_URL is on the host media.shop.org: add it to site_domains to have it served here"


def test_what_has_been_collected_is_in_the_source() -> None:
    inspection = inspect({"static-files/admin/css/base.css": "", "static-files/shop.css": ""})
    assert "site_settings" not in proposed(inspection)


# Databases

SQLITE = "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': %s}}\n"
POSTGRES = "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop', 'PASSWORD': 'x'}}\n"


def test_sqlite_in_the_release() -> None:
    assert proposed(with_settings(SQLITE % "BASE_DIR / 'data' / 'shop.db'"))["site_shared_paths"] == ["data/"]
    assert proposed(with_settings(SQLITE % "'db.sqlite3'"))["site_shared_paths"] == ["db.sqlite3"]
    assert "site_shared_paths" not in proposed(with_settings(SQLITE % "':memory:'"))
    assert "site_shared_paths" not in proposed(with_settings(SQLITE % "'/var/lib/shop/db.sqlite3'"))


def test_sqlite_in_the_source() -> None:
    kept = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "@state@/db.sqlite3"}}
    inspection = with_settings(SQLITE % "BASE_DIR / 'db.sqlite3'", **{"db.sqlite3": "SQLite format 3"})
    assert proposed(inspection)["site_settings"] == {"DATABASES": kept}


def test_a_database_that_the_source_fixes() -> None:
    found = proposed(
        inspect({"shop/settings.py": START + SAFE + POSTGRES, "requirements.txt": "django\npsycopg[binary]\n"})
    )
    assert found["site_settings"] == {
        "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}}
    }
    assert found["site_services"] == ["postgresql"]
    assert "site_python_packages" not in found


def test_no_driver() -> None:
    assert proposed(with_settings(POSTGRES))["site_python_packages"] == ["psycopg[binary]"]


def test_two_databases() -> None:
    text = POSTGRES.replace("}}", "}, 'old': {'ENGINE': 'django.db.backends.mysql', 'NAME': 'old'}}")
    reasons = [one.reason for one in with_settings(text).questions]
    assert "There is a second database, 'old' (mysql): it has to exist, too" in reasons


# Logging

FILE = (
    "LOGGING = {'version': 1, 'handlers': {'file': {'class': 'logging.%s', 'filename': %s, %s}}, "
    "'root': {'handlers': ['file']}}\n"
)


@pytest.mark.parametrize(
    ("handler", "path", "more", "variable"),
    [
        ("FileHandler", "BASE_DIR / 'logs' / 'shop.log'", "", "site_shared_paths"),
        ("FileHandler", "BASE_DIR / 'shop.log'", "", "site_settings"),
        ("FileHandler", "'shop.log'", "", "site_settings"),
        ("FileHandler", "'/var/log/shop.log'", "", "site_settings"),
        ("handlers.RotatingFileHandler", "BASE_DIR / 'logs' / 'shop.log'", "'backupCount': 5", "site_settings"),
        ("handlers.TimedRotatingFileHandler", "'/var/lib/shop/shop.log'", "", "site_settings"),
        ("handlers.WatchedFileHandler", "'/var/lib/shop/shop.log'", "", ""),
        ("FileHandler", "'/dev/stdout'", "", ""),
        ("StreamHandler", "None", "", ""),
    ],
)
def test_log_files(handler: str, path: str, more: str, variable: str) -> None:
    found = proposed(with_settings(FILE % (handler, path, more)))
    assert set(found) - set(USUAL) == ({variable} if variable else set())
    if variable == "site_shared_paths":
        assert found[variable] == ["logs/"]
    elif variable:
        assert found[variable]["LOGGING"]["handlers"] == {"stderr": {"class": "logging.StreamHandler"}}


# Directories that a project writes to


def test_directories_inside_the_release() -> None:
    assert proposed(with_settings("DATA_DIR = BASE_DIR / 'data'\n"))["site_shared_paths"] == ["data/"]
    found = proposed(with_settings("DATA_DIR = BASE_DIR.parent / 'data'\n"))
    assert found["site_settings"] == {"DATA_DIR": "@state@/data"}
    assert found["site_directories"] == ["@state@/data"]
    assert "site_shared_paths" not in proposed(with_settings("DATA_DIR = BASE_DIR / 'shop'\n"))
    text = "DATA_DIR = os.getenv('SHOP_DATA', BASE_DIR / 'data')\n" + FILE % (
        "FileHandler",
        "os.path.join(DATA_DIR, 'l')",
        "",
    )
    found = proposed(with_settings(text))
    assert found["site_environment"] == {"SHOP_DATA": "@state@/data"}
    assert found["site_directories"] == ["@state@/data"]
    assert not {"site_shared_paths", "site_settings"} & set(found)


# Notes


def test_a_cache_of_each_process() -> None:
    for text in (
        "CACHES = {}\n",
        "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}\n",
    ):
        (note,) = of(with_settings(text), "note")
        assert "each worker process has a cache of its own" in note
    text = "CACHES = {}\nSESSION_ENGINE = 'django.contrib.sessions.backends.cache'\n"
    assert "visitors would be logged out at random" in of(with_settings(text), "note")[0]


# What is missing in the source


def test_a_module_that_is_missing() -> None:
    example = {"shop/local_settings.py.example": "KEY = ''\n"}
    inspection = with_settings("from shop.local_settings import *\n", **example)
    assert proposed(inspection)["site_files"] == {
        "shop/local_settings.py": {
            "content": "<fill in: as in shop/local_settings.py.example, which sets KEY>",
            "secret": True,
        }
    }
    tried = "try:\n    from .local_settings import *\nexcept ImportError:\n    pass\n"
    inspection = with_settings(tried, **example)
    assert "site_files" not in proposed(inspection)
    assert of(inspection, "note") == [
        "shop/local_settings.py is read if it exists; shop/local_settings.py.example shows what belongs there. Nothing "
        "there is needed with site_settings and site_secrets (shop/settings.py, line 15)"
    ]
    assert of(with_settings(tried), "note") == []


def test_modules_of_python_are_not_missing() -> None:
    assert "site_files" not in proposed(with_settings("import secrets, configparser\n"))


def test_an_import_that_is_tried_only_to_explain() -> None:
    text = "try:\n    from shop import configuration\nexcept ImportError:\n    raise RuntimeError('copy the example')\n"
    assert "site_files" in proposed(
        with_settings(text.replace("from shop import configuration", "import shop.configuration"))
    )


def test_a_file_that_is_missing() -> None:
    found = proposed(with_settings("import json\nTOKENS = json.loads((BASE_DIR / 'secrets.json').read_text())\n"))
    assert found["site_files"] == {"secrets.json": {"content": "<fill in: its text>", "secret": True}}


# A healthy path


@pytest.mark.parametrize(
    ("urls", "path"),
    [
        ("urlpatterns = [path('', home)]", None),
        ("urlpatterns = [path('', include('shop.pages'))]", None),
        ("urlpatterns = [path('admin/', admin.site.urls), path('healthz/', ok)]", "/healthz/"),
        ("urlpatterns = [re_path(r'^admin/', admin.site.urls), re_path(r'^health$', ok)]", "/health"),
        ("urlpatterns = [path('admin/', admin.site.urls), path('<slug:page>/', page)]", "/admin/login/"),
        ("urlpatterns = [path('api/', include('shop.api')), path('admin/', admin.site.urls)]", "/admin/login/"),
        ("urlpatterns = [re_path(r'', include(wagtail))]", None),
        ("urlpatterns = [path('', home), path('api/status/', private)]", None),
        ("urlpatterns = compute()", None),
    ],
)
def test_health_path(urls: str, path: str | None) -> None:
    assert proposed(inspect({"shop/urls.py": f"{urls}\n"})).get("site_health_path") == path
