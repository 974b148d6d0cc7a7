"""Jobs, runs and ticks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The three tables."""

    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch", models.CharField(db_index=True, max_length=40)),
                ("product", models.CharField(max_length=20)),
                ("seconds", models.FloatField()),
                ("queued", models.DateTimeField(auto_now_add=True)),
                ("taken", models.BooleanField(default=False)),
                ("held", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.ForeignKey(on_delete=models.CASCADE, related_name="runs", to="runs.job")),
                ("release", models.CharField(max_length=100)),
                ("code_began", models.CharField(max_length=64)),
                ("code_ended", models.CharField(blank=True, max_length=64)),
                ("unit", models.CharField(max_length=100)),
                ("pid", models.IntegerField()),
                ("began", models.DateTimeField(auto_now_add=True)),
                ("ended", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Tick",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=40)),
                ("sent", models.DateTimeField()),
                ("release", models.CharField(max_length=100)),
                ("unit", models.CharField(max_length=100)),
            ],
        ),
    )
