"""Lines of Prometheus' text format 0.0.4. Names get the prefix dockboard_."""

from collections.abc import Iterable


def head(name: str, kind: str, help: str) -> list[str]:
    return [f"# HELP dockboard_{name} {help}", f"# TYPE dockboard_{name} {kind}"]


def sample(name: str, value: float, **labels: str) -> str:
    text = ",".join(f'{label}="{content}"' for label, content in labels.items())
    return f"dockboard_{name}{'{' + text + '}' if text else ''} {value:.17g}"


def histogram(
    name: str, counts: Iterable[tuple[float, float]], seconds: float, total: float, **labels: str
) -> list[str]:
    """counts:

    (edge, how many lie between the edge before and this one), from the lowest edge. total: how many there are in all.
    """
    lines, below = [], 0.0
    for edge, count in counts:
        below += count
        lines.append(sample(f"{name}_bucket", below, **labels, le=str(edge)))
    lines.append(sample(f"{name}_bucket", total, **labels, le="+Inf"))
    return [*lines, sample(f"{name}_sum", seconds, **labels), sample(f"{name}_count", total, **labels)]
