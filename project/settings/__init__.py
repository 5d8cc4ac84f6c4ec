"""Every setting, from the environment; `.env.example` lists them with their defaults."""

from project.settings.api import *
from project.settings.celery import *
from project.settings.counting import *
from project.settings.django import *
from project.settings.logs import *
