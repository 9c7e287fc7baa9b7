"""How ``rayllm status NAME`` shows a start."""

from rayllm_operator.cli.startup_report import start_lines

STARTUP = {
    "rayClusterName": "tiny-aaaaa",
    "code": "c0de",
    "generation": 3,
    "startedAt": "2026-11-23T12:00:00Z",
    "endedAt": "2026-11-23T12:01:00Z",
    "slowest": "Engine",
    "phases": [
        {"name": "Scheduling", "startedAt": "2026-11-23T12:00:00Z", "endedAt": "2026-11-23T12:00:06Z"},
        {
            "name": "Download",
            "startedAt": "2026-11-23T12:00:06Z",
            "endedAt": "2026-11-23T12:00:18Z",
            "bytesDone": 15_200_000_000,
            "bytesTotal": 15_200_000_000,
            "bytesPerSecond": 1_266_000_000,
        },
        {"name": "Engine", "startedAt": "2026-11-23T12:00:18Z", "endedAt": "2026-11-23T12:01:00Z"},
    ],
}


def test_each_phase_is_a_bar_with_its_seconds() -> None:
    assert list(start_lines(STARTUP)) == [
        "generation 3 on tiny-aaaaa, 2026-11-23T12:00:00Z: took 60 s",
        "Scheduling ###                                6 s",
        "Download      ######                         12 s  15.2 GB of 15.2 GB at 1.3 GB/s",
        "Engine              #####################    42 s  slowest",
    ]


def test_what_lasts_is_counted_until_now() -> None:
    lasting = {**STARTUP, "phases": [{"name": "Engine", "startedAt": "2026-11-23T12:00:18Z"}]}
    del lasting["endedAt"]
    first, engine = start_lines(lasting)
    assert ": lasts " in first
    assert engine.startswith("Engine")
    assert engine.endswith("slowest")
