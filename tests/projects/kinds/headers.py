"""Headers of the application: visitors get them as they are, however many."""

from __future__ import annotations

from kind import Kind, Live, Visit

__all__ = ["KINDS"]

KINDS = [
    Kind(
        "a_release_header_of_its_own",
        Live(visits=(Visit(body="at home", headers={"X-Release": "2026.11"}),)),
        urls="""
from django.http import HttpResponse

urlpatterns.append(path("", lambda request: HttpResponse("at home", headers={"X-Release": "2026.11"})))
""",
        servers=("gunicorn", "uwsgi"),
        together="pages and headers",
    ),
    Kind(
        "long_headers",
        Live(
            visits=(
                Visit("/headers/20/", headers={"X-Long-19": "x" * 1000}),
                Visit("/headers/30/", headers={"X-Long-29": "x" * 1000}),
            )
        ),
        urls="""
from django.http import HttpResponse

def headers(request, count):
    return HttpResponse("long", headers={f"X-Long-{number}": 1000 * "x" for number in range(count)})

urlpatterns.append(path("headers/<int:count>/", headers))
""",
        servers=("gunicorn", "uwsgi"),
        together="pages and headers",
    ),
]
