// What the page shows. Everything from outside becomes text, by textContent; nothing becomes markup.
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const UNITS = {
  m: "m", c: "°C", pct: "%", ugm3: "µg/m³", mm: "mm", mmh: "mm/h", dba: "dB(A)", v: "V", a: "A", w: "W", wh: "Wh",
  kwh: "kWh", hpa: "hPa", ms: "m/s", deg: "°", ppm: "ppm", ppb: "ppb", lx: "lx", dbm: "dBm", db: "dB", kmh: "km/h", s: "s",
  wm2: "W/m²", hz: "Hz",
};
const FLAGS = { 1: ["pass", "muted"], 2: ["unchecked", "muted"], 3: ["suspect", "warn"], 4: ["fail", "bad"], 9: ["missing", "muted"] };
const STATES = { ok: ["healthy", "ok"], degraded: ["degraded", "warn"], not_ready: ["not ready", "bad"] };
const rates = [], districts = new Map();
let known = "", told_ms = 0;

function make(name, text, css) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (css) element.className = css;
  return element;
}

function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const count = (number) => whole.format(number);
const digits = (options) => new Intl.NumberFormat("en", { useGrouping: false, ...options });
const significant = digits({ maximumSignificantDigits: 3 }), integer = digits({ maximumFractionDigits: 0 });
const decimals = [1, 2, 3].map((most) => digits({ maximumFractionDigits: most }));

// Three digits, or the whole part where that has more.
const short = (number) => (Math.abs(number) < 100 ? significant : integer).format(number);

// A measured value: all of its whole part, and decimals that a sensor may have meant.
function figure(number) {
  const size = Math.abs(number);
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return number.toExponential(2);
  if (size < 0.1) return significant.format(number);
  return decimals[size >= 100 ? 0 : size >= 10 ? 1 : 2].format(number);
}

function rate(number) {
  return number >= 10 ? count(number) : short(number);
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (number >= 1024 && at < units.length - 1) { number /= 1024; at += 1; }
  return `${short(number)} ${units[at]}`;
}

function span(seconds) {
  if (seconds < 1) return `${count(seconds * 1000)} ms`;
  if (seconds < 120) return `${short(seconds)} s`;
  if (seconds < 7200) return `${count(seconds / 60)} min`;
  if (seconds < 172800) return `${short(seconds / 3600)} h`;
  return seconds < 8.64e6 ? `${count(seconds / 86400)} days` : "over 100 days";
}

// With the day where that is not today.
function clock(ms) {
  const time = new Date(ms), now = new Date();
  const told = time.toLocaleTimeString("en-GB");
  if (time.toDateString() === now.toDateString()) return told;
  const year = time.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  return `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...year })}, ${told}`;
}

export function state(text, css) {
  const badge = at("state");
  if (badge.textContent !== text) badge.textContent = text;
  badge.className = `badge ${css}`;
}

// No frame comes: what is shown is old, and says so.
function stale(text, css, reason, what_to_do) {
  state(text, css);
  troubles([{ part: "this page", reason, what_to_do, state: css === "bad" ? "not_ready" : "degraded" }]);
  if (told_ms === 0) return;
  at("told").classList.add("stale");
  at("as-of").hidden = false;
  put("as-of", `as of ${clock(told_ms)}`);
}

export function away(why) {
  stale("no answer", "bad", `the service does not answer (${why})`, "if it was stopped, start it; the page goes on by itself");
}

// The service answers and says why it shows nothing now.
export function declined(why) {
  stale("not live", "warn", why, "the page asks again by itself");
}

function troubles(list) {
  const told = JSON.stringify(list.map(({ since_ms, ...rest }) => rest));
  if (told === known) return;
  known = told;
  const card = at("troubles");
  card.hidden = list.length === 0;
  card.classList.toggle("bad", list.some((trouble) => trouble.state === "not_ready"));
  at("trouble-list").replaceChildren(...list.map((trouble) => {
    const item = make("li"), title = make("p");
    title.append(make("strong", `${trouble.part}: `), trouble.reason);
    item.append(title, make("p", trouble.what_to_do));
    if (trouble.since_ms) item.append(make("p", `since ${clock(trouble.since_ms)}`, "muted"));
    return item;
  }));
}

export function frame(told) {
  const [text, css] = STATES[told.state] ?? [told.state, "warn"];
  state(text, css);
  told_ms = told.now_ms;
  at("told").classList.remove("stale");
  at("as-of").hidden = true;
  troubles(told.troubles);
  const { account, outlook } = told;
  for (const key of ["received", "pending", "stored", "partly_stored", "quarantined"]) put(key, count(account[key]));
  const discarded = Object.values(account.discarded).reduce((sum, more) => sum + more, 0);
  put("discarded", count(discarded));
  put("received-rate", `${rate(outlook.received_per_s)} a second`);
  put("balance", told.balances
    ? "The account balances: every received message is in exactly one place."
    : "The account does not balance; please report this.");
  put("rate", `${rate(outlook.received_per_s)}/s`);
  put("rate-note", `settled ${rate(outlook.settled_per_s)}/s`);
  rates.push(outlook.received_per_s);
  if (rates.length > 60) rates.shift();
  at("rate-trail").replaceChildren(spark(rates));
  delays(Object.entries(told.time_to_stored));
  put("room", outlook.hours_left === null ? bytes(outlook.left_bytes) : span(outlook.hours_left * 3600));
  const fills = outlook.fill_bytes_per_s > 0 ? `, fills ${bytes(outlook.fill_bytes_per_s)}/s` : "";
  put("room-note", `journal ${bytes(told.journal_bytes)}${fills}`);
  const oldest = told.oldest_unsettled_s;
  put("waiting", oldest === null ? "nothing" : span(oldest));
  put("waiting-note", account.pending === 0 ? "all is settled"
    : oldest !== null && oldest < 2 ? `${count(account.pending)} on the way`
    : `${count(account.pending)} ${account.pending === 1 ? "message" : "messages"}; ${drain(outlook)}`);
  put("version", `nadikota ${told.version}, ${told.parts} parts, ${clock(told.now_ms)}`);
}

// While no backlog was worked through, the fastest that was seen is what the database takes at least.
function drain({ drained_in_s, drain_per_s }) {
  if (drained_in_s !== null) {
    return `${drain_per_s === null ? "at most " : ""}${span(drained_in_s)} to drain once the database takes them`;
  }
  return drain_per_s === null ? "time to drain not measured yet" : `never drained at this load (the database took ${rate(drain_per_s)}/s)`;
}

function delays(list) {
  const heard = list.filter(([, delay]) => delay.messages > 0);
  if (heard.length === 0) {
    put("delay", "–");
    put("delay-note", "nothing stored in the last minute");
    return;
  }
  const ms = (value) => span(value / 1000);
  const [, worst] = heard.reduce((a, b) => (b[1].p99_ms > a[1].p99_ms ? b : a));
  put("delay", ms(worst.p50_ms));
  put("delay-note", heard.length === 1 ? `median; 99 % within ${ms(worst.p99_ms)}`
    : heard.map(([name, delay]) => `${name} ${ms(delay.p50_ms)}, 99 % ${ms(delay.p99_ms)}`).join("; "));
}

function spark(values) {
  const [width, height] = [72, 18];
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-hidden", "true");
  if (values.length === 0) return svg;
  const low = Math.min(...values), high = Math.max(...values);
  const x = (index) => (values.length < 2 ? width : (index * width) / (values.length - 1));
  const y = (value) => (high > low ? height - 2 - ((value - low) / (high - low)) * (height - 4) : height / 2);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
  const dot = document.createElementNS(SVG, "circle");
  dot.setAttribute("cx", width);
  dot.setAttribute("cy", y(values[values.length - 1]).toFixed(1));
  dot.setAttribute("r", 2);
  svg.append(line, dot);
  return svg;
}

function named(field) {
  const cut = field.lastIndexOf("_"), suffix = field.slice(cut + 1);
  // Any name may come: "x_constructor" has no unit.
  const known = cut > 0 && Object.hasOwn(UNITS, suffix);
  return known ? [field.slice(0, cut).replaceAll("_", " "), UNITS[suffix]] : [field.replaceAll("_", " "), ""];
}

const flagged = (list, flag) => list.flatMap((series) => series.values).filter((value) => value.flag === flag).length;

// The headings: all districts, or those of the device that was asked for.
function headings(told, device) {
  if (!device) return told.districts;
  const places = new Map();
  for (const series of told.series) {
    const { city, district } = series, key = JSON.stringify([city, district]);
    if (!places.has(key)) places.set(key, { city, district, list: [] });
    places.get(key).list.push(series);
  }
  return [...places.values()].map(({ list, ...place }) => (
    { ...place, series: list.length, suspect: flagged(list, 3), fail: flagged(list, 4) }));
}

// Each district keeps its element, so that focus and folds stay while the values change. One answer may not hold
// all series: a district of which some are missing keeps what it has, until it is asked for alone.
export function latest(told, device) {
  const places = new Map(headings(told, device).map((place) => [JSON.stringify([place.city, place.district]), place]));
  for (const [key, box] of districts) {
    if (places.has(key)) continue;
    box.element.remove();
    districts.delete(key);
  }
  let last = null;
  for (const [key, place] of places) {
    if (!districts.has(key)) districts.set(key, heading(place, last === null || device !== ""));
    const box = districts.get(key);
    const list = told.series.filter(({ city, district }) => city === place.city && district === place.district);
    Object.assign(box, { place, now: told.now_ms, lacks: list.length < place.series });
    if (!box.lacks || !box.element.open || !box.shown) Object.assign(box, { list, shown: !box.lacks });
    fill(box);
    if (last === null ? at("latest").firstElementChild !== box.element : last.nextElementSibling !== box.element) {
      if (last === null) at("latest").prepend(box.element);
      else last.after(box.element);
    }
    last = box.element;
  }
  put("latest-note", places.size > 0 ? "" : device ? `Nothing of "${device}" since the start.` : "Nothing stored since the start.");
  if (!device) at("devices").replaceChildren(...[...new Set(told.series.map((series) => series.device))].map((device) => {
    const option = make("option");
    option.value = device;
    return option;
  }));
}

// The open districts of which the answer for all had not all.
export function lacking() {
  const boxes = [...districts.values()].filter((box) => box.lacks && box.element.open);
  return boxes.map(({ place, shown }) => ({ city: place.city, district: place.district, shown }));
}

// What was asked for one district alone.
export function district(city, district, told) {
  const box = districts.get(JSON.stringify([city, district]));
  if (!box) return;
  Object.assign(box, { list: told.series, now: told.now_ms, shown: true });
  fill(box);
}

function heading({ city, district }, open) {
  const element = make("details"), name = [city, district].filter(Boolean).join(" · ") || "no district";
  const title = make("summary", `${name} `), note = make("span", "", "muted"), alarm = make("span");
  const box = { element, note, alarm, grid: make("div", undefined, "devices"), list: [], now: 0, lacks: false, shown: false };
  element.open = open;
  element.addEventListener("toggle", () => fill(box));
  title.append(note, alarm);
  element.append(title, box.grid);
  return box;
}

function fill(box) {
  const { series, suspect, fail } = box.place, few = box.shown && box.list.length < series;
  box.note.textContent = `${few ? `${count(box.list.length)} of ` : ""}${count(series)} ${series === 1 ? "device" : "devices"}${few ? "; name one to see it" : ""}`;
  box.alarm.textContent = [fail && `${fail} fail`, suspect && `${suspect} suspect`].filter(Boolean).join(", ");
  box.alarm.className = fail ? "flag bad" : suspect ? "flag warn" : "";
  box.grid.replaceChildren(...(box.element.open ? box.list.map((series) => one(series, box.now)) : []));
}

// How old a value is by its own time: one of a backlog is old, however lately it was stored.
function old(now, time_ms) {
  const age = (now - time_ms) / 1000;
  return age > 5 ? `${span(age)} ago` : "";
}

function one(series, now) {
  const box = make("div", undefined, "device"), title = make("h4", series.device);
  const newest = series.values.reduce((time, value) => Math.max(time, value.time_ms), 0);
  const told = [series.site, series.channel, old(now, newest)].filter(Boolean).join(", ");
  if (told) title.append(make("span", `  ${told}`, "muted"));
  box.append(title);
  for (const value of series.values) {
    const [name, unit] = named(value.field), row = make("div", undefined, "value"), label = make("span", name, "muted");
    if (newest - value.time_ms > 5000) label.append(`, ${old(now, value.time_ms)}`);
    label.title = `${series.measurement} ${value.field}, ${clock(value.time_ms)}`;
    const [flag, css] = FLAGS[value.flag] ?? ["", ""];
    row.append(label, make("b", `${figure(value.value)} ${unit}`.trim()), make("span", flag, flag ? `flag ${css}` : ""), spark(value.trail));
    box.append(row);
  }
  return box;
}

export function refused(list) {
  const boxes = list.slice(0, 20).map((message) => {
    const box = make("div", undefined, "refusal"), title = make("p");
    title.append(make("strong", message.reason, "bad"), ` ${message.detail}`);
    box.append(title, make("p", `${clock(message.received_ms)}, message ${count(message.seq)}, ${message.topic}`, "muted"), make("code", message.payload));
    return box;
  });
  at("refused").replaceChildren(...(boxes.length ? boxes : [make("p", "Nothing refused since the start.", "muted")]));
}

export function story(told) {
  const css = { stored: "ok", partly_stored: "warn", quarantined: "bad" }[told.decision.outcome] ?? "muted";
  const outcome = make("p"), parts = [outcome];
  outcome.append(make("strong", told.decision.outcome.replaceAll("_", " "), css));
  if (told.decision.reason) outcome.append(` ${told.decision.reason}: ${told.decision.detail ?? ""}`);
  parts.push(make("p", `route ${told.route ?? "none"}, format ${told.format ?? "none"}${told.recognised ? `: ${told.recognised}` : ""}, device ${told.device ?? "none"}`, "muted"));
  for (const sample of told.samples.slice(0, 20)) {
    for (const reading of sample.readings.slice(0, 50)) {
      const became = reading.refused ? `not stored: ${reading.refused}` : `${reading.field ?? "nothing"}${reading.stored === null ? "" : ` = ${reading.stored}`}`;
      const flag = FLAGS[reading.flag];
      parts.push(make("p", `${reading.name} = ${reading.value}${reading.unit ? ` ${reading.unit}` : ""} → ${became}${flag ? `, ${flag[0]}` : ""}`));
    }
  }
  parts.push(...told.points.slice(0, 20).map((point) => make("code", point)));
  at("story").replaceChildren(...parts);
}

export function storyFailed(why) {
  at("story").replaceChildren(make("p", why, "bad"));
}
