// Refused calls and the time of scripts, from what this page has seen of the server's totals. Remembered for the
// tab, so that going to another page and back keeps it.

import { Charts, faint, series } from "./plot.js";

const section = document.querySelector("[data-measures]");
const KEY = "tally.measures";
const EVERY_MS = 5_000;
const MAX_SAMPLES = 720; // an hour
const REASONS = ["unavailable", "bad_call", "unauthorized", "connection"];
const KINDS = {
  refused: {
    columns: REASONS,
    seconds: true,
    series: [
      series("not available", "bad", 1, { fill: faint("bad") }), series("bad call", "warn", 1),
      series("no token", "total", 1), series("connection", "unique", 1),
    ],
  },
  scripts: {
    columns: ["p99", "p50"],
    seconds: true,
    series: [series("p99", "total", 1), series("p50", "unique", 1)],
  },
};
const samples = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

/** How much more it is than before; all of it where a process began anew. */
const grown = (after, before = 0) => (after >= before ? after - before : after);

/** The quantile of what came between two looks, in milliseconds, as even within each bucket; null for nothing. */
function quantile(part, before, after) {
  const bounds = Object.keys(after).sort((a, b) => bound(a) - bound(b));
  const counts = bounds.map((name) => grown(after[name], before[name]));
  const wanted = part * (counts.at(-1) ?? 0);
  if (!wanted) return null;
  const i = counts.findIndex((count) => count >= wanted);
  const low = i ? bound(bounds[i - 1]) : 0;
  const below = i ? counts[i - 1] : 0;
  const high = Number.isFinite(bound(bounds[i])) ? bound(bounds[i]) : low;
  return 1000 * (low + (high - low) * (wanted - below) / (counts[i] - below));
}

const bound = (text) => (text === "+Inf" ? Infinity : Number(text));

function columns() {
  const pairs = samples.slice(1).map((after, i) => [samples[i], after]);
  const refused = (reason) => pairs.map(([before, after]) => grown(after.refused[reason] ?? 0, before.refused[reason]) / (after.now - before.now));
  return {
    time: pairs.map(([, after]) => after.now),
    ...Object.fromEntries(REASONS.map((reason) => [reason, refused(reason)])),
    p50: pairs.map(([before, after]) => quantile(0.5, before.scripts, after.scripts)),
    p99: pairs.map(([before, after]) => quantile(0.99, before.scripts, after.scripts)),
  };
}

async function look() {
  const response = await fetch(section.dataset.measures);
  if (!response.ok || response.redirected) return;
  samples.push(await response.json());
  samples.splice(0, samples.length - MAX_SAMPLES);
  sessionStorage.setItem(KEY, JSON.stringify(samples));
  charts.show(columns());
}

const charts = section && new Charts(section, KINDS, { cursor: { y: false, drag: { x: false } } });
const attempt = () => look().catch(() => {}); // live.js says that the server is away

if (section) {
  attempt();
  setInterval(() => document.hidden || attempt(), EVERY_MS);
}
