// The most frequent ids of a minute. It may have a million, so the server is asked for one slice after the other,
// and the tops of the slices are merged: the top of all is among them. A published minute is read back from Kafka,
// and the id that somebody looks up is found on the way.

const TOP = 20;
const section = document.querySelector("[data-top]");

const amount = (number) => number.toLocaleString("en");

function show(top) {
  section.querySelector("tbody").replaceChildren(...top.map(([id, count]) => {
    const row = document.createElement("tr");
    const name = document.createElement("td");
    const link = document.createElement("a");
    link.href = `?id=${encodeURIComponent(id)}`;
    link.textContent = id;
    name.append(link);
    const number = document.createElement("td");
    number.className = "right";
    number.textContent = amount(count);
    row.append(name, number);
    return row;
  }));
}

function answer(id, count, areAllRead) {
  const strong = document.createElement("strong");
  strong.textContent = id;
  const times = count === 1 ? "1 time" : `${amount(count)} times`;
  const text = count || areAllRead ? ` was accepted ${times} in this minute.` : " is not among the ids that are there.";
  document.querySelector("[data-found]").replaceChildren(strong, text);
}

function progress(read, unique, isEnd) {
  if (!unique) return isEnd ? "Of all ids." : `Of the first ${amount(read)} ids …`;
  if (read < unique && isEnd) return `${amount(read)} of ${amount(unique)} ids are there: ${section.dataset.lost}.`;
  return read < unique ? `Of ${amount(read)} of ${amount(unique)} ids …` : "Of all ids.";
}

async function collect(status) {
  const { id = "", unique } = section.dataset;
  let top = [];
  let read = 0;
  let found = null;
  for (let start = 0; start !== null;) {
    const query = new URLSearchParams({ start, ...(id && { id }) });
    const response = await fetch(`${section.dataset.top}?${query}`);
    if (!response.ok) throw new Error(response.statusText);
    const slice = await response.json();
    top = [...top, ...slice.top].sort((one, other) => other[1] - one[1]).slice(0, TOP);
    show(top);
    read += slice.read;
    found ??= slice.found ?? null;
    start = read === Number(unique) ? null : slice.next;
    if (id && (found !== null || start === null)) answer(id, found ?? 0, read === Number(unique));
    status.textContent = progress(read, Number(unique), start === null);
  }
}

if (section) {
  const status = section.querySelector("[role=status]");
  collect(status).catch(() => { status.textContent = "The server did not answer in time; reload to try again."; });
}
