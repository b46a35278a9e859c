"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Ctrl-C reaches the processes that tests start, also when the tests themselves run as a shell's background job.

    Such a job has SIGINT ignored, and so would everything it starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
