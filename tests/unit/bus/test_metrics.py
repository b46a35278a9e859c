"""Histograms, samples and their text."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bus.metrics import BOUNDS_S, METRICS, MOST_SAMPLED, Exporter, Histogram, Sample, sampled

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_a_histogram_counts_up_to_each_bound() -> None:
    """Buckets are cumulative; what is later than every bound is in the last; a clock set back counts as 0."""
    histogram = Histogram()
    for value_s in (-5.0, BOUNDS_S[0], 0.3, 10_000.0):
        histogram.observe(value_s)
    buckets = dict(histogram.buckets())
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["600"], buckets["+Inf"]) == (2, 2, 3, 3, 4)
    assert histogram.sum_s == BOUNDS_S[0] + 0.3 + 10_000.0


@given(st.integers(min_value=0, max_value=5000))
def test_few_of_many_are_sampled(count: int) -> None:
    """All of a few, 16 at most, the first always."""
    found = sampled(range(count))
    assert len(found) <= MOST_SAMPLED
    assert len(found) == count if count < MOST_SAMPLED else len(found) >= MOST_SAMPLED // 2
    assert not count or found[0] == 0


def test_samples_come_out_as_prometheus_reads_them() -> None:
    """Names, labels that need escaping, and all three kinds."""
    histogram = Histogram()
    histogram.observe(0.02)
    exporter = Exporter(
        lambda: [
            Sample("trinario_ready", 1),
            Sample("trinario_router_refused", 3, ('a "why"\nwith \\',)),
            Sample("trinario_hop_seconds", histogram, ("routed_posted", "whatsapp")),
        ]
    )
    text, content_type = exporter.written("text/plain")
    found = {s.name: s for family in text_string_to_metric_families(text.decode()) for s in family.samples}
    assert content_type.startswith("text/plain")
    assert found["trinario_ready"].value == 1
    assert found["trinario_router_refused_total"].labels == {"why": 'a "why"\nwith \\'}
    assert found["trinario_hop_seconds_sum"].value == 0.02
    assert found["process_resident_memory_bytes"].value > 0
    assert b"# EOF" in exporter.written("application/openmetrics-text; version=1.0.0")[0]


def test_every_metric_is_documented() -> None:
    """docs/metrics.md has each by its exported name, and no other."""
    rows = re.findall(r"^\| `(trinario_\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    exported = {(one.name + ("_total" if one.kind == "counter" else ""), one.kind) for one in METRICS.values()}
    assert set(rows) == exported
