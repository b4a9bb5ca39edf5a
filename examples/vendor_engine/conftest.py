"""These tests need a device whose table in a device file runs the engine; without one they are not collected."""


def pytest_ignore_collect(collection_path, config):
    if collection_path.name == "test_vendor_engine.py" and not config.getoption("--edge-config"):
        return True
    return None
