"""What pages answer to the health check and to visitors, and what the journal has of a page that fails."""

from __future__ import annotations

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

BOTH = ("gunicorn", "uwsgi")
FAILS = """
def fails(request):
    raise RuntimeError("no spokes")
"""
HEALTHY = """
from django.http import HttpResponse

urlpatterns.append(path("healthz/", lambda request: HttpResponse("healthy")))
"""
HOME_IS_A_TEMPLATE = """
from django.http import HttpResponse
from django.template import engines

HOME = engines["django"].from_string('''{template}''')
urlpatterns.append(path("", lambda request: HttpResponse(HOME.render({{}}, request))))
"""
SILENCED = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"nowhere": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["nowhere"]},
}
"""
HASHED = """
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
"""
# The cause comes with its traceback, in the refusal and in the journal of a live site.
TRACEBACK = ("Traceback (most recent call last)", "RuntimeError: no spokes")

KINDS = [
    Kind(
        "home_redirects_to_a_login",
        Live(visits=(Visit("/", 302, headers={"Location": "/login/"}), Visit("/login/", body="Please log in"))),
        urls="""
from django.http import HttpResponse
from django.shortcuts import redirect

urlpatterns += [path("", lambda request: redirect("/login/"))]
urlpatterns += [path("login/", lambda request: HttpResponse("Please log in"))]
""",
        host="bare",
    ),
    Kind(
        "redirects_to_https",
        Refused(shows=("https://refused.test/", "site_tls_certificate", "site_scheme")),
        settings="SECURE_SSL_REDIRECT = True\n",
        host="web12",
    ),
    # A status page that is healthy while every other page fails.
    Kind(
        "only_the_status_page_is_healthy",
        Refused(shows=("500", "site_health_home_page", *TRACEBACK)),
        urls=HEALTHY + FAILS + 'urlpatterns.append(path("", fails))\n',
        variables={"site_health_path": "/healthz/"},
        servers=BOTH,
        long=("uwsgi",),
        host="web12",
    ),
    Kind(
        "no_entry_in_the_static_manifest",
        Refused(shows=("500", "Missing staticfiles manifest entry for 'mysite.css'")),
        settings=HASHED,
        urls=HOME_IS_A_TEMPLATE.format(
            template='{% load static %}<link rel="stylesheet" href="{% static \'mysite.css\' %}">'
        ),
        host="web12",
    ),
    Kind(
        "home_names_a_file_that_is_missing",
        Refused(shows=("/static/mysite.css", "site_health_home_page")),
        urls=HOME_IS_A_TEMPLATE.format(template='<link rel="stylesheet" href="/static/mysite.css">'),
        host="web12",
    ),
    Kind(
        "home_names_a_missing_file_and_may",
        Live(visits=(Visit(body="/static/mysite.css"), Visit("/static/mysite.css", 404))),
        urls=HOME_IS_A_TEMPLATE.format(template='<link rel="stylesheet" href="/static/mysite.css">'),
        variables={"site_health_home_page": False},
        long=("gunicorn",),
    ),
    Kind(
        "a_page_fails",
        Live(visits=(Visit(body="at home"), Visit("/broken/", 500)), journal=TRACEBACK),
        urls=FAILS + 'urlpatterns.append(path("broken/", fails))\n',
        servers=BOTH,
        together="pages and headers",
    ),
    Kind(
        "a_page_fails_and_loggers_are_disabled",
        Live(visits=(Visit(body="at home"), Visit("/broken/", 500)), journal=TRACEBACK),
        settings=SILENCED,
        urls=FAILS + 'urlpatterns.append(path("broken/", fails))\n',
        servers=BOTH,
        long=("uwsgi",),
        together="a long domain without loggers",
    ),
    Kind(
        "home_fails_and_loggers_are_disabled",
        Refused(shows=("500", *TRACEBACK)),
        settings=SILENCED,
        urls=FAILS + 'urlpatterns.append(path("", fails))\n',
        servers=BOTH,
        # molecule/refuse has such a release, "raises in every view".
        long=BOTH,
        host="web12",
    ),
]
