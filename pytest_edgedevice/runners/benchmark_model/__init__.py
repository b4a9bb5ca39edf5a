"""Models under the official ``benchmark_model``, TensorFlow Lite's or LiteRT's."""
