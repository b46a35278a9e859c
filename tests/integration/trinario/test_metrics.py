"""What Prometheus sees of a system that runs, and that the files in deploy/ ask for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually

DEPLOY = Path(__file__).parents[3] / "deploy"
_NAME = re.compile(r"\b(?:trinario|rail|process)_[a-z_]+\b")

Scraped = dict[str, list[tuple[dict[str, str], float]]]


def _urls(trinario: Trinario) -> list[str]:
    found = trinario.run_file()
    page = found["console"].partition("/#")[0].rstrip("/")
    return [*found["rails"].values(), *found["bridges"].values(), found["router"], page]


async def _scraped(trinario: Trinario) -> Scraped:
    """Every sample of every daemon, by name; each daemon answers health and readiness, too."""
    found: Scraped = {}
    async with aiohttp.ClientSession() as http:
        for url in _urls(trinario):
            for path in ("healthz", "readyz"):
                async with http.get(f"{url}/{path}") as answer:
                    assert answer.status == 200, (url, path)
            async with http.get(f"{url}/metrics") as answer:
                assert answer.status == 200, url
                text = await answer.text()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _named(deployed: str) -> Iterator[str]:
    """The metrics that a file's expressions name."""
    text = (DEPLOY / deployed).read_text()
    pattern = r'"expr": "(.*)"' if deployed.endswith("json") else r"^ +expr: (.*)$"
    for expression in re.findall(pattern, text, re.MULTILINE):
        yield from _NAME.findall(expression)


def _total(scraped: Scraped, name: str, **labels: str) -> float:
    return sum(value for found, value in scraped[name] if labels.items() <= found.items())


async def test_what_happens_is_counted_and_named(town: Trinario) -> None:
    """A conversation shows up in counters and in the histogram of every hop."""
    before = await _scraped(town)
    await town.cli("send", "--as", "whatsapp:+393331112222", "--to", "instagram:@carla", "counted")

    async def counted() -> Scraped:
        now = await _scraped(town)
        for name, labels in (
            ("trinario_router_events_total", {"outcome": "routed"}),
            ("trinario_bridge_legs_total", {"rail": "instagram", "act": "post"}),
            ("trinario_bridge_webhooks_total", {"rail": "whatsapp", "answer": "taken"}),
            ("trinario_hop_seconds_count", {"hop": "accepted_routed"}),
            ("trinario_hop_seconds_count", {"hop": "routed_posted", "rail": "instagram"}),
        ):
            assert _total(now, name, **labels) > _total(before, name, **labels), (name, labels)
        return now

    now = await eventually(counted)
    assert _total(now, "trinario_hop_seconds_count", hop="posted_delivered") > 0
    assert _total(now, "trinario_bridge_state", state="connected") == 3
    assert _total(now, "trinario_router_partitions") == 16
    assert {labels["stream"] for labels, _ in now["trinario_stream_bytes"]} >= {"LOG", "DEAD", "IN_WHATSAPP"}


async def test_every_metric_of_alerts_and_dashboard_exists(town: Trinario) -> None:
    """A dashboard that asks for a metric nobody has is an empty picture, and an alert that does is silence."""

    async def all_there() -> None:
        scraped = await _scraped(town)
        for deployed in ("alerts.yml", "dashboard.json"):
            names = set(_named(deployed))
            assert len(names) > 5
            assert names <= scraped.keys(), f"{deployed}: {names - scraped.keys()}"

    await eventually(all_there)


def test_every_alert_says_what_to_do() -> None:
    """And its severity; the handbook has more."""
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule
        assert rule["annotations"]["summary"], rule
        assert rule["annotations"]["remedy"], rule
    assert yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]


def test_the_dashboard_is_one() -> None:
    """Panels do not overlap, and each has a question."""
    board: dict[str, Any] = json.loads((DEPLOY / "dashboard.json").read_text())
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(places) == len(set(places))
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])
