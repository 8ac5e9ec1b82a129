"""Accounts, sign-ins and tokens."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
