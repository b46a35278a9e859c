"""What nats-server says of itself, as its supervisor takes it."""

from bus.server import Health, health_of

FROZEN = (
    '{"status":"unavailable","error":"JetStream stream \'$G > IN\' write error: write /data/nats/store/jetstream/$G/'
    'streams/IN/msgs/1.blk: no space left on device"}'
)


def test_what_an_answer_of_healthz_means() -> None:
    """A frozen stream is told from a server that only waits for the others of its cluster."""
    assert health_of(200, '{"status":"ok"}') is Health.WELL
    assert health_of(503, FROZEN) is Health.FROZEN
    assert health_of(503, '{"status":"unavailable","error":"JetStream not enabled (10076)"}') is Health.FROZEN
    assert health_of(503, '{"status":"unavailable","error":"no contact with meta leader"}') is Health.AWAY
