# The article's TensorFlow program. Only the import lines differ from what you would write for TensorFlow,
# and the lines that fetch the digits: they ship with Dovetail, so the program runs as it is.
from dovetail import keras
from dovetail.datasets import Digits
from dovetail.keras import layers, models


def arrays(digits):
    x = digits.data.numpy().reshape(-1, 784).astype('float32') / 127.5 - 1
    return x, keras.utils.to_categorical(digits.targets.numpy(), 10)


keras.utils.set_random_seed(0)
x_train, y_train = arrays(Digits(train=True))
x_val, y_val = arrays(Digits(train=False))

model = models.Sequential([
    layers.Dense(64, activation='relu', input_shape=(784,)),
    layers.Dense(64, activation='relu'),
    layers.Dense(10, activation='softmax')
])
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.summary()

history = model.fit(x_train, y_train, epochs=20, batch_size=32, validation_data=(x_val, y_val))
print(f"accuracy on held-out digits: {history.history['val_accuracy'][-1]:.4f}")
