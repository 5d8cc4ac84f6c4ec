"""The Django project: settings, urls, and how the processes are put together."""

from project.celery import app as celery_app

__all__ = ("celery_app",)
