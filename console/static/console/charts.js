// The charts of the published history. What they show is in the page's address, so that a browser's back and
// forward go through it: #1764230400-1764234000, or nothing for the span that is chosen.

import { Charts, colour, faint, series, utc } from "./plot.js";

const section = document.querySelector("[data-charts]");
const REFRESH_MS = 15_000;
const MIN_PIXELS = 5;
const MAX_NAMED = 5;
const MEANS = {
  60: "", 600: ", mean of every 10 minutes", 3600: ", mean of every hour", 21600: ", mean of every 6 hours",
  86400: ", mean of every day", 604800: ", mean of every week",
};
const KINDS = {
  counts: {
    columns: ["total", "unique"],
    series: [series("calls", "total", 0, { fill: faint("total") }), series("unique", "unique", 0, { fill: faint("unique") })],
  },
  lag: {
    columns: ["lag_max", "lag_mean"],
    series: [series("longest", "total", 1), series("mean", "unique", 1)],
  },
  pending: {
    columns: ["pending"],
    series: [series("waiting", "warn", 0, { fill: faint("warn"), paths: uPlot.paths.stepped({ align: 1 }) })],
  },
};
let data;

/** What was dragged over: the first pixel and the last one become the range. */
function choose(chart) {
  const { left, width } = chart.select;
  if (width < MIN_PIXELS) return;
  chart.setSelect({ left: 0, width: 0 }, false);
  go(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
}

function go(since, until) {
  location.hash = `${Math.max(0, Math.floor(since))}-${Math.ceil(until)}`;
}

/** A band wherever publishing stood still. */
function mark(chart) {
  const { left, top, width, height } = chart.bbox;
  chart.ctx.fillStyle = `color-mix(in srgb, ${colour("bad")()} 22%, transparent)`;
  for (const span of data.standstills) {
    const [begin, end] = span.map((time) => Math.min(left + width, Math.max(left, chart.valToPos(time, "x", true))));
    chart.ctx.fillRect(begin, top, Math.max(2, end - begin), height);
  }
}

function tell() {
  section.querySelector("[data-mean]").textContent = MEANS[data.step];
  const named = data.standstills.slice(-MAX_NAMED).reverse().map(([begin, end]) => `${utc(begin)} to ${utc(end)}`);
  const more = data.standstills.length - named.length;
  section.querySelector("[data-standstills]").textContent =
    named.length ? `Publishing stood still: ${named.join("; ")}${more ? `; and ${more} times before` : ""} (UTC).` : "";
}

const range = () => /^#(\d+-\d+)$/.exec(location.hash)?.[1];

async function refresh() {
  const wanted = range() ?? section.querySelector("[name=span]:checked").value;
  const response = await fetch(section.dataset.charts.replace("SPAN", wanted));
  if (!response.ok || response.redirected) return;
  data = await response.json();
  charts.show(data);
  tell();
}

const MOVES = {
  earlier: (since, until) => [since - (until - since) / 2, until - (until - since) / 2],
  later: (since, until) => [since + (until - since) / 2, until + (until - since) / 2],
  wider: (since, until) => [since - (until - since) / 2, until + (until - since) / 2],
};

function move(name) {
  const shown = range()?.split("-").map(Number) ?? [data.time[0], data.time.at(-1) + data.step];
  const [since, until] = MOVES[name](...shown);
  if (since * 1000 < Date.now()) go(since, until);
}

function select() {
  const spans = section.querySelectorAll("[name=span]");
  for (const input of spans) input.checked &&= !range();
  if (!range() && !section.querySelector("[name=span]:checked")) spans[0].checked = true;
  attempt();
}

const charts = section && new Charts(section, KINDS, {
  cursor: { sync: { key: "tally" }, y: false, drag: { x: true, setScale: false } },
  hooks: { setSelect: [choose], drawClear: [mark] },
});
const attempt = () => refresh().catch(() => {}); // live.js says that the server is away

if (section) {
  select();
  setInterval(() => document.hidden || attempt(), REFRESH_MS);
  section.addEventListener("change", () => {
    history.pushState(null, "", location.pathname + location.search);
    attempt();
  });
  section.addEventListener("click", (event) => data && event.target.dataset.move && move(event.target.dataset.move));
  addEventListener("popstate", select); // for another hash, too
  document.addEventListener("visibilitychange", () => document.hidden || attempt());
}
