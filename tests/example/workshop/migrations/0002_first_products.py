"""Fill the shop window, so that the site is worth looking at after its first deployment."""

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PRODUCTS = (
    (
        "Refurbished city bicycle",
        "refurbished-city-bicycle",
        "One careful owner, seven gears, new tyres",
        "420",
        "bicycle",
        "Stripped to the frame, cleaned, and built up again with new cables, tyres and brake blocks. The "
        "hub gear is opened and oiled. Comes with a rack, a dynamo light and a free check after a hundred "
        "kilometres.",
    ),
    (
        "Full service",
        "full-service",
        "Every bearing, cable and bolt, back in two days",
        "85",
        "service",
        "We take it apart as far as it needs and put it together as it should be: bearings greased, "
        "wheels trued, gears and brakes adjusted. If we find anything that costs more, we ring you first.",
    ),
    (
        "Hand-built wheel",
        "hand-built-wheel",
        "Thirty-two spokes, laced and trued by hand",
        "160",
        "wheel",
        "Tell us how you ride and what you carry, and we choose rim, hub and spokes to suit. Tensioned "
        "evenly, relieved and trued three times, so that it stays round.",
    ),
    (
        "Leather saddle",
        "leather-saddle",
        "Hard for a month, yours for a lifetime",
        "95",
        "saddle",
        "Vegetable-tanned leather on a steel frame. Try the demonstration saddle for a week before you "
        "decide; we fit and set it to your height.",
    ),
    (
        "Brass bell",
        "brass-bell",
        "Clear, polite, heard across a square",
        "18.50",
        "bell",
        "Turned from solid brass, with one strike that rings for three seconds. Fits handlebars from 22 "
        "to 32 millimetres.",
    ),
    (
        "Puncture repair",
        "puncture-repair",
        "While you wait, with a coffee",
        "12",
        "repair",
        "We find the hole, and the thorn that made it, patch the tube and check the tyre inside and out. "
        "If the tube is past patching, a new one is included.",
    ),
)


def add_products(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add them in the order of the list."""
    product = apps.get_model("workshop", "Product")
    for position, (name, slug, summary, price, drawing, description) in enumerate(PRODUCTS, start=1):
        product.objects.using(schema_editor.connection.alias).create(
            name=name,
            slug=slug,
            summary=summary,
            description=description,
            price=Decimal(price),
            drawing=drawing,
            position=position,
        )


class Migration(migrations.Migration):
    """Going back leaves the products: enquiries may point at them."""

    dependencies = (("workshop", "0001_initial"),)

    operations = (migrations.RunPython(add_products, migrations.RunPython.noop),)
