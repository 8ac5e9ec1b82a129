"""The service's settings with less patience, since these tests wait for what never comes."""

from config.settings import *  # noqa: F403
from config.settings import SIGN_S3 as _SIGN_S3

SIGN_S3 = {**_SIGN_S3, "connect_timeout": 1.0, "read_timeout": 1.0, "max_attempts": 2}
