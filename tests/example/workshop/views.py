"""The pages of the shop, and its health."""

import logging

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from workshop.forms import EnquiryForm
from workshop.models import Enquiry, Product

logger = logging.getLogger(__name__)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the shop window."""
    return render(request, "workshop/home.html", {"products": Product.objects.all()})


@require_http_methods(["GET", "HEAD", "POST"])
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one product; take an enquiry about it."""
    shown = get_object_or_404(Product, slug=slug)
    form = EnquiryForm(request.POST or None, request.FILES or None, instance=Enquiry(product=shown), label_suffix="")
    if request.method == "POST" and form.is_valid():
        return redirect(form.save())
    status = 422 if form.errors else 200
    return render(request, "workshop/product.html", {"product": shown, "form": form}, status=status)


@require_safe
@never_cache
def enquiry(request: HttpRequest, reference: str) -> HttpResponse:
    """Show a visitor what we received."""
    shown = get_object_or_404(Enquiry.objects.select_related("product"), pk=reference)
    return render(request, "workshop/enquiry.html", {"enquiry": shown})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Say whether this process can serve a page: 200 or 503, with the release."""
    try:
        # A table of the site's own, for a database without its migrations is no good either.
        Product.objects.exists()
    except DatabaseError:
        logger.exception("The database does not answer.")
        return JsonResponse({"status": "no database", "release": settings.RELEASE}, status=503)
    return JsonResponse({"status": "ok", "release": settings.RELEASE})
