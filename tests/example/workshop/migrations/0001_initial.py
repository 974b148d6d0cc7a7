"""The tables of the shop."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import workshop.photographs


class Migration(migrations.Migration):
    """Create both tables."""

    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(max_length=80)),
                ("slug", models.SlugField(unique=True)),
                ("summary", models.CharField(max_length=120)),
                ("description", models.TextField()),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
                (
                    "drawing",
                    models.CharField(
                        choices=[
                            ("bell", "Bell"),
                            ("bicycle", "Bicycle"),
                            ("repair", "Repair"),
                            ("saddle", "Saddle"),
                            ("service", "Service"),
                            ("wheel", "Wheel"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "photograph",
                    models.ImageField(
                        blank=True,
                        help_text="Shown instead of the drawing.",
                        upload_to="products/",
                        validators=[
                            django.core.validators.FileExtensionValidator(["jpg", "jpeg", "png", "webp"]),
                            workshop.photographs.at_most_five_megabytes,
                        ],
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(default=0, help_text="Low numbers come first."),
                ),
            ],
            options={
                "ordering": ("position", "name"),
            },
        ),
        migrations.CreateModel(
            name="Enquiry",
            fields=[
                (
                    "reference",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=80, verbose_name="your name")),
                ("email", models.EmailField(max_length=254, verbose_name="your e-mail address")),
                ("message", models.TextField(max_length=2000, verbose_name="what can we do for you?")),
                (
                    "photograph",
                    models.ImageField(
                        blank=True,
                        help_text="JPEG, PNG or WebP, up to 5 MB.",
                        upload_to=workshop.photographs.enquiry_photograph,
                        validators=[
                            django.core.validators.FileExtensionValidator(["jpg", "jpeg", "png", "webp"]),
                            workshop.photographs.at_most_five_megabytes,
                        ],
                        verbose_name="a photograph, if it helps",
                    ),
                ),
                ("received", models.DateTimeField(auto_now_add=True)),
                ("answered", models.BooleanField(default=False)),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="enquiries",
                        to="workshop.product",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "enquiries",
                "ordering": ("-received",),
            },
        ),
    )
