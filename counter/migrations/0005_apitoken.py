"""API tokens by their hashes. Those that lay there in the clear go on working, and lie there no more."""

import hashlib

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CLEAR = "authtoken_token"


def hash_clear_tokens(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # By SQL: the app that made the table is not installed any more.
    connection = schema_editor.connection
    tokens = apps.get_model("counter", "ApiToken").objects.using(connection.alias)
    with connection.cursor() as cursor:
        if CLEAR not in connection.introspection.table_names(cursor):
            return
        cursor.execute(f"SELECT key, user_id FROM {CLEAR}")  # noqa: S608  (a constant)
        for key, user in cursor.fetchall():
            digest = hashlib.sha256(key.encode()).hexdigest()
            tokens.create(digest=digest, name="made before tokens had names", user_id=user)
        cursor.execute(f"DELETE FROM {CLEAR}")  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [
        ("counter", "0004_action_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("name", models.CharField(help_text="who or what uses it", max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("read", "read: what the API says of minutes"),
                            ("accept", "accept: calls, where ACCEPT_TOKEN is set"),
                        ],
                        default="read",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="UTC; empty: never", null=True),
                ),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="it ends where this account does",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "ordering": ("-created_at",),
                "default_permissions": ("add", "view", "delete"),
            },
        ),
        migrations.RunPython(hash_clear_tokens, migrations.RunPython.noop),
    ]
