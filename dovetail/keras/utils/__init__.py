"""keras.utils."""

from dovetail.keras.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from dovetail.keras.dtypes import standardize_dtype
from dovetail.keras.lookup import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from dovetail.keras.lookup import deserialize as deserialize_keras_object
from dovetail.keras.lookup import serialize as serialize_keras_object
from dovetail.keras.naming import clear_session
from dovetail.keras.seeds import set_random_seed
from dovetail.keras.symbolic import is_symbolic as is_keras_tensor
from dovetail.keras.utils.arrays import normalize, to_categorical
from dovetail.keras.utils.files import get_file
from dovetail.keras.utils.images import array_to_img, img_to_array, load_img, save_img
from dovetail.keras.utils.pipeline import Progbar, PyDataset, pack_x_y_sample_weight, unpack_x_y_sample_weight
from dovetail.keras.utils.series import pad_sequences, split_dataset, timeseries_dataset_from_array

Sequence = PyDataset
