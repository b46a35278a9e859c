"""A few counters in Prometheus' text form."""

from collections import Counter


class Metrics:
    """Counts by name and labels; `text` adds gauges that are read when asked for."""

    def __init__(self, *, rail: str) -> None:
        self._rail = rail
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, label: str = "", by: int = 1) -> None:
        self._counts[name, label] += by

    def text(self, gauges: dict[str, int]) -> str:
        lines = []
        names = sorted({name for name, _ in self._counts})
        for name in names:
            lines.append(f"# TYPE rail_{name}_total counter")
            for (counted, label), count in sorted(self._counts.items()):
                if counted == name:
                    kind = f',kind="{label}"' if label else ""
                    lines.append(f'rail_{name}_total{{rail="{self._rail}"{kind}}} {count}')
        for name, value in gauges.items():
            lines += [f"# TYPE rail_{name} gauge", f'rail_{name}{{rail="{self._rail}"}} {value}']
        return "\n".join(lines) + "\n"
