"""Django REST framework with its database token, boto3 and a row for every upload.

Started as ``django-admin startproject`` would have it, with `rest_framework.authtoken` and one app.
"""
