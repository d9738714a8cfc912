// What the page shows. Everything from outside becomes text, by textContent; nothing becomes markup.
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const UNITS = {
  m: "m", c: "°C", pct: "%", ugm3: "µg/m³", mm: "mm", mmh: "mm/h", dba: "dB(A)", v: "V", a: "A", w: "W", wh: "Wh",
  kwh: "kWh", hpa: "hPa", ms: "m/s", deg: "°", ppm: "ppm", ppb: "ppb", lux: "lx", dbm: "dBm", db: "dB", kmh: "km/h", s: "s",
  wm2: "W/m²", hz: "Hz",
};
const FLAGS = { 1: ["pass", "muted"], 2: ["unchecked", "muted"], 3: ["suspect", "warn"], 4: ["fail", "bad"], 9: ["missing", "muted"] };
const STATES = { ok: ["healthy", "ok"], degraded: ["degraded", "warn"], not_ready: ["not ready", "bad"] };
const rates = [], districts = new Map();
let known = "";

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
const short = (number) => new Intl.NumberFormat("en", { maximumSignificantDigits: 3, useGrouping: false }).format(number);

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

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

export function state(text, css) {
  const badge = at("state");
  if (badge.textContent !== text) badge.textContent = text;
  badge.className = `badge ${css}`;
}

export function away(why) {
  state("no answer", "bad");
  troubles([{ part: "this page", reason: `the service does not answer (${why})`, what_to_do: "if it was stopped, start it; the page goes on by itself", state: "not_ready" }]);
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
  const drained = outlook.drained_in_s;
  put("waiting-note", account.pending === 0 ? "all is settled"
    : oldest !== null && oldest < 2 ? `${count(account.pending)} on the way`
    : `${count(account.pending)} ${account.pending === 1 ? "message" : "messages"}${drained === null ? "" : `; ${span(drained)} to drain once the database takes them`}`);
  put("version", `nadikota ${told.version}, ${told.parts} parts, ${clock(told.now_ms)}`);
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
  const cut = field.lastIndexOf("_"), unit = UNITS[field.slice(cut + 1)];
  return cut > 0 && unit ? [field.slice(0, cut).replaceAll("_", " "), unit] : [field.replaceAll("_", " "), ""];
}

// Each district keeps its element, so that focus and folds stay while the values change.
export function latest(told, device) {
  const places = new Map();
  for (const series of told.series) {
    const place = [series.city, series.district].filter(Boolean).join(" · ") || "no district";
    if (!places.has(place)) places.set(place, []);
    places.get(place).push(series);
  }
  for (const [place, box] of districts) {
    if (places.has(place)) continue;
    box.element.remove();
    districts.delete(place);
  }
  let last = null;
  for (const [place, list] of places) {
    if (!districts.has(place)) districts.set(place, district(place, last === null || device !== ""));
    const box = districts.get(place);
    box.list = list;
    box.now = told.now_ms;
    fill(box);
    if (last === null ? at("latest").firstElementChild !== box.element : last.nextElementSibling !== box.element) {
      if (last === null) at("latest").prepend(box.element);
      else last.after(box.element);
    }
    last = box.element;
  }
  put("latest-note", places.size === 0 ? (device ? `Nothing of "${device}" since the start.` : "Nothing stored since the start.")
    : told.found > told.series.length ? `${count(told.series.length)} of ${count(told.found)} are shown; name a device to see it.` : "");
  if (!device) at("devices").replaceChildren(...told.series.map((series) => {
    const option = make("option");
    option.value = series.device;
    return option;
  }));
}

function district(place, open) {
  const element = make("details"), title = make("summary", `${place} `), note = make("span", "", "muted"), alarm = make("span");
  const box = { element, note, alarm, grid: make("div", undefined, "devices"), list: [], now: 0 };
  element.open = open;
  element.addEventListener("toggle", () => fill(box));
  title.append(note, alarm);
  element.append(title, box.grid);
  return box;
}

function fill(box) {
  const flags = box.list.flatMap((series) => series.values).map((value) => value.flag);
  const failed = flags.filter((flag) => flag === 4).length, suspect = flags.filter((flag) => flag === 3).length;
  box.note.textContent = `${count(box.list.length)} ${box.list.length === 1 ? "device" : "devices"}`;
  box.alarm.textContent = [failed && `${failed} fail`, suspect && `${suspect} suspect`].filter(Boolean).join(", ");
  box.alarm.className = failed ? "flag bad" : suspect ? "flag warn" : "";
  box.grid.replaceChildren(...(box.element.open ? box.list.map((series) => one(series, box.now)) : []));
}

function one(series, now) {
  const box = make("div", undefined, "device"), title = make("h4", series.device);
  const age = Math.max(0, now - series.heard_ms) / 1000;
  const told = [series.site, series.channel, age > 5 ? `${span(age)} ago` : ""].filter(Boolean).join(", ");
  if (told) title.append(make("span", `  ${told}`, "muted"));
  box.append(title);
  for (const value of series.values) {
    const [name, unit] = named(value.field), row = make("div", undefined, "value"), label = make("span", name, "muted");
    label.title = `${series.measurement} ${value.field}`;
    const [flag, css] = FLAGS[value.flag] ?? ["", ""];
    row.append(label, make("b", `${short(value.value)} ${unit}`.trim()), make("span", flag, flag ? `flag ${css}` : ""), spark(value.trail));
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
