// The most frequent ids of a minute. It may have a million, so the server is asked for one slice after the other,
// and the tops of the slices are merged: the top of all is among them.

const TOP = 20;
const section = document.querySelector("[data-top]");
const status = section.querySelector("[role=status]");
const body = section.querySelector("tbody");

function show(top) {
  body.replaceChildren(...top.map(([id, count]) => {
    const row = document.createElement("tr");
    const name = document.createElement("td");
    const link = document.createElement("a");
    link.href = `?id=${encodeURIComponent(id)}`;
    link.textContent = id;
    name.append(link);
    const number = document.createElement("td");
    number.className = "right";
    number.textContent = count.toLocaleString("en");
    row.append(name, number);
    return row;
  }));
}

async function collect() {
  let top = [];
  for (let start = 0; start !== null;) {
    const response = await fetch(`${section.dataset.top}?start=${start}`);
    if (!response.ok) throw new Error(response.statusText);
    const slice = await response.json();
    top = [...top, ...slice.top].sort((one, other) => other[1] - one[1]).slice(0, TOP);
    show(top);
    start = slice.next;
    status.textContent = start === null ? "Of all ids." : `Of the first ${start.toLocaleString("en")} ids …`;
  }
}

collect().catch(() => { status.textContent = "Redis or the server did not answer; reload to try again."; });
