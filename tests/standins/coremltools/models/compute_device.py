"""As in coremltools."""


class MLComputeDevice:
    """As in coremltools."""


class MLCPUComputeDevice(MLComputeDevice):
    """As in coremltools."""


class MLGPUComputeDevice(MLComputeDevice):
    """As in coremltools."""


class MLNeuralEngineComputeDevice(MLComputeDevice):
    """As in coremltools."""
