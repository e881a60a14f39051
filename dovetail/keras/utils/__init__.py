"""keras.utils."""

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
from dovetail.keras.seeds import set_random_seed
from dovetail.keras.utils.arrays import normalize, to_categorical
