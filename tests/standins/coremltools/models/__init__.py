"""As in coremltools."""

from coremltools.models._compiled_model import CompiledMLModel
from coremltools.models.model import MLModel

__all__ = ["CompiledMLModel", "MLModel"]
