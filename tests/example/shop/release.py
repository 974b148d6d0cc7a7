"""Say which release answers: in a header of every response, and to the templates."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def release_header(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that adds X-Release."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["X-Release"] = settings.RELEASE
        return response

    return middleware


def release_name(request: HttpRequest) -> dict[str, str]:
    """Context processor that gives templates the variable `release`."""
    return {"release": settings.RELEASE}
