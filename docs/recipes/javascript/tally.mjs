// Counts ids with Tally, many at a time: Node.js 18 or newer, and browsers. Connections are kept by fetch itself.

const MOST = 10_000; // ids that Tally takes at once
const LONGEST_PAUSE = 5_000; // milliseconds

export class Tally {
  #url;
  #size;
  #waiting = [];
  #lost;
  #sending;

  /** `lost(ids, reason)` is told of ids that were not counted, or perhaps not. */
  constructor(url, { size = 1000, lost = (ids, reason) => console.warn(`${ids.length} ids: ${reason}`) } = {}) {
    this.#url = new URL("/api/v1/accept/", url);
    this.#size = Math.min(size, MOST);
    this.#lost = lost;
  }

  /** An id is text or a BigInt: a number of JavaScript's holds 53 bits of the 64. */
  count(id) {
    if (typeof id === "number" && !Number.isSafeInteger(id)) throw new RangeError(`${id} is not exact: pass text or a BigInt`);
    this.#waiting.push(String(id));
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
  }

  /** Resolves when nothing waits any more. */
  async flush() {
    while (this.#sending) await this.#sending;
  }

  async #send() {
    await sleep(100); // what comes meanwhile goes along
    for (let failures = 0; this.#waiting.length > 0; ) {
      const ids = this.#waiting.splice(0, this.#size);
      let answer;
      try {
        // One id a line: in JSON an id would be a number.
        const body = ids.join("\n");
        answer = await fetch(this.#url, { method: "POST", headers: { "Content-Type": "application/x-ndjson" }, body });
      } catch (error) {
        if (isUnsent(error)) {
          this.#waiting.unshift(...ids);
          await sleep(Math.min(200 * 2 ** failures++, LONGEST_PAUSE));
        } else this.#lost(ids, `unknown: ${error.cause?.code ?? error}`);
        continue;
      }
      failures = 0;
      await this.#read(ids, answer);
    }
  }

  async #read(ids, answer) {
    const text = await answer.text();
    if (answer.ok) return;
    const refused = answer.status === 503 && /"refused": ?\[([^\]]*)\]/.exec(text);
    if (!refused) return this.#lost(ids, `${answer.status < 500 ? "rejected" : "unknown"}: ${answer.status} ${text}`);
    this.#waiting.unshift(...refused[1].split(/, ?/).filter(Boolean)); // as text, for JSON.parse would round them
    await sleep(1000 * Number(answer.headers.get("Retry-After") ?? 1));
  }
}

/** Whether Tally has heard nothing of the request. */
function isUnsent(error) {
  return ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"].includes(error.cause?.code);
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
