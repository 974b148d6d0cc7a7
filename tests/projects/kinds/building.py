"""What has to be built from the source, and what a project expects beside it: files, directories, places."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

NODE = "22.20.0"
INTEGRITY = "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng=="
PACKAGE = {
    "name": "mysite",
    "version": "1.0.0",
    "private": True,
    "scripts": {"build": "node build.js"},
    "devDependencies": {"is-number": "7.0.0"},
}
LOCK = {
    "name": "mysite",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "mysite", "version": "1.0.0", "devDependencies": {"is-number": "7.0.0"}},
        "node_modules/is-number": {
            "version": "7.0.0",
            "integrity": INTEGRITY,
            "dev": True,
            "engines": {"node": ">=0.12.0"},
        },
    },
}
BUILD_JS = """
const fs = require("fs");
if (!require("is-number")(7)) process.exit(1);
fs.mkdirSync("../assets", { recursive: true });
fs.writeFileSync("../assets/app.js", "window.built = 'by npm';\\n");
"""
MESSAGES = (
    'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Thursday"\nmsgstr "Donnerstagabend"\n'
)


def frontend(project: Path) -> None:
    """Add a package of npm beside the project, whose script writes a script for visitors."""
    directory = project / "frontend"
    directory.mkdir()
    (directory / "package.json").write_text(json.dumps(PACKAGE), encoding="utf-8")
    (directory / "package-lock.json").write_text(json.dumps(LOCK), encoding="utf-8")
    (directory / "build.js").write_text(BUILD_JS, encoding="utf-8")


def messages(project: Path) -> None:
    """Add translations, not compiled, as most keep them in git."""
    directory = project / "locale/de/LC_MESSAGES"
    directory.mkdir(parents=True)
    (directory / "django.po").write_text(MESSAGES, encoding="utf-8")


def template(project: Path, name: str, text: str) -> None:
    """Add a template."""
    directory = project / "mysite/templates"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")


def styles(project: Path) -> None:
    """Add a stylesheet in SCSS, and a template that names it."""
    directory = project / "mysite/static/mysite"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "site.scss").write_text("$colour: #123456;\nbody { p { color: $colour; } }\n", encoding="utf-8")
    template(project, "styled.html", "{% load sass_tags %}{% sass_src 'mysite/site.scss' %}")


def compressed(project: Path) -> None:
    """Add a template that names stylesheets which are one file later."""
    directory = project / "mysite/static/mysite"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "one.css").write_text("h1 { color: #654321; }\n", encoding="utf-8")
    template(
        project,
        "compressed.html",
        "{% load compress static %}{% compress css %}"
        '<link rel="stylesheet" href="{% static \'mysite/one.css\' %}">{% endcompress %}',
    )


def of(*parts: Callable[[Path], None]) -> Callable[[Path], None]:
    """Make one change of several."""

    def reshape(project: Path) -> None:
        for part in parts:
            part(project)

    return reshape


NPM: dict[str, Any] = {
    "reshape": frontend,
    "settings": 'STATICFILES_DIRS = [BASE_DIR / "assets"]\n',
    "variables": {"site_node_version": NODE},
    "inspected": True,
}
NPM_VISIT = Visit("/static/app.js", body="by npm")
TRANSLATED: dict[str, Any] = {
    "reshape": messages,
    "settings": 'LANGUAGE_CODE = "de"\nLOCALE_PATHS = [BASE_DIR / "locale"]\n',
    "urls": """
from django.http import HttpResponse
from django.utils.translation import gettext

urlpatterns += [path("day/", lambda request: HttpResponse(gettext("Thursday")))]
""",
    "inspected": True,
}
TRANSLATED_VISIT = Visit("/day/", body="Donnerstagabend")
SASS: dict[str, Any] = {
    "reshape": styles,
    "requirements": "django-sass-processor==1.4.2\nlibsass==0.23.0\ndjango-compressor==4.6.0\n",
    "settings": """
INSTALLED_APPS += ["sass_processor", "mysite"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "sass_processor.finders.CssFinder",
]
""",
    "urls": """
from django.shortcuts import render

urlpatterns += [path("sass/", lambda request: render(request, "styled.html"))]
""",
    "inspected": True,
}
COMPRESSED: dict[str, Any] = {
    "reshape": compressed,
    "requirements": "django-compressor==4.6.0\n",
    "settings": """
INSTALLED_APPS += ["compressor", "mysite"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "compressor.finders.CompressorFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
COMPRESS_OFFLINE = True
""",
    "urls": """
from django.shortcuts import render

urlpatterns += [path("compressed/", lambda request: render(request, "compressed.html"))]
""",
    "inspected": True,
}
SHOWN = """
import os
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse

def shown(request):
    Path(settings.INCOMING, "written").write_text("by the site")
    try:
        Path("imports/written").write_text("")
    except OSError as error:
        refused = error.strerror
    return HttpResponse("\\n".join([settings.GREETING, settings.INCOMING, os.environ["PLACE"], refused]))

urlpatterns += [path("files/", shown)]
"""
FILES: dict[str, Any] = {
    "settings": "from . import local_settings\nfrom .local_settings import *\n",
    "urls": SHOWN,
    "variables": {
        "site_secrets": {"GREETING_KEY": "a greeting that is secret"},
        "site_files": {
            "mysite/local_settings.py": "GREETING = 'a greeting that is secret'[2:10]\nINCOMING = '@state@/incoming'\n"
        },
        "site_directories": ["imports", "@state@/incoming"],
        "site_environment": {"PLACE": "@project@/imports"},
    },
}
FILES_VISIT = Visit("/files/", body="greeting\n/var/lib/live/incoming\n/srv/live/releases/")
KINDS = [
    # All of it in one project; the kinds below have each of it alone.
    Kind(
        "much_to_build",
        Live(
            visits=(
                NPM_VISIT,
                TRANSLATED_VISIT,
                FILES_VISIT,
                Visit("/sass/", body="/static/mysite/site"),
                Visit("/static/mysite/site.css", body="color:"),
                Visit("/compressed/", body="/static/CACHE/css/"),
            ),
            never=("a greeting that is secret",),
        ),
        reshape=of(frontend, messages, styles, compressed),
        requirements=SASS["requirements"],
        settings=COMPRESSED["settings"]
        + 'INSTALLED_APPS += ["sass_processor"]\n'
        + 'STATICFILES_FINDERS += ["django.contrib.staticfiles.finders.FileSystemFinder", '
        + '"sass_processor.finders.CssFinder"]\n'
        + NPM["settings"]
        + TRANSLATED["settings"]
        + FILES["settings"],
        urls=TRANSLATED["urls"] + SASS["urls"] + COMPRESSED["urls"] + FILES["urls"],
        variables={
            **FILES["variables"],
            "site_node_version": NODE,
        },
        inspected=True,
    ),
    Kind(
        "npm_build",
        Live(visits=(Visit(), NPM_VISIT)),
        long=("gunicorn",),
        **NPM,
    ),
    # The distribution's Node.
    Kind(
        "npm_build_of_the_distribution",
        Live(visits=(Visit(), NPM_VISIT)),
        long=("gunicorn",),
        **{**NPM, "variables": {}},
    ),
    Kind(
        "compiled_messages",
        Live(visits=(Visit(), TRANSLATED_VISIT)),
        long=("gunicorn",),
        **TRANSLATED,
    ),
    Kind(
        "sass",
        Live(visits=(Visit(), Visit("/static/mysite/site.css", body="color:"))),
        long=("gunicorn",),
        **SASS,
    ),
    Kind(
        "offline_compression",
        Live(visits=(Visit(), Visit("/compressed/", body="/static/CACHE/css/"))),
        long=("gunicorn",),
        **COMPRESSED,
    ),
    Kind(
        "configuration_file_with_a_secret",
        Live(visits=(Visit(), FILES_VISIT), never=("a greeting that is secret",)),
        long=("gunicorn",),
        inspected=True,
        **FILES,
    ),
    Kind(
        "a_build_that_fails",
        Refused(shows=("site_build[1]", "npm", "no script named build", "npm run prod", "site_build")),
        reshape=lambda project: (project / "package.json").write_text('{"scripts": {"prod": "true"}}') and None,
        variables={"site_build": ["true", "npm"], "site_node_version": NODE},
        long=("gunicorn",),
    ),
    # No network, no way to write elsewhere, and no more time than it has.
    Kind(
        "a_build_that_tries_too_much",
        Refused(shows=("site_build[0]", "network: true")),
        variables={
            "site_build": ["touch /var/lib/refused/x && exit 0; touch /srv/refused/x && exit 0; curl -sS example.org"]
        },
        host="web12",
    ),
    Kind(
        "bad_variables_of_a_build",
        Refused(
            shows=("compilemessage", "compilemessages", "../../etc", "manage.py", "@stat@", "@state@", "shop.j2", "22"),
            untouched=True,
        ),
        variables={
            "site_build": ["compilemessage", {"preset": "npm", "directory": "../../etc"}],
            "site_node_version": "22",
            "site_files": {"manage.py": "", "mysite/local.py": {"template": "shop.j2"}},
            "site_settings": {"MEDIA_ROOT": "@stat@/media"},
        },
        host="web12",
    ),
]
