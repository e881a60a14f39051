"""TensorFlow's names: `from dovetail import tf`."""

from dovetail.compat.tf import *  # noqa: F403
from dovetail.compat.tf import __version__ as __version__
