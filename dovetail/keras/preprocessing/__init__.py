"""keras.preprocessing: older names of what keras.utils has."""

from dovetail.keras.preprocessing import image, sequence
from dovetail.keras.utils.series import timeseries_dataset_from_array
