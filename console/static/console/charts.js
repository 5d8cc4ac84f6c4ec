// The charts of the published history, in the colours of the theme.

const section = document.querySelector("[data-charts]");
const REFRESH_MS = 15_000;
const STEPS = [1, 2, 5].flatMap((digit) => [...Array(10).keys()].map((zeros) => digit * 10 ** zeros)).sort((a, b) => a - b);
const MEANS = { 60: "", 600: ", mean of every 10 minutes", 3600: ", mean of every hour" };
const elements = section?.querySelectorAll("[data-chart]");
const charts = [];
let data;

const colour = (name) => () => getComputedStyle(section).getPropertyValue(`--tally-${name}`).trim();
const faint = (name) => () => `color-mix(in srgb, ${colour(name)()} 18%, transparent)`;
const quiet = () => getComputedStyle(section).getPropertyValue("--body-quiet-color").trim();
const hairline = () => getComputedStyle(section).getPropertyValue("--border-color").trim();

const number = (digits) => (_, value) =>
  value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
const time = (_, value) => (value == null ? "–" : new Date(value * 1000).toISOString().slice(0, 16).replace("T", " "));

function series(label, name, digits, extra = {}) {
  return { label, stroke: colour(name), width: 2, value: number(digits), ...extra };
}

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

const short = new Intl.NumberFormat("en", { notation: "compact" });
const axis = { stroke: quiet, grid: { stroke: hairline, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };

function options(kind, width) {
  return {
    width,
    height: 200,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { sync: { key: "tally" }, y: false },
    scales: { y: { range: (_, min, max) => [0, Math.max(2, max * 1.1)] } },
    axes: [
      { ...axis, values: [[86400, "{DD} {MMM}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", "\n{DD} {MMM}", null, null, null, null, null, 1]] },
      { ...axis, size: 46, incrs: STEPS, values: (_, splits) => splits.map((value) => short.format(value)) },
    ],
    series: [{ label: "UTC", value: time }, ...kind.series],
  };
}

/** Draw all anew: the legend takes its colours only when it is made. */
function draw() {
  for (const chart of charts.splice(0)) chart.destroy();
  for (const element of elements) {
    const kind = KINDS[element.dataset.chart];
    charts.push(new uPlot(options(kind, element.clientWidth), [[], ...kind.columns.map(() => [])], element));
  }
  fill();
}

/** Put the data into what is drawn, so that a pointer on it stays where it is. */
function fill() {
  elements.forEach((element, i) => {
    const kind = KINDS[element.dataset.chart];
    charts[i].setData([data.time, ...kind.columns.map((name) => data[name])]);
    describe(element, kind);
  });
  section.querySelector("[data-mean]").textContent = MEANS[data.step];
}

function describe(element, kind) {
  const highest = kind.columns.map((name, i) => {
    const known = data[name].filter((value) => value != null);
    return known.length ? `${kind.series[i].label} at most ${number(1)(null, Math.max(...known))}` : "";
  }).filter(Boolean);
  element.classList.toggle("nothing", !highest.length);
  const chart = element.querySelector(".u-wrap");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", highest.join(", ") || "nothing published yet");
}

async function refresh() {
  const span = section.querySelector("[name=span]:checked").value;
  const response = await fetch(section.dataset.charts.replace("SPAN", span));
  if (!response.ok || response.redirected) return;
  data = await response.json();
  if (charts.length) fill();
  else draw();
}

if (section) {
  const attempt = () => refresh().catch(() => {}); // live.js says that the server is away
  const redraw = () => data && draw();
  attempt();
  setInterval(() => document.hidden || attempt(), REFRESH_MS);
  section.addEventListener("change", attempt);
  document.addEventListener("visibilitychange", () => document.hidden || attempt());
  addEventListener("resize", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
