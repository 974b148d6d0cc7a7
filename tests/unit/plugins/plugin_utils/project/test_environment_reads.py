"""What settings read from the environment, in every way that projects do, and what is proposed for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.environment import looks_secret
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.evaluation import Evaluation
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.tree import Tree
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.values import UNKNOWN
from inspected import SAFE, START, inspect, of, proposed, with_settings

KEY = "<fill in: the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'>"


def read(text: str, environment: dict[str, str] | None = None, **files: str) -> Evaluation:
    """Follow a module of settings."""
    evaluation = Evaluation(Tree.of({"settings.py": text, **files}), [""], environment)
    evaluation.run("settings.py")
    return evaluation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\nX = os.environ['A']", ("A", True, None, "")),
        ("import os\nX = os.environ.get('A')", ("A", False, None, "")),
        ("import os\nX = os.getenv('A', 'b')", ("A", False, "b", "")),
        ("from os import environ\nX = environ['A']", ("A", True, None, "")),
        ("from os import getenv as read\nX = read('A', 'b')", ("A", False, "b", "")),
        ("import os\nX = int(os.environ.get('A', 3))", ("A", False, 3, "")),
        ("import environ\nenv = environ.Env()\nX = env('A')", ("A", True, None, "")),
        ("import environ\nenv = environ.Env(A=(bool, False))\nX = env('A')", ("A", False, False, "bool")),
        ("import environ\nenv = environ.Env()\nX = env.bool('A', default=True)", ("A", False, True, "bool")),
        ("import environ\nenv = environ.Env()\nX = env.list('A')", ("A", True, None, "list")),
        ("import environ\nenv = environ.Env()\nX = env.db()", ("DATABASE_URL", True, None, "db")),
        ("import environ\nenv = environ.Env()\nX = env('A', cast=int, default=1)", ("A", False, 1, "int")),
        ("import environ\nenv = environ.FileAwareEnv()\nX = env.str('A')", ("A", True, None, "str")),
        ("from environs import Env\nenv = Env()\nX = env.bool('A', False)", ("A", False, False, "bool")),
        ("from environs import Env\nenv = Env()\nwith env.prefixed('P_'):\n    X = env('A')", ("P_A", True, None, "")),
        ("from decouple import config\nX = config('A')", ("A", True, None, "")),
        ("from decouple import config\nX = config('A', default=False, cast=bool)", ("A", False, False, "bool")),
        ("from decouple import config, Csv\nX = config('A', cast=Csv())", ("A", True, None, "list")),
        ("from decouple import AutoConfig\nc = AutoConfig()\nX = c('A', 'b')", ("A", False, "b", "")),
        (
            "from starlette.config import Config\nc = Config('.env')\nX = c('A', cast=bool, default=True)",
            ("A", False, True, "bool"),
        ),
        ("import dj_database_url\nX = dj_database_url.config()", ("DATABASE_URL", False, None, "db")),
        (
            "import dj_database_url\nX = dj_database_url.config(env='A', default='sqlite://')",
            ("A", False, "sqlite://", "db"),
        ),
        (
            "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    a: str\nX = S().a",
            ("A", True, None, ""),
        ),
        (
            "from pydantic_settings import BaseSettings, SettingsConfigDict\nclass S(BaseSettings):\n"
            "    model_config = SettingsConfigDict(env_prefix='SHOP_')\n    debug: bool = False\nX = S().debug",
            ("SHOP_DEBUG", False, False, "bool"),
        ),
        (
            "from pydantic_settings import BaseSettings\nfrom pydantic import Field\nclass S(BaseSettings):\n"
            "    key: str = Field(validation_alias='A')\nX = S().key",
            ("A", True, None, ""),
        ),
        (
            "import os\ndef read(name, default=None):\n    return os.environ.get(name, default)\nX = read('A', 'b')",
            ("A", False, "b", ""),
        ),
        (
            "import os\ndef read(name):\n    try:\n        return os.environ[name]\n    except KeyError:\n"
            "        raise ValueError(f'set {name}')\nX = read('A')",
            ("A", True, None, ""),
        ),
        ("import os\ntry:\n    X = os.environ['A']\nexcept KeyError:\n    X = 'b'", ("A", False, None, "")),
        ("import os\nif not os.getenv('A'):\n    raise ValueError('set A')", ("A", True, None, "")),
        ("import os\nX = 1 if 'A' in os.environ else 2", ("A", False, None, "")),
    ],
)
def test_reads(text: str, expected: tuple[Any, ...]) -> None:
    evaluation = read(text)
    (found,) = {(one.name, one.required, one.default, one.cast) for one in evaluation.reads}
    assert found == expected


def test_the_place_of_a_helper_is_where_it_is_called() -> None:
    text = "import os\ndef read(name):\n    return os.environ[name]\n\nX = read('A')\n"
    (found,) = read(text).reads
    assert str(found.place) == "settings.py, line 5"


def test_a_helper_of_another_module() -> None:
    evaluation = read(
        "from conf.env import read\nX = read('A')\n",
        **{
            "conf/__init__.py": "",
            "conf/env.py": "import os\ndef read(name):\n    return os.environ[name]\n",
        },
    )
    assert [(one.name, one.required) for one in evaluation.reads] == [("A", True)]


def test_what_is_read_only_in_another_branch_is_optional() -> None:
    (first, second) = read("import os\nif os.getenv('S3'):\n    X = os.environ['BUCKET']\n").reads
    assert (first.name, first.optional, second.name, second.optional, second.required) == (
        "S3",
        False,
        "BUCKET",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("os.path.join(os.path.dirname(os.path.abspath(__file__)), 'x')", "/@releases@/@release@/app/x"),
        ("Path(__file__).resolve().parent / 'x' / '..' / 'y'", "/@releases@/@release@/app/y"),
        ("Path(__file__).parents[1] / 'x'", "/@releases@/@release@/x"),
        ("str(Path(__file__).parent.joinpath('x'))", "/@releases@/@release@/app/x"),
        ("f'sqlite:///{Path(__file__).parent}/db'", "sqlite:////@releases@/@release@/app/db"),
        ("(environ.Path(__file__) - 1)('x')", "/@releases@/@release@/app/x"),
        ("[part.strip() for part in 'a, b'.split(',') if part]", ["a", "b"]),
        ("list(map(str.strip, 'a, b'.split(',')))", ["a", "b"]),
        ("{'a': 1, **{'b': 2}}", {"a": 1, "b": 2}),
        ("'%s-%d' % ('a', 1)", "a-1"),
        ("['a'] + ['b'] if True else []", ["a", "b"]),
        ("len(sys.argv) > 1 and sys.argv[1] == 'test'", False),
        ("not compute()", UNKNOWN),
        ("compute() or 'a'", "a"),
        ("(lambda a: a + 'b')('a')", "ab"),
    ],
)
def test_values(expression: str, value: Any) -> None:
    evaluation = read(f"import os, sys, environ\nfrom pathlib import Path\nX = {expression}\n")
    assert evaluation.run("settings.py").get("X") == value


def test_settings_that_are_put_together() -> None:
    evaluation = read(
        "from base import *\nA += ['b']\nB['x']['y'] = 2\nfor name in ('c', 'd'):\n    A.append(name)\n"
        "try:\n    import missing\nexcept ImportError:\n    C = 1\nelse:\n    C = 2\n",
        **{"base.py": "A = ['a']\nB = {'x': {}}\n"},
    )
    scope = evaluation.run("settings.py")
    assert [scope.get(name) for name in "ABC"] == [["a", "b", "c", "d"], {"x": {"y": 2}}, 2]
    assert [str(scope.places[name]) for name in "AB"] == ["settings.py, line 2", "base.py, line 2"]


def test_split_settings() -> None:
    evaluation = read(
        "from split_settings.tools import include, optional\ninclude('parts/*.py', optional('local.py'))\n",
        **{"parts/a.py": "A = 1\n", "parts/b.py": "B = A + 1\n"},
    )
    assert evaluation.run("settings.py").get("B") == 2


def test_what_cannot_be_followed_is_left_out() -> None:
    text = "import dj_database_url\nX = dj_database_url.parse('postgres://[\"x\"]/y')\nY = {}[1:2]\nZ = 1\n"
    scope = read(text).run("settings.py")
    assert (scope.get("X"), scope.get("Z")) == (UNKNOWN, 1)


def test_endless_code_ends() -> None:
    assert read("def f(n):\n    return f(n + 1)\nX = f(1)\n").run("settings.py").get("X") is UNKNOWN
    read("import settings\nfrom settings import *\n")
    read("X = [y for y in range(10 ** 9)]\nY = 'a' * 10 ** 12\nZ = 2 ** 99999\n")
    assert read("X = 'a' * 3000000000\n").run("settings.py").get("X") is UNKNOWN
    assert read("X = 'ab'\nfor y in 'a' * 90:\n    pass\n" + "X += X\n" * 60).run("settings.py").get("X") is UNKNOWN


# What is proposed


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("os.environ.get('DEBUG', 'True') == 'True'", "False"),
        ("os.environ.get('DEBUG', '1') == '1'", "False"),
        ("bool(int(os.environ.get('DEBUG', 1)))", "0"),
        ("bool(os.environ.get('DEBUG', True))", ""),
        ("json.loads(os.environ.get('DEBUG', 'true'))", "false"),
        ("os.environ['DEBUG'].lower() in ('1', 'true')", "False"),
        ("config('DEBUG', default=True, cast=bool)", "False"),
        ("env.bool('DEBUG', True)", "False"),
        ("os.environ.get('DEBUG') != 'FALSE'", "FALSE"),
        ("os.environ.get('DEBUG') == 'on'", None),
        ("os.environ.get('DJANGO_ENV', 'dev') != 'production'", "production"),
    ],
)
def test_debug(line: str, value: str | None) -> None:
    more = f"import json, environ\nfrom decouple import config\nenv = environ.Env()\nDEBUG = {line}\n"
    found = proposed(with_settings(more))
    name = "DJANGO_ENV" if "DJANGO_ENV" in line else "DEBUG"
    assert found.get("site_environment", {}).get(name) == value
    assert "site_settings" not in found


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("os.environ['HOSTS'].split(',')", "shop.example.com"),
        ("os.environ.get('HOSTS', '').split()", "shop.example.com"),
        ("json.loads(os.environ.get('HOSTS', '[]'))", '["shop.example.com"]'),
        ("env.list('HOSTS', default=['localhost'])", "shop.example.com"),
        ("config('HOSTS', cast=Csv())", "shop.example.com"),
        ("config('HOSTS', cast=lambda v: [s.strip() for s in v.split(',')])", "shop.example.com"),
        ("[os.environ.get('SITE_DOMAIN', 'localhost')]", "shop.example.com"),
    ],
)
def test_allowed_hosts(line: str, value: str) -> None:
    more = f"import json, environ\nfrom decouple import config, Csv\nenv = environ.Env()\nALLOWED_HOSTS = {line}\n"
    found = proposed(with_settings(more))
    assert list(found["site_environment"].values()) == [value]
    assert "site_settings" not in found


def test_a_key_under_any_name() -> None:
    text = (START + SAFE).replace('os.environ["SECRET_KEY"]', 'os.getenv("SHOP_KEY", "unsafe")')
    assert proposed(inspect({"shop/settings.py": text}))["site_secrets"] == {"SHOP_KEY": KEY}


def test_what_is_read_without_debug() -> None:
    text = START + SAFE.replace("DEBUG = False", "DEBUG = os.getenv('DEBUG') != 'FALSE'")
    text = text.replace('os.environ["SECRET_KEY"]', '"hello!" if DEBUG else os.getenv("SHOP_KEY")')
    found = proposed(inspect({"shop/settings.py": text}))
    assert found["site_environment"] == {"DEBUG": "FALSE"}
    assert found["site_secrets"] == {"SHOP_KEY": KEY}
    assert "site_secret_settings" not in found


DATABASE = "import dj_database_url\nDATABASES = {'default': dj_database_url.config(default='sqlite:///db.sqlite3')}\n"


def test_the_database_follows_the_driver() -> None:
    found = proposed(with_settings(DATABASE))
    assert found["site_environment"] == {"DATABASE_URL": "sqlite:///@state@/db.sqlite3"}
    assert "site_shared_paths" not in found
    files = {"shop/settings.py": START + SAFE + DATABASE, "requirements.txt": "django\npsycopg[binary]\n"}
    found = proposed(inspect(files))
    assert found["site_environment"] == {"DATABASE_URL": "postgres:///shop"}
    assert found["site_services"] == ["postgresql"]
    found = proposed(inspect({**files, "requirements.txt": "django\nmysqlclient\n"}))
    assert found["site_secrets"]["DATABASE_URL"] == "<fill in: mysql://USER:PASSWORD@HOST/NAME>"


def test_the_parts_of_a_database() -> None:
    text = (
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ['PG_NAME'],\n"
        "    'USER': os.getenv('PG_USER', 'me'), 'PASSWORD': os.environ['PG_PASS'], 'HOST': "
        "os.getenv('PG_HOST', 'db'),\n"
        "    'PORT': os.getenv('PG_PORT', '5432')}}\n"
    )
    found = proposed(
        inspect({"shop/settings.py": START + SAFE + text, "requirements.txt": "django\npsycopg2-binary\n"})
    )
    assert found["site_environment"] == {"PG_NAME": "shop", "PG_USER": "shop", "PG_HOST": "/run/postgresql"}
    assert found["site_secrets"] == {"SECRET_KEY": KEY, "PG_PASS": ""}


def test_the_engine_of_a_database() -> None:
    text = (
        "DATABASES = {'default': {'ENGINE': os.environ['DB_ENGINE'], 'NAME': os.environ['DB_DATABASE'],\n"
        "    'USER': os.getenv('DB_USER', '')}}\n"
    )
    found = proposed(with_settings(text))
    assert found["site_environment"] == {"DB_ENGINE": "django.db.backends.sqlite3", "DB_DATABASE": "@state@/db.sqlite3"}
    found = proposed(
        inspect({"shop/settings.py": START + SAFE + text, "requirements.txt": "django\npsycopg2-binary\n"})
    )
    assert found["site_environment"] == {
        "DB_ENGINE": "django.db.backends.postgresql",
        "DB_DATABASE": "shop",
        "DB_USER": "shop",
    }


def test_a_database_behind_a_switch() -> None:
    text = (
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.getenv('DB_NAME', 'hc.sqlite')}}\n"
        "if os.getenv('DB') == 'postgres':\n"
        "    DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.getenv('DB_NAME', 'hc'),\n"
        "        'HOST': os.getenv('DB_HOST', ''), 'USER': os.getenv('DB_USER', 'postgres')}}\n"
    )
    packages = {"shop/settings.py": START + SAFE + text, "requirements.txt": "django\npsycopg2-binary\n"}
    found = proposed(inspect(packages))
    assert found["site_environment"] == {
        "DB": "postgres",
        "DB_NAME": "shop",
        "DB_HOST": "/run/postgresql",
        "DB_USER": "shop",
    }
    assert found["site_services"] == ["postgresql"]
    # Without a driver, SQLite stays, which needs no variable.
    assert not proposed(with_settings(text)).get("site_environment")


def test_redis() -> None:
    found = proposed(with_settings("CELERY_BROKER_URL = os.environ['REDIS_URL']\n"))
    assert found["site_environment"] == {"REDIS_URL": "redis://localhost:6379/0"}
    assert found["site_services"] == ["redis"]


@pytest.mark.parametrize(
    ("line", "variable", "value"),
    [
        ("os.environ['BASE_URL']", "site_environment", {"BASE_URL": "http://shop.example.com"}),
        (
            "os.getenv('SITE_URL', 'http://localhost:8000/x/')",
            "site_environment",
            {"SITE_URL": "http://shop.example.com/x/"},
        ),
        ("os.environ['DOMAIN_NAME']", "site_environment", {"DOMAIN_NAME": "shop.example.com"}),
        ("os.environ['EMAIL_HOST']", "site_environment", {"EMAIL_HOST": "localhost"}),
        ("os.environ['DEFAULT_FROM_EMAIL']", "site_environment", {"DEFAULT_FROM_EMAIL": "webmaster@shop.example.com"}),
        (
            "os.environ['GREETING']",
            "site_environment",
            {"GREETING": "<fill in: what shop/settings.py, line 14 expects>"},
        ),
        (
            "os.environ['STRIPE_API_KEY']",
            "site_secrets",
            {"SECRET_KEY": KEY, "STRIPE_API_KEY": "<fill in: a secret, which shop/settings.py, line 14 reads>"},
        ),
        ("os.environ['JWT_SIGNING_KEY']", "site_secrets", {"SECRET_KEY": KEY, "JWT_SIGNING_KEY": KEY}),
        ("os.getenv('GREETING', 'hello')", "site_environment", None),
        ("os.environ['HOME']", "site_environment", None),
    ],
)
def test_all_others(line: str, variable: str, value: Any) -> None:
    assert proposed(with_settings(f"SOMETHING = {line}\n")).get(variable) == value


def test_values_of_an_example_file() -> None:
    example = {".env.example": "# Comment\nexport GREETING='Good day'  # polite\nAPI_TOKEN=abc\n"}
    found = proposed(with_settings("A = os.environ['GREETING']\nB = os.environ['API_TOKEN']\n", **example))
    assert found["site_environment"] == {"GREETING": "Good day"}
    assert found["site_secrets"]["API_TOKEN"].startswith("<fill in: a secret")


def test_what_has_a_default_is_named() -> None:
    inspection = with_settings("A = os.getenv('COLOUR', 'red')\nif os.getenv('S3'):\n    B = os.environ['BUCKET']\n")
    assert of(inspection, "optional") == ["BUCKET, COLOUR, S3"]


def test_what_the_user_has_set_is_not_proposed() -> None:
    inspection = inspect({}, site_secrets={"SECRET_KEY": "?" * 50}, site_environment={"OTHER": "x"})
    assert proposed(inspection) == {"site_settings_module": "shop.settings"}


def test_code_of_the_project_gets_no_secrets() -> None:
    secrets = {"SECRET_KEY": "the real one", "DATABASE_URL": "postgres://shop:the-real-one@db.example.com/shop"}
    inspection = inspect({}, site_secrets=secrets, site_environment={"COLOUR": "red"})
    assert inspection.environment == {
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "postgres://db.example.com/shop",
        "COLOUR": "red",
    }


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "DB_PASSWORD", "API_KEY", "S3_SECRET_ACCESS_KEY", "SENTRY_DSN", "MAIL_PASS"]
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["DEBUG", "KEYBOARD", "SECRET_KEY_FILE", "PASSWORD_RESET_TIMEOUT", "TOKEN_EXPIRY", "PUBLIC_KEY"]
)
def test_names_of_others(name: str) -> None:
    assert not looks_secret(name)
