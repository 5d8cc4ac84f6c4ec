"""What the console needs: a time to search by, and the permissions to look and to act."""

from datetime import UTC, datetime

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

VIEW = {("publishedminute", "view_publishedminute"), ("pendingminute", "view_pendingminute")}
FLUSH = {("pendingminute", "flush_pendingminute")}
GROUPS = {"Viewers": VIEW, "Operators": VIEW | FLUSH}
NAMES = {
    "view_publishedminute": "Can view published minute",
    "view_pendingminute": "Can view pending minute",
    "flush_pendingminute": "Can have closed minutes published now",
}


def fill_start(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("counter", "PublishedMinute").objects.using(schema_editor.connection.alias)
    for row in rows.iterator():
        row.start = datetime.strptime(row.minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
        row.save(update_fields=["start"])


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # Django makes permissions after all migrations, which is too late for a group that is to have them.
    alias = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for name, codenames in GROUPS.items():
        group, _ = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        for model, codename in codenames:
            content_type, _ = content_types.get_or_create(app_label="counter", model=model)
            permission, _ = permissions.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": NAMES[codename]}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("counter", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="PendingMinute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                )
            ],
            options={
                "permissions": (("flush_pendingminute", "Can have closed minutes published now"),),
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.AlterModelOptions(
            name="publishedminute",
            options={"ordering": ("-minute",), "default_permissions": ("view",)},
        ),
        migrations.AddField(
            model_name="publishedminute",
            name="start",
            field=models.DateTimeField(
                db_index=True,
                default=django.utils.timezone.now,
                help_text="the same as a time, to search by",
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="publishedminute",
            name="published_at",
            field=models.DateTimeField(db_index=True),
        ),
        migrations.AlterField(
            model_name="publishedminute",
            name="attempts",
            field=models.PositiveIntegerField(
                help_text="transactions begun for it; 0 where only the topic is left to tell, which can't"
            ),
        ),
        migrations.RunPython(fill_start, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
