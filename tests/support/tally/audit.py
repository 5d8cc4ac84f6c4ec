"""`tally audit_minutes`, run in this process."""

from io import StringIO

from django.core.management import call_command


def audit(*arguments: str) -> tuple[int, str]:
    """Its exit status, and what it wrote."""
    output = StringIO()
    try:
        call_command("audit_minutes", *arguments, stdout=output, stderr=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()
