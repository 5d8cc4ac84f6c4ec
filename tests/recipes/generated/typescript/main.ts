import createClient from "openapi-fetch";
import type { paths } from "./tally.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const lines = await client.POST("/api/v1/accept/", {
  body: "9007199254740993\n43\n43\n" as never, // text, for a number of JavaScript's would round the first
  headers: { "Content-Type": "application/x-ndjson" },
  bodySerializer: (body) => String(body),
});
if (lines.data?.accepted !== 3) throw new Error(JSON.stringify(lines.error));
