// The page's work: listens to the service, asks for what changed, and holds the token.
import * as show from "./show.js";

const at = (id) => document.getElementById(id);
const KEY = "nadikota-token";
const LATEST_EVERY = 3000;
let stream = null, refused = -1, latestAt = 0, wait = 1000;

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    const why = await answer.text();
    at("door").hidden = false;
    at("door-why").textContent = token ? "This token does not open it." : why;
    sessionStorage.removeItem(KEY);
    stream?.abort();
    throw new Shut(why);
  }
  if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
  return answer;
}

class Shut extends Error {}

// One stream after the other: the service ends each after a while, and it may itself be restarted.
async function listen() {
  const mine = stream = new AbortController();
  while (!mine.signal.aborted) {
    try {
      const answer = await ask("/api/events", { signal: mine.signal });
      at("door").hidden = true;
      await read(answer.body.getReader());
      wait = 1000;
    } catch (error) {
      if (mine.signal.aborted || error instanceof Shut) {
        if (error instanceof Shut) show.state("closed", "warn");
        return;
      }
      show.away(error.message);
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 10000);
    }
  }
}

async function read(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ")) await frame(JSON.parse(event.slice(6)));
    }
  }
}

async function frame(told) {
  wait = 1000;
  show.frame(told);
  try {
    if (told.refused !== refused) {
      show.refused(await (await ask("/api/refused")).json());
      refused = told.refused;
    }
    if (Date.now() - latestAt >= LATEST_EVERY) await latest();
  } catch (error) {
    if (error instanceof Shut) throw error;
    // The next frame asks again.
  }
}

async function latest() {
  const device = at("device").value.trim();
  const query = new URLSearchParams({ limit: "200" });
  if (device) query.set("device", device);
  latestAt = Date.now();
  show.latest(await (await ask(`/api/latest?${query}`)).json(), device);
}

at("device").addEventListener("change", () => latest().catch(() => {}));

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("token").value);
  at("token").value = "";
  listen();
});

at("explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await ask("/api/explain", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ topic: at("topic").value, payload: at("payload").value }),
    });
    show.story(await answer.json());
  } catch (error) {
    show.storyFailed(error.message);
  }
});

// Nobody looks at a hidden page, so it takes no listener's place.
document.addEventListener("visibilitychange", () => {
  stream?.abort();
  if (!document.hidden) listen();
});
listen();
