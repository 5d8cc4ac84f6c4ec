// What the charts share: colours of the theme, times in UTC, and being drawn anew when one of these changes.

const STEPS = [1, 2, 5].flatMap((digit) => [...Array(10).keys()].map((zeros) => digit * 10 ** zeros)).sort((a, b) => a - b);
const short = new Intl.NumberFormat("en", { notation: "compact" });
const style = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

export const colour = (name) => () => style(`--tally-${name}`);
export const faint = (name) => () => `color-mix(in srgb, ${colour(name)()} 18%, transparent)`;

const quiet = () => style("--body-quiet-color");
const axis = { stroke: quiet, grid: { stroke: () => style("--border-color"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
const number = (digits) => (_, value) =>
  value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });

/** A moment as people write it, with seconds or without. */
export const utc = (seconds, length = 16) => new Date(seconds * 1000).toISOString().slice(0, length).replace("T", " ");

export function series(label, name, digits, extra = {}) {
  return { label, stroke: colour(name), width: 2, value: number(digits), ...extra };
}

/** Charts of `kinds`, each in the element with its name in data-chart. `data` has their columns, and `time`. */
export class Charts {
  #elements;
  #kinds;
  #extra;
  #charts = [];
  #data;

  constructor(section, kinds, extra = {}) {
    this.#kinds = kinds;
    this.#extra = extra;
    this.#elements = Object.keys(kinds).map((name) => section.querySelector(`[data-chart=${name}]`));
    const redraw = () => this.#data && this.#draw();
    addEventListener("resize", redraw);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  /** Put data into what is drawn, so that a pointer on it stays where it is. */
  show(data) {
    this.#data = data;
    if (this.#charts.length) this.#fill();
    else this.#draw();
  }

  /** Draw all anew: the legend takes its colours only when it is made. */
  #draw() {
    for (const chart of this.#charts.splice(0)) chart.destroy();
    for (const element of this.#elements) {
      const kind = this.#kinds[element.dataset.chart];
      this.#charts.push(new uPlot(this.#options(kind, element.clientWidth), [[], ...kind.columns.map(() => [])], element));
    }
    this.#fill();
  }

  #fill() {
    this.#elements.forEach((element, i) => {
      const kind = this.#kinds[element.dataset.chart];
      this.#charts[i].setData([this.#data.time, ...kind.columns.map((name) => this.#data[name])]);
      this.#describe(element, kind);
    });
  }

  #options(kind, width) {
    return {
      width,
      height: 200,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { y: { range: (_, min, max) => [0, Math.max(2, max * 1.1)] } },
      axes: [
        { ...axis, values: [[86400, "{DD} {MMM}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", "\n{DD} {MMM}", null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] },
        { ...axis, size: 46, incrs: STEPS, values: (_, splits) => splits.map((value) => short.format(value)) },
      ],
      series: [{ label: "UTC", value: (_, value) => (value == null ? "–" : utc(value, kind.seconds ? 19 : 16)) }, ...kind.series],
      ...this.#extra,
    };
  }

  #describe(element, kind) {
    const highest = kind.columns.map((name, i) => {
      const known = this.#data[name].filter((value) => value != null);
      return known.length ? `${kind.series[i].label} at most ${number(1)(null, Math.max(...known))}` : "";
    }).filter(Boolean);
    element.classList.toggle("nothing", !highest.length);
    const chart = element.querySelector(".u-wrap");
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", highest.join(", ") || element.dataset.nothing);
  }
}
