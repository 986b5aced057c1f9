// The page on which the steps of one gold are marked.
import { Edits, begin, endHere, frameFrom, markAt, marksOf, removed, same, settled, snapped, stepsOf, timeText, warnings } from "./marking_model.js";
import { confirmed, keepDraft, keptDraft, loaded, dropDraft } from "./marking_store.js";
import { Player } from "./marking_player.js";
import { StepTable, warningTexts } from "./marking_table.js";
import { Timeline } from "./marking_timeline.js";
import { prepared } from "./prepared.js";
import { filled, sent } from "./step_files.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const words = read("words");
const data = read("data");
const ids = data.steps.map((step) => step.id);
const $ = (id) => document.getElementById(id);
const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

let film, player, timeline, table;
let edits = new Edits([]);
let selected = null;
let shown = { steps: [], by: "" };
let basedOn = data.based_on;

const marks = () => edits.marks;
const at = () => player.at;

function say(text, kind = "", links = []) {
  const state = $("state");
  state.className = `state ${kind}`;
  state.replaceChildren(text, ...links.map(([name, href]) => Object.assign(document.createElement("a"), { textContent: name, href, className: "button" })));
}

function change(next, merges = false) {
  if (!edits.to(next, merges)) return;
  if (selected !== null && selected >= next.length) selected = null;
  keep();
  say(words.changed);
  draw();
}

function keep() {
  keepDraft(data, { marks: marks(), based_on: basedOn, shown, why: reason()?.value }, ids);
}

/** Where a person writes why a recording becomes a gold; null where a gold is marked. */
function reason() {
  return $("why");
}

function draw() {
  timeline.draw(marks(), selected);
  table.draw(marks(), selected);
  $("warnings").replaceChildren(...warningTexts(warnings(marks(), data.steps, data.usual_s), data, words));
  $("undo").disabled = !edits.past.length;
  $("redo").disabled = !edits.future.length;
  $("confirm").disabled = !marks().length;
  drawNext();
}

function drawNext() {
  const next = nextStep();
  const name = next === null ? words.all_marked : `${next + 1} ${data.steps[next].name} ${words.begins_here}`;
  const key = Object.assign(document.createElement("kbd"), { textContent: "N" });
  $("next-step").replaceChildren(name, " ", ...(next === null ? [] : [key]));
  $("next-step").disabled = next === null;
  [...$("begins").children].forEach((button, step) => button.classList.toggle("there", marks().some((one) => one.step === step)));
}

/** The step after the last one that has begun by now, of those that nobody touched yet. */
function nextStep() {
  const now = player ? at() : 0;
  const before = marks().filter((one) => one.start <= now && !one.proposed).at(-1);
  const untouched = (step) => !marks().some((one) => one.step === step && !one.proposed);
  const from = before ? before.step + 1 : 0;
  const order = [...ids.keys()].map((place) => (place + from) % ids.length);
  return order.find(untouched) ?? null;
}

function moved() {
  timeline.drawHead(at(), player.playing);
  $("time").value = timeText(at());
  const play = $("play");
  const text = player.playing ? play.dataset.pause : play.dataset.play;
  if (play.textContent !== text) play.textContent = text;
  drawNext();
}

function seek(to) {
  player.video.pause();
  player.seek(to);
}

function choose(place) {
  selected = place;
  if (player.locked) player.lock(place === null ? null : marks()[place]);
  $("lock").setAttribute("aria-pressed", String(player.locked !== null));
  draw();
}

function beginStep(step) {
  if (step === null || step >= ids.length) return;
  change(begin(marks(), step, at(), film.end_ms));
}

function lock() {
  const place = selected ?? markAt(marks(), at());
  player.lock(player.locked || place < 0 ? null : marks()[place]);
  if (player.locked && !player.playing) player.toggle();
  $("lock").setAttribute("aria-pressed", String(player.locked !== null));
}

function remove() {
  const place = selected ?? markAt(marks(), at());
  selected = null;
  if (place >= 0) change(removed(marks(), place));
}

function redone(way) {
  if (!edits[way]()) return;
  selected = null;
  keep();
  draw();
}

function speed(by) {
  const place = SPEEDS.indexOf(player.video.playbackRate) + by;
  if (SPEEDS[place]) player.video.playbackRate = SPEEDS[place];
  $("speed").value = String(player.video.playbackRate);
}

async function confirmAll() {
  if (!marks().length) return;
  const unusual = warnings(marks(), data.steps, data.usual_s);
  if (data.promotes && lacks(unusual)) return;
  if (unusual.length && !(await isSure(unusual))) return;
  say(words.sending);
  const said = { steps: stepsOf(marks(), ids), based_on: basedOn, proposed: shown, independent: data.alone };
  if (data.promotes) said.why = reason().value.trim();
  const answer = await confirmed(location.pathname, said);
  if (answer.state === "lost") return say(words.lost, "bad");
  if (answer.state === "clash") return clash(answer);
  if (answer.state === "refused") return say(answer.error, "bad");
  basedOn = answer.based_on;
  dropDraft(data);
  edits = new Edits(settled(marks()));
  draw();
  const stale = data.alone || !answer.new ? "" : ` ${filled(words.stale, { scored: answer.scored })}`;
  const done = !answer.new ? words.nothing_new : data.alone ? words.alone_confirmed : words.confirmed;
  const next = answer.next ? [[words.next, answer.next]] : [];
  say(done + stale, "done", [...next, [words.to_golds, data.promotes ? "/promotions" : "/golds"]]);
  $("state").querySelector("a")?.focus();
  if (data.promotes) document.querySelector(".confirm").hidden = true; // it is a gold: its steps are marked there
}

/** Whether something that a promotion needs is not there; the page says what, and goes there. */
function lacks(unusual) {
  const missing = unusual.filter((one) => one.kind === "missing").map((one) => data.steps[one.step].name);
  if (missing.length) {
    say(filled(words.incomplete, { steps: missing.join(", ") }), "bad");
    return true;
  }
  const empty = !reason().value.trim();
  reason().setAttribute("aria-invalid", String(empty));
  $("why-missing").hidden = !empty;
  if (empty) reason().focus();
  return empty;
}

function isSure(unusual) {
  const dialog = $("sure");
  dialog.querySelector("ul").replaceChildren(...warningTexts(unusual, data, words));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Somebody else confirmed the gold meanwhile: say so, and let the person choose; nothing is lost. */
function clash({ counts, based_on: newest }) {
  const box = $("clash");
  const theirs = marksOf(counts.steps, ids);
  const button = (text, act) => Object.assign(document.createElement("button"), { textContent: text, onclick: () => { box.hidden = true; act(); } });
  const apart = Math.max(0, ...theirs.flatMap((one) => marks().filter((mine) => mine.step === one.step).map((mine) => Math.max(Math.abs(mine.start - one.start), Math.abs(mine.end - one.end)))));
  const text = Object.assign(document.createElement("p"), { textContent: `${filled(words.clash, counts)} ${filled(words.apart, { most: (apart / 1000).toFixed(2) })}` });
  box.replaceChildren(
    text,
    button(words.mine, () => { basedOn = newest; keep(); say(words.changed); $("confirm").focus(); }),
    button(filled(words.theirs, counts), () => { basedOn = newest; change(theirs); keep(); }),
  );
  box.hidden = false;
  say("");
  box.querySelector("button").focus();
}

const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: (event) => player.step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => player.step(event.shiftKey ? 10 : 1),
  n: () => beginStep(nextStep()),
  0: () => change(endHere(marks(), at())),
  b: () => timeline.focusBorder(at(), 1),
  v: () => timeline.focusBorder(at(), -1),
  Backspace: remove,
  Delete: remove,
  l: lock,
  "+": () => timeline.zoomTo(timeline.zoom * 1.5),
  "-": () => timeline.zoomTo(timeline.zoom / 1.5),
  "<": () => speed(-1),
  ">": () => speed(1),
  "?": () => $("keys").showModal(),
  Escape: () => choose(null),
  Enter: confirmAll,
};

function pressed(event) {
  if (document.querySelector("dialog[open]") || event.altKey || event.isComposing) return;
  const typing = event.target.closest("input, textarea, select");
  if (typing) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    redone(event.shiftKey ? "redo" : "undo");
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  const onControl = event.target.closest("a, button, summary");
  if (onControl && (event.key === " " || event.key === "Enter")) return;
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
  if (!act && number === null) return;
  event.preventDefault();
  if (number !== null) beginStep(number);
  else act(event);
}

function listen() {
  document.addEventListener("keydown", pressed);
  player.addEventListener("moved", moved);
  const on = (id, act) => $(id).addEventListener("click", act);
  on("play", () => player.toggle());
  on("back", () => player.step(-1));
  on("on", () => player.step(1));
  on("lock", lock);
  on("in", KEYS["+"]);
  on("out", KEYS["-"]);
  on("help", KEYS["?"]);
  on("undo", () => redone("undo"));
  on("redo", () => redone("redo"));
  on("next-step", () => beginStep(nextStep()));
  on("end-step", KEYS[0]);
  on("confirm", confirmAll);
  on("discard", () => { if (window.confirm(words.drop)) { dropDraft(data); location.reload(); } });
  reason()?.addEventListener("input", keep);
  $("file")?.addEventListener("change", takeFile);
  $("speed").addEventListener("change", (event) => { player.video.playbackRate = Number(event.target.value); event.target.blur(); });
  for (const button of document.querySelectorAll("[data-event]")) {
    button.addEventListener("click", () => change(marksOf(data.history[button.dataset.event], ids)));
  }
}

/** The steps of a file take the place of the marks, as a proposal; what was there is one undo away. */
async function takeFile(event) {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  const found = await sent(event.target.dataset.look, file, words.file_lost);
  if (found.error) return say(found.error, "bad");
  const [gold] = found.golds;
  if (!gold) return say(found.strangers.join("; "), "bad");
  shown = { steps: gold.steps, by: gold.by };
  change(marksOf(gold.steps, ids, true));
  say([filled(words.from_file, { file: file.name }), ...found.remarks].join(" "));
}

function stepButtons() {
  $("begins").replaceChildren(...data.steps.map((step, place) => {
    const button = document.createElement("button");
    button.style.setProperty("--colour", step.colour);
    if (place < 9) button.append(Object.assign(document.createElement("kbd"), { textContent: place + 1 }));
    button.append(` ${place < 9 ? "" : `${place + 1} `}${step.name}`);
    button.setAttribute("aria-label", `${place + 1} ${step.name} ${words.begins_here}`);
    button.addEventListener("click", () => beginStep(place));
    return button;
  }));
}

/** What lies here from before, what counts, or a proposal, in this order. */
async function starting() {
  const draft = keptDraft(data, ids);
  if (draft) {
    shown = draft.shown;
    edits = new Edits(draft.marks);
    basedOn = draft.based_on;
    if (reason()) reason().value = draft.why ?? "";
    say(draft.file ? filled(words.from_file, draft) : words.draft);
    if (draft.based_on !== data.based_on && data.counts && !same(draft.marks, marksOf(data.counts.steps, ids))) {
      clash({ counts: data.counts, based_on: data.based_on });
    }
    return;
  }
  if (data.counts) {
    edits = new Edits(marksOf(data.counts.steps, ids));
    shown = { steps: data.counts.steps, by: data.counts.who };
    say(data.counts.at ? filled(words.shows, data.counts) : words.shows_file);
    return;
  }
  const found = await loaded(`${data.address}/proposal`);
  if (found.error) return say(`${words.start} ${found.error}`);
  if (marks().length) return; // marked already, while it was computed
  shown = { steps: found.steps, by: found.by };
  edits = new Edits(marksOf(found.steps, ids, true));
  say(data.promotes ? words.proposed_found : found.golds ? filled(words.proposed_golds, found) : words.proposed_points);
}

async function begun() {
  const address = data.address;
  film = await loaded(`${address}/film`);
  if (film.error) return say(`${words.no_film} ${film.error}`, "bad");
  const video = $("video");
  video.addEventListener("error", () => { $("lost").textContent = words.no_video; $("lost").hidden = false; });
  const media = `/media/${data.key}`;
  const playable = prepared(media, (why) => { $("lost").textContent = why; $("lost").hidden = false; }).then((ready) => { if (ready) video.src = media; });
  player = new Player(video, film.frames_ms, film.end_ms);
  timeline = new Timeline($("timeline"), film, data.steps, words, {
    marks, change, seek, at, select: choose,
    frame: (moment, by) => frameFrom([...film.frames_ms, film.end_ms], moment, by),
    snap: (moment) => snapped(film.frames_ms, moment, film.end_ms),
  });
  timeline.sprite.src = `${address}/strip`;
  const acts = { select: choose, seek, change, remove: (place) => change(removed(marks(), place)) };
  table = new StepTable($("table").tBodies[0], data, words, acts, film.end_ms);
  stepButtons();
  say(words.start);
  listen();
  draw();
  await starting();
  draw();
  moved();
  await playable;
  $("desk").dataset.ready = "yes";
}

begun();
