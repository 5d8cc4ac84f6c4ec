"""A row for each minute of each counter, in a table that the version before goes on to read and write."""

import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("counter", "0002_console")]

    operations = [
        migrations.RenameField("publishedminute", "minute", "key"),
        migrations.AlterField(
            "publishedminute",
            "key",
            models.CharField(
                db_column="minute",
                help_text="of the record",
                max_length=80,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.AddField(
            "publishedminute",
            "counter",
            models.CharField(
                blank=True, db_default="", default="", help_text="empty: the default one", max_length=63
            ),
        ),
        migrations.AddField(
            "publishedminute",
            "minute",
            models.GeneratedField(
                db_column="minute_of_key",
                db_persist=True,
                expression=django.db.models.functions.text.Right("key", 12),
                output_field=models.CharField(max_length=12),
            ),
        ),
        migrations.AlterModelOptions(
            "publishedminute", {"default_permissions": ("view",), "ordering": ("-minute", "counter")}
        ),
        migrations.AddIndex(
            "publishedminute",
            models.Index(fields=["counter", "-minute"], name="minutes_of_counter"),
        ),
    ]
