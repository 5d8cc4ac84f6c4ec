// Keeps every element with data-live as the server renders it, every data-seconds, without reloading the page.
// Rests while the tab is hidden. While the server is away it says so, and goes on trying.

const TIMEOUT_MS = 15_000;
const sections = [...document.querySelectorAll("[data-live]")];
const connection = document.getElementById("connection");
const silent = new Map();

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const visible = () => new Promise((resolve) => {
  if (!document.hidden) resolve();
  else document.addEventListener("visibilitychange", resolve, { once: true });
});

class SignedOut extends Error {}

async function render(section) {
  const response = await fetch(section.dataset.live, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.redirected || response.status === 403) throw new SignedOut();
  if (!response.ok) throw new Error(response.statusText);
  Idiomorph.morph(section, await response.text(), { morphStyle: "innerHTML" });
  section.dispatchEvent(new Event("live", { bubbles: true }));
}

function report(section, problem) {
  if (problem) silent.set(section, problem);
  else silent.delete(section);
  section.classList.toggle("stale", Boolean(problem));
  const [first] = silent.values();
  connection.textContent = first ?? "";
}

async function keep(section) {
  for (;;) {
    await visible();
    try {
      await render(section);
      report(section, "");
    } catch (error) {
      const since = section.dataset.since ||= new Date().toISOString().slice(11, 19);
      report(section, error instanceof SignedOut
        ? "You are signed out: reload the page."
        : `No answer from the server since ${since} UTC; trying again.`);
    }
    if (!silent.has(section)) delete section.dataset.since;
    await pause(Number(section.dataset.seconds));
  }
}

sections.forEach(keep);
