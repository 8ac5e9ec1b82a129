"""An app with one model for each way a model can come to have an UploadField.

Installed by `local.test_environment` under pytest and nowhere else. It has no migrations, so the
test database gets its tables as they are declared.
"""
