// The page's work: listens to the service, asks for what changed, and holds the token.
import * as show from "./show.js";

const at = (id) => document.getElementById(id);
const KEY = "nadikota-token";
const LATEST_EVERY = 3000;
// The service sends a frame each second; when none has come for so long, it is not there.
const SILENCE = 5000;
// Series that one answer may hold.
const MOST = 200;
let round = 0, stream = null, refused = -1, latestAt = 0, asking = null, wait = 1000;

// 401: the token is missing or wrong, and the page asks for it.
class Shut extends Error {}
// The service answers, and says that it will not.
class Declined extends Error {}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { signal: AbortSignal.timeout(SILENCE), ...options, headers });
  if (answer.ok) return answer;
  const why = (await answer.text()).trim().slice(0, 300);
  if (answer.status !== 401) throw new Declined(why || `status ${answer.status}`);
  at("door").hidden = false;
  at("door-why").textContent = token ? "This token does not open it." : why;
  sessionStorage.removeItem(KEY);
  leave();
  show.state("closed", "warn");
  throw new Shut(why);
}

const json = async (path, options) => (await ask(path, options)).json();

function leave() {
  round += 1;
  stream?.abort();
}

// One stream after the other: the service ends each after a while, and it may itself be restarted.
async function listen() {
  leave();
  const mine = round;
  while (mine === round) {
    try {
      await follow();
    } catch (error) {
      if (mine !== round) return;
      if (error instanceof Declined) show.declined(error.message);
      else show.away(stream.signal.aborted ? `nothing came for ${SILENCE / 1000} s` : error.message);
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 10000);
    }
  }
}

// A service that stands still, or a cable that is out, ends no stream: the watchdog does.
async function follow() {
  const mine = stream = new AbortController();
  let watchdog;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => mine.abort(), SILENCE);
  };
  heard();
  try {
    const answer = await ask("/api/events", { signal: mine.signal });
    at("door").hidden = true;
    if (!await read(answer.body.getReader(), heard)) throw new Error("it ended the stream without a word");
  } finally {
    clearTimeout(watchdog);
  }
}

async function read(reader, heard) {
  const decoder = new TextDecoder();
  let text = "", spoke = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return spoke;
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) continue;
      heard();
      spoke = true;
      wait = 1000;
      const told = JSON.parse(event.slice(6));
      show.frame(told);
      // Not waited for: the stream is read on meanwhile.
      more(told).catch(() => {});
    }
  }
}

// What fails here is asked for again with the next frame.
async function more(told) {
  if (told.refused !== refused) {
    const before = refused;
    refused = told.refused;
    try {
      show.refused(await json("/api/refused"));
    } catch (error) {
      refused = before;
      throw error;
    }
  }
  if (Date.now() - latestAt >= LATEST_EVERY) await latest();
}

function latest() {
  asking ??= look().finally(() => { asking = null; });
  return asking;
}

// One answer for all, and one for each open district of which it has not all.
async function look() {
  const device = at("device").value.trim();
  const query = (parts) => json(`/api/latest?${new URLSearchParams({ limit: MOST, ...parts })}`);
  latestAt = Date.now();
  const told = await query(device ? { device } : {});
  show.latest(told, device);
  for (const { city, district } of show.lacking()) {
    show.district(city, district, await query({ city, district }));
  }
}

at("device").addEventListener("change", () => latest().catch(() => {}));

// A district that is opened; the event does not bubble.
at("latest").addEventListener("toggle", async () => {
  await asking?.catch(() => {});
  if (show.lacking().some((one) => !one.shown)) latest().catch(() => {});
}, true);

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("token").value);
  at("token").value = "";
  listen();
});

at("explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = { topic: at("topic").value, payload: at("payload").value, encoding: at("encoding").value };
  try {
    show.story(await json("/api/explain", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    }));
  } catch (error) {
    show.storyFailed(error.name === "TimeoutError" ? `no answer for ${SILENCE / 1000} s` : error.message);
  }
});

// Nobody looks at a hidden page, so it takes no listener's place.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leave();
  else listen();
});
listen();
