def pytest_configure(config):
    config.addinivalue_line("markers", "waits: takes seconds of waiting, little of computing")
