// Ids per second, from what this page has seen of the totals. Remembered for the tab, so that going to another
// page and back keeps it.

const MAX_SAMPLES = 300;
const KEY = `tally.samples.${document.querySelector("[data-counter]")?.dataset.counter ?? ""}`;
const samples = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

/** Remember the totals in the table; its data-now is Redis's clock. */
function sample(table) {
  const now = Number(table.dataset.now);
  if (samples.length && now <= samples.at(-1).now) return;
  const totals = {};
  for (const row of table.querySelectorAll("[data-minute]")) totals[row.dataset.minute] = Number(row.dataset.total);
  samples.push({ now, totals });
  samples.splice(0, samples.length - MAX_SAMPLES);
  sessionStorage.setItem(KEY, JSON.stringify(samples));
}

/** [[time, ids per second], …] between each two samples: of one minute, or of all together. */
function rates(minute) {
  const points = [];
  for (let i = 1; i < samples.length; i++) {
    const [before, after] = [samples[i - 1], samples[i]];
    const minutes = minute === "all" ? Object.keys(after.totals) : [minute].filter((name) => name in after.totals);
    if (!minutes.length && minute !== "all") continue;
    const more = minutes.reduce((sum, name) => sum + Math.max(0, after.totals[name] - (before.totals[name] ?? 0)), 0);
    points.push([after.now, more / (after.now - before.now)]);
  }
  return points;
}

/** A line in the 100 by 24 of the svg, from `first` to `last` on the axis of time. */
function draw(svg, points, first, last) {
  const max = Math.max(1, ...points.map(([, rate]) => rate));
  const place = ([time, rate]) =>
    `${((time - first) / (last - first) * 100).toFixed(1)},${(23 - rate / max * 22).toFixed(1)}`;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.map(place).join(" "));
  svg.replaceChildren(line);
}

const start = (minute) =>
  Date.UTC(minute.slice(0, 4), minute.slice(4, 6) - 1, minute.slice(6, 8), minute.slice(8, 10), minute.slice(10)) / 1000;

function show(overview) {
  const table = overview.querySelector("[data-now]");
  if (!table) return;
  sample(table);
  for (const svg of overview.querySelectorAll("[data-spark]")) {
    const minute = svg.dataset.spark;
    const points = rates(minute);
    if (minute === "all") {
      draw(svg, points, samples[0].now, samples.at(-1).now);
      if (points.length) overview.querySelector("[data-rate]").textContent = Math.round(points.at(-1)[1]).toLocaleString("en");
    } else {
      const begin = start(minute);
      draw(svg, points.filter(([time]) => time >= begin && time < begin + 62), begin, begin + 60);
    }
  }
}

const overview = document.getElementById("overview");
overview.addEventListener("live", () => show(overview));
show(overview);
