"""The token bucket that keeps redrives from overloading a rail."""

from bridges.kit.redrive import Bucket


def test_a_burst_goes_and_then_so_many_a_second() -> None:
    """Who has to wait is told how long, and gets a token then; a long rest gives no more than the burst."""
    now_s = [100.0]
    bucket = Bucket(rate_per_s=5, burst=20, clock_s=lambda: now_s[0])
    assert [bucket.wait_s() for _ in range(20)] == [0.0] * 20
    wait_s = bucket.wait_s()
    assert 0 < wait_s <= 0.2
    now_s[0] += wait_s + 1e-9
    assert bucket.wait_s() == 0
    assert bucket.wait_s() > 0
    now_s[0] += 3600
    assert [bucket.wait_s() > 0 for _ in range(21)] == [False] * 20 + [True]
