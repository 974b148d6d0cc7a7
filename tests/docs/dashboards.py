"""Write the dashboards of the role monitoring (`make docs`). A unit test checks that they are current.

Grafana's own library builds them, so that the files have the form that Grafana itself saves. A panel is a title, a
unit, queries by their legends, and a sentence that says what it shows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
    VariableSort,
)

DIRECTORY = Path(__file__).parents[2] / "roles/monitoring/files/dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24

# What a query selects: the site, its hosts, and the slot that serves visitors.
SITE = 'site="$site", instance=~"$instance"'
HOST = 'instance=~"$instance"'
LIVE = "and on (site, instance, slot) pitcrew_slot_live == 1"
RATE = "$__rate_interval"

COUNT = f"pitcrew_request_duration_seconds_count{{{SITE}}}"
RELEASES = (
    f"1000 * pitcrew_release_live_timestamp_seconds{{{SITE}}} * on (site, instance) group_left (release) "
    f"(pitcrew_release_info {LIVE})"
)


@dataclass(frozen=True)
class Panel:
    """What one panel shows: queries by their legends, in one unit of Grafana's."""

    title: str
    unit: str
    queries: dict[str, str]
    text: str
    width: int = 12
    is_stat: bool = False
    stacked: bool = False
    least: float | None = 0

    def built(self) -> Any:
        """Build it."""
        if self.is_stat:
            panel: Any = (
                stat.Panel()
                .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
                .graph_mode(kinds.BigValueGraphMode.AREA)
                .height(5)
            )
        else:
            panel = (
                timeseries.Panel()
                .legend(
                    common.VizLegendOptions()
                    .display_mode(kinds.LegendDisplayMode.TABLE)
                    .placement(kinds.LegendPlacement.BOTTOM)
                    .show_legend(True)
                    .calcs(["lastNotNull", "max"])
                )
                .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
                .fill_opacity(25 if self.stacked else 5)
                .height(9)
            )
            if self.stacked:
                panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
        if self.least is not None:
            panel.min(self.least)
        panel.title(self.title).description(self.text).unit(self.unit).span(self.width).datasource(SOURCE)
        for letter, (legend, query) in zip("ABCDEF", self.queries.items(), strict=False):
            panel.with_target(
                prometheus.Dataquery()
                .expr(query)
                .legend_format(legend)
                .ref_id(letter)
                .range()
                .datasource({"type": SOURCE.type_val, "uid": SOURCE.uid})
            )
        return panel


def figure(title: str, unit: str, query: str, text: str, legend: str = "{{instance}}") -> Panel:
    """Give a panel with one number for each host."""
    return Panel(title, unit, {legend: query}, text, width=4, is_stat=True)


def quantile(part: str, metric: str, by: str = "le") -> str:
    """Give a percentile of a histogram."""
    return f"histogram_quantile({part}, sum by ({by}) (rate({metric}_bucket{{{SITE}}}[{RATE}])))"


GLANCE = (
    figure(
        "Healthy for visitors",
        "percentunit",
        'avg by (site) (probe_success{site="$site"})',
        "The part of the site's addresses that answer a monitoring host as they should, asked as visitors ask.",
        legend="{{site}}",
    ),
    figure("Requests", "reqps", f"sum by (instance) (rate({COUNT}[{RATE}]))", "Requests that Django answers."),
    figure(
        "Errors",
        "percentunit",
        f'(sum by (instance) (rate(pitcrew_request_duration_seconds_count{{{SITE}, status="5xx"}}[{RATE}]))'
        f" or 0 * sum by (instance) (rate({COUNT}[{RATE}]))) / (sum by (instance) (rate({COUNT}[{RATE}])) > 0)",
        "The part of them with a status of 500 or above. Alert: SiteErrors.",
    ),
    figure(
        "99 % are answered within",
        "s",
        quantile("0.99", "pitcrew_request_duration_seconds", "instance, le"),
        "Without the time in the queue. Alert: SiteSlow.",
    ),
    figure(
        "Busy request slots",
        "percentunit",
        f"sum by (instance) (pitcrew_requests_in_progress{{{SITE}}} {LIVE})"
        f" / on (instance) pitcrew_plan_request_slots{{{SITE}}}",
        "Requests that are being handled, of those that can be at a time. Alert: SiteSaturated.",
    ),
    figure(
        "Last deploy",
        "bool_yes_no",
        f"pitcrew_deploy_success{{{SITE}}}",
        "Whether it succeeded. Alert: SiteDeployFailed.",
    ),
    Panel(
        "Requests by status",
        "reqps",
        {"{{status}}": f"sum by (status) (rate({COUNT}[{RATE}]))"},
        "Requests that Django answers; static files are in the dashboard of nginx.",
        stacked=True,
    ),
    Panel(
        "Response times",
        "s",
        {
            "50 %": quantile("0.5", "pitcrew_request_duration_seconds"),
            "95 %": quantile("0.95", "pitcrew_request_duration_seconds"),
            "99 %": quantile("0.99", "pitcrew_request_duration_seconds"),
        },
        "How long requests take in their worker, without the queue.",
    ),
    Panel(
        "Time in the queue",
        "s",
        {
            "50 %": quantile("0.5", "pitcrew_request_queue_seconds"),
            "95 %": quantile("0.95", "pitcrew_request_queue_seconds"),
            "99 %": quantile("0.99", "pitcrew_request_queue_seconds"),
        },
        "From nginx to a worker. Alert: SiteQueueSlow.",
    ),
    Panel(
        "Connections in the listen queue",
        "short",
        {"{{instance}} {{slot}}": f"pitcrew_listen_queue{{{SITE}}}"},
        "They wait for a worker to accept them. Alert: SiteQueueFilling.",
    ),
    Panel(
        "Busiest pages",
        "percentunit",
        {
            "{{route}}": f"topk(10, sum by (route) (rate(pitcrew_request_duration_seconds_sum{{{SITE}}}[{RATE}])))",
        },
        "Request slots that each page keeps busy on average: requests per second times their duration.",
        stacked=True,
    ),
    Panel(
        "CPU by page",
        "percentunit",
        {"{{route}}": f"topk(10, sum by (route) (rate(pitcrew_request_cpu_seconds_total{{{SITE}}}[{RATE}])))"},
        "CPUs that each page keeps busy.",
        stacked=True,
    ),
)

PLAN = (
    Panel(
        "Rate",
        "reqps",
        {
            "{{instance}}": f"sum by (instance) (rate({COUNT}[{RATE}]))",
            "planned for {{instance}}": f"pitcrew_plan_requests_per_second{{{SITE}}}",
        },
        "The planned rate is what the site answers with room to spare.",
    ),
    Panel(
        "99 % are answered within",
        "s",
        {
            "{{instance}}": f"instance:pitcrew_request_duration_seconds:p99{{{SITE}}}",
            "planned for {{instance}}": f"pitcrew_plan_p99_seconds{{{SITE}}}",
        },
        "The plan counts the queue too, and holds at the planned rate. Alert: SiteSlow, at twice the plan.",
    ),
    Panel(
        "Requests at a time",
        "short",
        {
            "{{instance}}": f"sum by (instance) (pitcrew_requests_in_progress{{{SITE}}} {LIVE})",
            "planned for {{instance}}": f"pitcrew_plan_request_slots{{{SITE}}}",
        },
        "Busy request slots, and how many there are. Alert: SiteSaturated, at nine of ten.",
    ),
    Panel(
        "Workers",
        "short",
        {
            "{{instance}}": f"sum by (instance) (pitcrew_workers{{{SITE}}} {LIVE})",
            "planned for {{instance}}": f"pitcrew_plan_workers{{{SITE}}}",
        },
        "Processes of the live slot. One more or less for a moment is a worker that is being recycled.",
    ),
    Panel(
        "Time in the queue of every twentieth request",
        "s",
        {
            "{{instance}}": f"instance:pitcrew_request_queue_seconds:p95{{{SITE}}}",
            "limit for {{instance}}": f"pitcrew_plan_p99_seconds{{{SITE}}}",
        },
        "The limit is the time in which the plan expects 99 % to be answered altogether. Alert: SiteQueueSlow.",
    ),
    Panel(
        "Listen queue",
        "short",
        {
            "{{instance}} {{slot}}": f"pitcrew_listen_queue{{{SITE}}}",
            "planned for {{instance}}": f"pitcrew_plan_backlog{{{SITE}}}",
            "limit of {{instance}} {{slot}}": f"pitcrew_listen_queue_limit{{{SITE}}}",
        },
        "The kernel may allow fewer than planned (net.core.somaxconn). Alert: SiteQueueFilling, at half of the limit.",
    ),
    Panel(
        "Memory of a worker",
        "bytes",
        {
            "largest of {{instance}}": f"max by (instance) (pitcrew_worker_private_bytes{{{SITE}}} {LIVE})",
            "planned for {{instance}}": f"pitcrew_plan_worker_memory_bytes{{{SITE}}}",
        },
        "What a worker does not share with others.",
    ),
    Panel(
        "Memory of the slot",
        "bytes",
        {
            "workers of {{instance}}": f"sum by (instance) (pitcrew_worker_pss_bytes{{{SITE}}} {LIVE})",
            "with cached files, {{instance}}": f"sum by (instance) (pitcrew_memory_bytes{{{SITE}}} {LIVE})",
            "limit of {{instance}}": f"sum by (instance) (pitcrew_memory_max_bytes{{{SITE}}} {LIVE})",
        },
        "Cached files give way when memory is needed. Alert: SiteMemoryHigh.",
    ),
    Panel(
        "Longest requests",
        "s",
        {
            "{{instance}}": quantile("1", "pitcrew_request_duration_seconds", "instance, le"),
            "site_request_timeout on {{instance}}": f"pitcrew_plan_request_timeout_seconds{{{SITE}}}",
        },
        "Up to the accuracy of the histogram.",
    ),
    Panel(
        "Database connections",
        "short",
        {
            "{{instance}}": f"sum by (instance) (pg_stat_database_numbackends{{{HOST}}})",
            "planned for {{instance}}": f"pitcrew_plan_database_connections{{{SITE}}}",
        },
        "Of all sites on PostgreSQL's host, if it is one of these hosts (monitoring_postgres). Planned for one slot.",
    ),
)

WORKERS = (
    Panel(
        "Memory of each worker",
        "bytes",
        {"{{instance}} {{slot}} {{worker}}": f"pitcrew_worker_pss_bytes{{{SITE}}}"},
        "With its part of what workers share. Alert: SiteMemoryHigh.",
        stacked=True,
    ),
    Panel(
        "Memory of each worker, without what it shares",
        "bytes",
        {"{{instance}} {{slot}} {{worker}}": f"pitcrew_worker_private_bytes{{{SITE}}}"},
        "One that grows until it is recycled has a leak.",
    ),
    Panel(
        "CPU",
        "percentunit",
        {
            "busy, {{instance}} {{slot}}": f"rate(pitcrew_cpu_seconds_total{{{SITE}}}[{RATE}])",
            "waiting, {{instance}} {{slot}}": f"rate(pitcrew_cpu_waiting_seconds_total{{{SITE}}}[{RATE}])",
        },
        "CPUs that the slot's processes keep busy, and the time for which its threads were ready and had none.",
    ),
    Panel(
        "Requests at a time",
        "short",
        {"{{instance}} {{slot}}": f"sum by (instance, slot) (pitcrew_requests_in_progress{{{SITE}}})"},
        "Also those that the other slot finishes after a deploy.",
    ),
    Panel(
        "Workers started within ten minutes",
        "short",
        {"{{instance}} {{slot}}": f"increase(pitcrew_worker_starts_total{{{SITE}}}[10m])"},
        "Recycled ones, and those in place of workers that were killed. Alert: SiteWorkersRecycled.",
    ),
    Panel(
        "Restarts and kills within ten minutes",
        "short",
        {
            "by systemd, {{instance}} {{slot}}": f"increase(pitcrew_restarts_total{{{SITE}}}[10m])",
            "for lack of memory, {{instance}} {{slot}}": f"increase(pitcrew_oom_kills_total{{{SITE}}}[10m])",
            "by the liveness probe, {{instance}}": f"increase(pitcrew_liveness_restarts_total{{{SITE}}}[10m])",
        },
        "Alerts: SiteRestartLoop, SiteOutOfMemory, SiteHung.",
    ),
    Panel(
        "Workers",
        "short",
        {"{{instance}} {{slot}}": f"pitcrew_workers{{{SITE}}}"},
        "Both slots have some during a deploy.",
    ),
    Panel(
        "State of the slots",
        "bool_yes_no",
        {
            "live, {{instance}} {{slot}}": f"pitcrew_slot_live{{{SITE}}}",
            "failed, {{instance}} {{slot}}": f"pitcrew_unit_failed{{{SITE}}}",
        },
        "Which slot gets the requests of visitors, and whether systemd has given it up. Alert: SiteGivenUp.",
    ),
)

NGINX = (
    Panel(
        "Requests",
        "reqps",
        {"{{instance}}": f"rate(nginx_http_requests_total{{{HOST}}}[{RATE}])"},
        "Of all sites of the host, static files among them.",
    ),
    Panel(
        "Connections",
        "short",
        {
            "reading, {{instance}}": f"nginx_connections_reading{{{HOST}}}",
            "writing, {{instance}}": f"nginx_connections_writing{{{HOST}}}",
            "idle, {{instance}}": f"nginx_connections_waiting{{{HOST}}}",
        },
        "Writing includes requests that wait for the application.",
        stacked=True,
    ),
    Panel(
        "Connections that were dropped",
        "cps",
        {
            "{{instance}}": f"rate(nginx_connections_accepted{{{HOST}}}[{RATE}])"
            f" - rate(nginx_connections_handled{{{HOST}}}[{RATE}])"
        },
        "Anything but 0 means that worker_connections is reached.",
        least=None,
    ),
    Panel(
        "As visitors see the site",
        "s",
        {"{{instance}} {{address}} {{phase}}": 'probe_http_duration_seconds{site="$site"}'},
        "How long each part of a request by a monitoring host takes. Alert: SiteDown.",
        stacked=True,
    ),
    Panel(
        "CPU of the host",
        "percentunit",
        {
            "{{mode}}": f'avg by (mode) (rate(node_cpu_seconds_total{{{HOST}, mode!="idle"}}[{RATE}]))',
        },
        "The part of all CPUs by what they do; steal is time that another virtual machine had.",
        stacked=True,
    ),
    Panel(
        "Memory of the host",
        "percentunit",
        {
            "available, {{instance}}": f"node_memory_MemAvailable_bytes{{{HOST}}}"
            f" / node_memory_MemTotal_bytes{{{HOST}}}",
        },
        "What programs can still have, cached files included.",
    ),
    Panel(
        "Free disk space",
        "percentunit",
        {
            "{{instance}} {{mountpoint}}": f"node_filesystem_avail_bytes{{{HOST}}}"
            f" / (node_filesystem_size_bytes{{{HOST}}} > 0)",
        },
        "Alert: SiteDiskFilling.",
    ),
    Panel(
        "Days until the certificate expires",
        "d",
        {
            "{{instance}}": f"(pitcrew_certificate_expiry_timestamp_seconds{{{SITE}}}"
            ' or probe_ssl_earliest_cert_expiry{site="$site"}) / 86400 - time() / 86400',
        },
        "That in the file, and the one that visitors get. Alert: SiteCertificateExpires.",
    ),
)

DASHBOARDS = {
    "site": ("Site at a glance", GLANCE),
    "plan": ("Plan and reality", PLAN),
    "workers": ("Workers", WORKERS),
    "nginx": ("nginx and hosts", NGINX),
}


def variables() -> Iterator[Any]:
    """Give what a reader chooses: the data source, the site, and its hosts."""
    yield dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    chosen = (
        ("site", "Site", "label_values(pitcrew_slot_live, site)"),
        ("instance", "Host", 'label_values(pitcrew_slot_live{site="$site"}, instance)'),
    )
    for name, label, query in chosen:
        variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
        variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
        yield variable.multi(True).include_all(True) if name == "instance" else variable


def written(name: str) -> str:
    """Give the file of a dashboard."""
    title, panels = DASHBOARDS[name]
    built = (
        dashboard.Dashboard(title)
        .uid(f"pitcrew-{name}")
        .tags(["pitcrew"])
        .description(f"{title}: written by pitcrew.django. Save changes under another name, or they are lost.")
        .time("now-3h", "now")
        .timezone("browser")
        .refresh("30s")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(list(variables()))
        .link(
            dashboard.DashboardLink("Other dashboards of the site")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["pitcrew"])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Releases")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("blue")
            .expr(RELEASES)
        )
    )
    for number, panel in enumerate(panels, 1):
        built.with_panel(panel.built().id(number))
    found = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    # The library does not know these: a release is marked at the time that is the value, under its name.
    [releases] = found["annotations"]["list"]
    releases |= {"useValueForTime": True, "titleFormat": "{{release}}", "textFormat": "{{instance}}"}
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all dashboards."""
    DIRECTORY.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (DIRECTORY / f"{name}.json").write_text(written(name))


if __name__ == "__main__":
    sys.exit(main())
