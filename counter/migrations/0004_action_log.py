"""Operators may read who did what."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MODEL, CODENAME = "logentry", "view_logentry"


def let_operators_read(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # Django makes permissions after all migrations, which is too late for a group that is to have them.
    alias = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    content_type, _ = content_types.get_or_create(app_label="admin", model=MODEL)
    permission, _ = (
        apps.get_model("auth", "Permission")
        .objects.using(alias)
        .get_or_create(content_type=content_type, codename=CODENAME, defaults={"name": "Can view log entry"})
    )
    group, _ = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="Operators")
    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("counter", "0003_counters"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [migrations.RunPython(let_operators_read, migrations.RunPython.noop)]
