// The upload page: what is filmed, the files, how far each is, and what became of it.
import { Refused, Sending } from "/static/tus.js";

const data = document.getElementById("page-data");
const { words, earlier, largest, own } = data ? JSON.parse(data.textContent) : { words: {}, earlier: [] };
const place = document.getElementById("place");
const list = document.getElementById("uploads");
const trouble = document.getElementById("trouble");
const AT_ONCE = 2;
const VIDEO = /\.(mp4|mov|m4v|mkv|webm|avi|mts|m2ts|ts|mpe?g|wmv|3gp|flv|ogv)$/i;
const KEPT = "sopilot-upload-place";
const rows = new Map(); // by address of the upload, or by what the file is
const waiting = [];
let running = 0;
let awake = null;

const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const size = (bytes) => (bytes >= 1e9 ? `${number.format(bytes / 1e9)} GB` : `${number.format(bytes / 1e6)} MB`);

function span(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} ${words.seconds}`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} ${words.minutes}` : `${number.format(seconds / 3600)} ${words.hours}`;
}

// what is filmed, remembered in this browser

function told() {
  const fields = Object.fromEntries(new FormData(place));
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.trim()]));
}

function remember() {
  localStorage.setItem(KEPT, JSON.stringify(told()));
  const note = document.getElementById("person-note");
  note.hidden = own || told().role !== "gold" || Boolean(told().person);
}

function recall() {
  const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  const asked = new URLSearchParams(location.search);
  for (const name of ["task", "site", "camera", "person"]) {
    const field = place.elements[name];
    if (!field || !kept[name] || (asked.has(name) && name === "task")) continue;
    if (field.tagName !== "SELECT" || [...field.options].some((one) => one.value === kept[name])) field.value = kept[name];
  }
  if (!asked.has("role")) for (const one of place.querySelectorAll("[name=role]")) one.checked ||= one.value === kept.role;
}

// when a file was recorded: its own time, which is that of copying where it is no older than a minute

const COPIED_MS = 60_000;
const FIRST_MS = Date.UTC(2000, 0, 1);
const moments = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

function zoned(ms) {
  const zone = -new Date(ms).getTimezoneOffset();
  const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${new Date(ms + zone * 60_000).toISOString().slice(0, 19)}${zone < 0 ? "-" : "+"}${two(zone / 60)}:${two(zone % 60)}`;
}

function recordedAt(file, filmed) {
  const age = Date.now() - file.lastModified;
  if (filmed) return zoned(Date.now());
  const known = document.getElementById("times").checked && file.lastModified > FIRST_MS && age > COPIED_MS;
  return known ? zoned(file.lastModified) : "";
}

// files, chosen or dropped

function say(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

function take(files, { all = false, filmed = false } = {}) {
  say("");
  if (!place.reportValidity()) return say(words.placeFirst);
  const wanted = all ? files : files.filter((file) => file.type.startsWith("video/") || VIDEO.test(file.name));
  const left = files.filter((file) => !wanted.includes(file) && !file.name.startsWith("."));
  if (left.length) say(`${words.leftOut} ${left.slice(0, 8).map((file) => file.name).join(", ")}${left.length > 8 ? " …" : ""}`);
  wanted.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  for (const file of wanted) enqueue(file, recordedAt(file, filmed));
}

async function dropped(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a browser gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
  return found;
}

// one row for each upload

class Row {
  constructor(name, bytes, { role, person, site, camera, recorded_at: recorded }) {
    this.element = document.getElementById("row").content.firstElementChild.cloneNode(true);
    this.find(".name").textContent = name;
    const time = recorded ? `${words.recorded} ${moments.format(new Date(recorded))}` : words.noTime;
    const what = [words[role], person || (own ? "" : words.nobody), site, camera, time];
    this.find(".about").textContent = what.filter(Boolean).join(" · ");
    this.bar.setAttribute("aria-label", name);
    this.bytes = bytes;
    this.samples = [];
    this.find(".pause").onclick = () => this.pause();
    this.find(".resume").onclick = () => this.resume();
    this.find(".cancel").onclick = () => this.cancel();
  }

  find(selector) { return this.element.querySelector(selector); }

  get bar() { return this.find("progress"); }

  show(state, text = words[state]) {
    this.state = state;
    this.element.dataset.state = state;
    this.find(".state").textContent = text;
    const active = ["waiting", "sending", "retrying"].includes(state);
    this.find(".pause").hidden = !active;
    this.find(".resume").hidden = !this.sending || !["paused", "failed"].includes(state);
    this.find(".cancel").hidden = !active && !["paused", "failed", "unfinished"].includes(state);
    this.bar.hidden = ["sent", "canceled"].includes(state);
    if (!["sending", "retrying"].includes(state)) this.samples = [];
    total();
  }

  progress(bytes) {
    this.bar.value = this.bytes ? bytes / this.bytes : 0;
    const now = performance.now();
    this.samples.push([now, bytes]);
    this.samples = this.samples.filter(([at]) => now - at < 8000);
    const [[since, before]] = this.samples;
    const speed = (bytes - before) / Math.max((now - since) / 1000, 0.001);
    const rest = speed > 0 && now - since > 500 ? ` · ${size(speed)}/s · ${words.left} ${span((this.bytes - bytes) / speed)}` : "";
    const share = `${Math.floor((100 * bytes) / Math.max(this.bytes, 1))} %`;
    this.find(".figures").textContent = `${share} · ${size(bytes)} ${words.of} ${size(this.bytes)}${rest}`;
  }

  send(file, about) {
    this.file = file;
    this.key = ["upload", file.name, file.size, file.lastModified, ...Object.values(about)].join("|");
    this.sending = new Sending(file, {
      told: { filename: file.name, ...about },
      url: localStorage.getItem(this.key),
      onProgress: (bytes) => this.progress(bytes),
      onState: (state) => this.show(state),
      onUrl: (url) => { localStorage.setItem(this.key, url); this.named(url); },
    });
    if (this.sending.url) this.named(this.sending.url);
    this.queue();
  }

  named(url) {
    const other = rows.get(url);
    if (other && other !== this) other.element.remove();
    rows.set(url, this);
    this.url = url;
  }

  queue() {
    this.show("waiting");
    this.progress(0);
    waiting.push(this);
    next();
  }

  async run() {
    try {
      if (await this.sending.run()) this.sent();
      else if (this.state !== "canceled") this.show("paused");
    } catch (error) {
      const why = error instanceof Refused ? error.message : words.unreadable;
      this.show("failed", error.status === 401 ? words.signedOut : why || words.failed);
    }
  }

  sent() {
    localStorage.removeItem(this.key);
    this.progress(this.bytes);
    this.find(".figures").textContent = size(this.bytes);
    this.show("sent");
    this.follow();
  }

  pause() {
    const place = waiting.indexOf(this);
    if (place >= 0) waiting.splice(place, 1);
    this.sending.pause();
    this.show("paused");
  }

  resume() { this.queue(); }

  async cancel() {
    const place = waiting.indexOf(this);
    if (place >= 0) waiting.splice(place, 1);
    this.show("canceled");
    if (this.key) localStorage.removeItem(this.key);
    const sending = this.sending ?? new Sending(null, { url: this.url });
    await sending.cancel();
    this.find(".figures").textContent = "";
  }

  // what became of it, until that is settled
  async follow() {
    for (let looks = 0; ; looks += 1) {
      const answer = await fetch(`${this.url}/fate`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (answer?.ok) {
        const fate = await answer.json();
        this.tell(fate);
        if (fate.over) return;
      } else if (answer && answer.status < 500) return;
      await new Promise((resolve) => { setTimeout(resolve, looks < 15 ? 2000 : 10000); });
    }
  }

  tell(fate) {
    const parts = [paragraph(fate.text)];
    const { filming, refused, link } = fate;
    if (filming) {
      const verdict = paragraph(`${{ well: "✓", advice: "△", refused: "✕" }[filming.verdict]} ${filming.text}`, `verdict ${filming.verdict}`);
      parts.push(verdict, ...advice(filming.reasons));
      if (filming.axes.length) parts.push(paragraph(filming.axes.map((one) => `${one.well ? "" : "✕ "}${one.name} ${one.found}`).join(" · "), "axes"));
    } else if (fate.stage === "waiting" && !fate.over) parts.push(paragraph(words.measuring, "soft"));
    if (refused && !filming) parts.push(...advice([refused]));
    if (link) {
      const anchor = Object.assign(document.createElement("a"), { href: link.path, textContent: link.text });
      const line = paragraph("");
      line.append(anchor);
      parts.push(line);
    }
    this.find(".fate").replaceChildren(...parts);
  }
}

function paragraph(text, kind = "") {
  return Object.assign(document.createElement("p"), { textContent: text, className: kind });
}

function advice(reasons) {
  if (!reasons.length) return [];
  const items = document.createElement("ul");
  items.append(...reasons.map((one) => Object.assign(document.createElement("li"), { textContent: `${one.what} ${one.do}` })));
  return [items];
}

function enqueue(file, recorded) {
  if (file.size > largest) say(`${file.name}: ${words.tooLarge}`);
  const about = { ...told(), recorded_at: recorded };
  const same = [...list.children].find((one) => one.row?.file && one.row.file.name === file.name && one.row.file.size === file.size
    && one.row.file.lastModified === file.lastModified && !["canceled", "failed"].includes(one.row.state));
  if (same) return;
  const row = new Row(file.name, file.size, about);
  row.file = file;
  added(row).send(file, about);
}

function added(row, { last = false } = {}) {
  row.element.row = row;
  if (last) list.append(row.element);
  else list.insertBefore(row.element, [...list.children].find((one) => !one.row.file) ?? null);
  document.getElementById("none").hidden = true;
  return row;
}

async function next() {
  while (running < AT_ONCE && waiting.length) {
    const row = waiting.shift();
    running += 1;
    row.run().finally(() => { running -= 1; next(); });
  }
  if (running) awake ??= await navigator.wakeLock?.request("screen").catch(() => null);
  else { awake?.release(); awake = null; }
}

function total() {
  const mine = [...list.children].map((one) => one.row).filter((row) => row?.file && row.state !== "canceled");
  const done = mine.filter((row) => row.state === "sent").length;
  document.getElementById("summary").textContent = mine.length > 1 ? words.done.replace("{done}", done).replace("{all}", mine.length) : "";
}

function listEarlier() {
  for (const one of earlier) {
    const row = added(new Row(one.name, one.size, one), { last: true });
    row.named(`/uploads/${one.id}`);
    row.progress(one.received);
    if (one.received < one.size) row.show("unfinished");
    else { row.show("sent"); row.find(".figures").textContent = size(one.size); row.follow(); }
  }
}

if (place) {
  recall();
  remember();
  place.addEventListener("input", remember);
  place.addEventListener("submit", (event) => event.preventDefault());
  const zone = document.getElementById("drop");
  for (const input of zone.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      take([...input.files], { all: input.name !== "folder", filmed: input.name === "camera" });
      input.value = "";
    });
  }
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(await dropped(event.dataTransfer.items));
  });
  addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });
  listEarlier();
}
