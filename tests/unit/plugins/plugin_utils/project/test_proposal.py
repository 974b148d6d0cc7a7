"""The proposed inventory is YAML that a deploy accepts, and the text fits a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.findings import Finding, is_placeholder
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.inspection import Inspection, site_name
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.proposal import Proposal
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import check_relations
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import read_roles
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.validation import PlayVariables, validate
from inspected import START, inspect, with_settings

ROLES = read_roles(Path(__file__).resolve().parents[5] / "roles")
DEFAULTS = {name: option.default for name, option in ROLES.options.items() if not option.required}
SOURCE = (("site_source_directory", "."),)


def proposal(inspection: Inspection, **options: Any) -> Proposal:
    return Proposal(inspection, SOURCE, "/srv/shop, 3f2a9c1d04ab", **options)


def filled(value: Any) -> Any:
    """Return a value with its placeholders replaced."""
    if isinstance(value, dict):
        return {name: filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return "x" * 50 if is_placeholder(value) else value


WORST = START + (
    "import dj_database_url\nDEBUG = True\nSECRET_KEY = os.environ['SECRET_KEY']\nALLOWED_HOSTS = []\n"
    "INSTALLED_APPS += ['compressor', 'sass_processor', 'django.contrib.gis']\n"
    "DATABASES = {'default': dj_database_url.config(), 'other': {'ENGINE': 'django.db.backends.sqlite3', "
    "'NAME': 'o.db'}}\n"
    "MEDIA_ROOT = BASE_DIR.parent / 'media'\nSECURE_SSL_REDIRECT = True\nGREETING = os.environ['GREETING']\n"
    "LOGGING = {'version': 1, 'handlers': {'f': {'class': 'logging.FileHandler', 'filename': 'shop.log'}}}\n"
    "from .secrets import *\nimport json\nVALUES = json.load(open('/etc/shop.json'))\n"
)
FILES = {
    "shop/settings.py": WORST,
    "requirements.txt": "django\nmysqlclient\npsycopg2\n",
    "package.json": '{"private": true, "scripts": {"build": "vite"}}',
    "locale/de/LC_MESSAGES/django.po": "",
    "Procfile": "worker: celery -A shop worker\n",
    "shop/wsgi.py": None,
    "deploy/wsgi.py": "application = 1\n",
}
KINDS: dict[str, dict[str, str | None]] = {
    "little": {},
    "nothing": dict.fromkeys(("manage.py", "requirements.txt", "shop/settings.py", "shop/wsgi.py")),
    "worst": dict(FILES),
    "background": {
        "shop/celery.py": "app = Celery('shop')\n",
        "shop/asgi.py": "application = ProtocolTypeRouter({'websocket': URLRouter([])})\n",
        "shop/settings.py": START
        + "CELERY_BEAT_SCHEDULE = {'a': {}}\nINSTALLED_APPS += ['django_rq', 'huey.contrib.djhuey']\n",
        "uwsgi.ini": "attach-daemon = ./manage.py bot\nattach-daemon = ./manage.py smtpd --port %(_)\n",
        "crontab": "@daily ./manage.py clearsessions\n*/5 * * * * ./manage.py tick\n",
    },
    "below": {"manage.py": None, "web/manage.py": "", "requirements.txt": None, "requirements/prod.txt": "django\n"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_inventory_that_a_deploy_accepts(kind: str) -> None:
    text = proposal(inspect(KINDS[kind])).inventory()
    inventory = yaml.safe_load(text)
    assert list(inventory["django"]["hosts"]) == ["www.example.com"]
    variables = inventory["django"]["vars"]
    variables.setdefault("site_settings_module", "shop.settings")  # A question, where the source has none.
    known = {name: filled(value) for name, value in variables.items() if name in ROLES.options}
    complaints, warning = validate(ROLES, PlayVariables({**DEFAULTS, **known}, names=known))
    assert ([str(complaint) for complaint in complaints], warning) == ([], "")


def test_placeholders_are_refused() -> None:
    variables = yaml.safe_load(proposal(inspect({})).inventory())["django"]["vars"]
    complaints, _warning = validate(ROLES, PlayVariables({**DEFAULTS, **variables}))
    assert [str(complaint) for complaint in complaints] == [
        "site_secrets: SECRET_KEY is still what pitcrew.django.inspect left open; fill in the output of python3 -c "
        "'import secrets; print(secrets.token_urlsafe(50))'"
    ]


def test_placeholders_of_processes_are_refused() -> None:
    processes = {
        "smtpd": {"command": "python manage.py smtpd --port '<fill in: PORT>'"},
        "rq": {"preset": "rq"},
        "django_q": {"preset": "django_q", "concurrency": "<fill in: the number of workers in Q_CLUSTER>"},
    }
    schedules = {"report": {"command": "python manage.py report '<fill in: MONTH>'", "calendar": "daily"}}
    found = [str(one) for one in check_relations({"site_processes": processes, "site_schedules": schedules})]
    assert [one for one in found if "left open" in one] == [
        "site_processes: smtpd is still what pitcrew.django.inspect left open; fill in PORT",
        "site_processes: django_q is still what pitcrew.django.inspect left open; fill in the number of workers in "
        "Q_CLUSTER",
        "site_schedules: report is still what pitcrew.django.inspect left open; fill in MONTH",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_fits_a_terminal(kind: str) -> None:
    found = proposal(inspect(KINDS[kind]))
    assert max(len(line) for line in found.text().splitlines()) <= 80
    assert max(len(line) for line in found.file().splitlines()) <= 80


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_the_inventory_and_comments(kind: str) -> None:
    found = proposal(inspect(KINDS[kind]))
    assert yaml.safe_load(found.file()) == yaml.safe_load(found.inventory())


def test_the_whole_text() -> None:
    inspection = with_settings(
        "CACHES = {}\nA = os.getenv('COLOUR', 'red')\n", Procfile="worker: ./manage.py rqworker\n"
    )
    assert (
        proposal(inspection, checked="Django confirms this.").text()
        == """\
/srv/shop, 3f2a9c1d04ab: manage.py with the settings shop.settings, packages
from requirements.txt. 6 variables proposed, 2 guesses among them; 1 to fill in,
0 questions left. Django confirms this.

Proposed inventory:

django:
  hosts:
    # The server, by the name that ssh reaches it by.
    www.example.com:
  vars:
    # Guess: names the site's user and its directories on the host.
    site_name: shop
    # Guess: fill in the names that visitors use.
    site_domains: [shop.example.com]
    # What was inspected.
    site_source_directory: .
    # wsgi.py names it (shop/wsgi.py, line 3).
    site_settings_module: shop.settings
    site_secrets:
      # SECRET_KEY is read from it (shop/settings.py, line 7).
      SECRET_KEY: >-
        <fill in: the output of python3 -c 'import secrets;
        print(secrets.token_urlsafe(50))'>
    # site_first_commands:
      # If wanted: an account for the admin, with DJANGO_SUPERUSER_USERNAME,
      # DJANGO_SUPERUSER_EMAIL and DJANGO_SUPERUSER_PASSWORD in site_secrets
      # (shop/settings.py, line 4).
      # - createsuperuser --noinput
    site_processes:
      # Procfile starts it as 'worker' (Procfile, line 1).
      rq: {preset: rq}

What a deploy would warn of, or what visitors would notice:
- CACHES is not set: each worker process has a cache of its own. Redis and
  Django's database cache are shared (shop/settings.py, line 14)

Also read from the environment, with a default:
- COLOUR
"""
    )


def test_each_item_of_a_list_has_its_reason() -> None:
    lines = proposal(inspect({"requirements.txt": "django\nmysqlclient\npython-magic\n"})).inventory().splitlines()
    first = lines.index("    site_system_packages:")
    assert lines[first + 1 : lines.index("    # site_first_commands:")] == [
        "      # mysqlclient is compiled on the host (requirements.txt, line 2).",
        "      - build-essential",
        "      - default-libmysqlclient-dev",
        "      - pkg-config",
        "      - python3-dev",
        "      # python-magic loads it when it runs (requirements.txt, line 3).",
        "      - libmagic1",
    ]


def test_what_the_user_has_set_is_left_out() -> None:
    inspection = inspect({}, site_name="store", site_settings_module="shop.settings")
    text = proposal(inspection, given=frozenset({"site_name", "site_settings_module"})).inventory()
    assert set(yaml.safe_load(text)["django"]["vars"]) == {
        "site_domains",
        "site_source_directory",
        "site_secrets",
        "site_settings",
    }


def test_what_the_user_may_want_is_left_out_where_that_is_decided() -> None:
    inspection = inspect({}, site_first_commands=["createsuperuser --noinput"])
    text = proposal(inspection, given=frozenset({"site_first_commands"})).inventory()
    assert "createsuperuser" not in text


def test_questions_of_the_host_are_listed() -> None:
    question = Finding("site_python", "", "web1 has no such Python", None, "question")
    text = proposal(inspect({}), more=(question,)).text()
    assert "Not found out:\n- site_python: web1 has no such Python\n" in text
    assert "1 question left" in text


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("/home/anna/shop", "shop"),
        ("https://git.example.com/anna/My_Shop.git", "my-shop"),
        ("git@git.example.com:shop.git", "shop"),
        ("/srv/djangoproject.com", "djangoproject"),
        ("/srv/3d-shop", "d-shop"),
        ("/srv/app", "appsite"),
        ("/", "mysite"),
        ("/srv/" + "a" * 40, "a" * 24),
        ("ß", "mysite"),
    ],
)
def test_names_of_sites(label: str, name: str) -> None:
    assert site_name(label) == name
