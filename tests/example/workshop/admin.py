"""The back room."""

from django.contrib import admin

from workshop.models import Enquiry, Product

admin.site.site_header = "Spoke & Spanner"
admin.site.site_title = "Spoke & Spanner"


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """The shop window."""

    list_display = ("name", "price", "position")
    list_editable = ("position",)
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 - Django reads it once
    search_fields = ("name", "summary")


@admin.register(Enquiry)
class EnquiryAdmin(admin.ModelAdmin):
    """What visitors asked; only the answer is ours to change."""

    list_display = ("name", "product", "received", "answered")
    list_filter = ("answered", "product")
    list_select_related = ("product",)
    readonly_fields = ("product", "name", "email", "message", "photograph", "received")
    search_fields = ("name", "email", "message")

    def has_add_permission(self, request: object) -> bool:
        """Enquiries come from the site."""
        return False
