// The page on which one recording is labelled: the player, the answer and its deviations by keys, saving.
import { Player } from "./marking_player.js";
import { timeText } from "./marking_model.js";
import { prepared } from "./prepared.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const words = read("words");
const data = read("data");
const $ = (id) => document.getElementById(id);
const form = $("answer");
const video = $("video");
const SPEEDS = [...$("speed").options].map((option) => Number(option.value));
const SPEED_KEPT = "sopilot-label-speed";
const JUMP_MS = 3000;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

let player = null;
let saving = false;
let seen = data.seen.map((one) => ({ ...one, at: one.at === null ? null : Number(one.at), note: "" }));
/** What the next key chooses: {keys, cancel} while a deviation is named, else null. */
let choosing = null;

function say(text, bad = false) {
  $("state").className = bad ? "state bad" : "state";
  $("state").textContent = text;
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const moment = (seconds) => timeText(seconds * 1000, 1);
const kindOf = (id) => data.types.find((one) => one.id === id);
const stepName = (id) => data.steps.find((one) => one.id === id)?.name ?? id;
const cell = (one) => `${one.type}${one.steps.length ? `:${one.steps.join("+")}` : ""}`;

function made(tag, fields, ...inside) {
  const element = Object.assign(document.createElement(tag), fields);
  element.append(...inside);
  return element;
}

function button(name, label, act) {
  const one = made("button", { type: "button" }, ...[name].flat());
  if (label) one.setAttribute("aria-label", label);
  one.addEventListener("click", act);
  return one;
}

// Deviations

function drawSeen() {
  $("seen").replaceChildren(...seen.map((one, place) => {
    const name = [kindOf(one.type)?.name ?? one.type, ...one.steps.map(stepName)].join(" · ");
    const row = made("li", {}, made("span", { className: "what" }, name));
    if (one.at !== null) {
      const time = moment(one.at);
      row.append(button(time, `${words.go} ${time}`, () => { video.pause(); player?.seek(one.at * 1000); }));
    }
    row.append(button("✕", `${words.remove}: ${name}`, () => drop(place)));
    const note = made("input", { value: one.note, maxLength: 300, placeholder: words.note });
    note.setAttribute("aria-label", `${words.note}: ${name}`);
    note.addEventListener("input", () => { one.note = note.value; });
    row.append(note);
    return row;
  }));
}

function drop(place) {
  seen = seen.filter((_, other) => other !== place);
  drawSeen();
}

function ask(text, choices, cancel) {
  $("picker-asks").textContent = text;
  const keys = new Map();
  const shown = choices.map(([name, act], place) => {
    const sign = place < 9 ? String(place + 1) : LETTERS[place - 9];
    keys.set(sign, act);
    return button([made("kbd", { textContent: sign }), name], "", act);
  });
  const stop = button([made("kbd", { textContent: "Esc" }), words.cancel], "", cancel);
  $("choices").replaceChildren(...shown, stop);
  $("picker").hidden = false;
  $("add").hidden = true;
  choosing = { keys, cancel };
  $("picker").scrollIntoView({ block: "nearest" });
}

function stopAsking() {
  $("picker").hidden = true;
  $("add").hidden = false;
  choosing = null;
}

/** A deviation at the moment that is shown: its kind, then its steps. */
function addHere() {
  const wasPlaying = player?.playing ?? false;
  video.pause();
  const at = player ? player.at / 1000 : null;
  const done = (one) => {
    stopAsking();
    if (one) seen.push(one);
    drawSeen();
    if (wasPlaying) player.toggle();
  };
  const asked = filled(words.which, { at: at === null ? "–" : moment(at) });
  const kinds = data.types.map((kind) => [kind.name, () => steps(kind, [])]);
  const steps = (kind, chosen) => {
    const whole = { type: kind.id, steps: chosen, at, note: "" };
    if (chosen.length >= kind.steps) return done(whole);
    const left = data.steps.filter((step) => !chosen.includes(step.id));
    const each = left.map((step) => [step.name, () => steps(kind, [...chosen, step.id])]);
    return ask(chosen.length ? words.second : words.step, [...each, [words.any, () => done(whole)]], () => done(null));
  };
  ask(asked, kinds, () => done(null));
}

// The answer

function answer(value) {
  form.querySelector(`input[value="${value}"]`).checked = true;
  say("");
}

/** What is sent: deviations as a sheet has them, and what is noted of one as a line of the note. */
function fields() {
  const sent = new URLSearchParams(new FormData(form));
  for (const one of seen) sent.append("seen", one.at === null ? cell(one) : `${cell(one)}@${Number(one.at.toFixed(3))}`);
  const lines = [sent.get("note").trim(), ...seen.filter((one) => one.note.trim()).map((one) => `${cell(one)}: ${one.note.trim()}`)];
  sent.set("note", lines.filter(Boolean).join("\n"));
  return sent;
}

async function save() {
  if (saving) return;
  if (!form.querySelector("input[name=critical]:checked")) {
    say(words.answer_first, true);
    form.querySelector("input[name=critical]").focus();
    return;
  }
  saving = true;
  $("save").disabled = true;
  say(words.saving);
  const sent = await fetch(location.href, { method: "POST", headers: { accept: "application/json" }, body: fields() }).catch(() => null);
  const told = sent && (await sent.json().catch(() => null));
  if (sent?.ok && told) return location.assign(told.go);
  saving = false;
  $("save").disabled = false;
  say(sent === null ? words.lost : (told?.error ?? (sent.status === 401 ? words.signed_out : words.lost)), true);
}

// Keys

function speed(by) {
  const place = SPEEDS.indexOf(video.playbackRate) + by;
  setSpeed(SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)]);
}

function setSpeed(rate) {
  video.playbackRate = rate;
  $("speed").value = String(rate);
  localStorage.setItem(SPEED_KEPT, String(rate));
}

function jump(by) {
  if (by.whole) player?.seek(player.at + by.sign * JUMP_MS);
  else player?.step(by.sign);
}

const KEYS = {
  1: () => answer("yes"),
  2: () => answer("no"),
  3: () => answer("unsure"),
  " ": () => player?.toggle(),
  ArrowLeft: (event) => jump({ sign: -1, whole: event.shiftKey }),
  ArrowRight: (event) => jump({ sign: 1, whole: event.shiftKey }),
  d: addHere,
  n: () => $("note").focus(),
  s: () => location.assign($("skip").href),
  b: () => $("last") && location.assign($("last").href),
  Backspace: () => drop(seen.length - 1),
  "<": () => speed(-1),
  ">": () => speed(1),
  "?": () => $("keys").showModal(),
  Enter: save,
};

function pressed(event) {
  if (document.querySelector("dialog[open]") || event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  const at = event.target;
  if (at.closest("textarea, select, input:not([type=radio], [type=range])")) {
    if (event.key === "Escape") at.blur();
    if (event.key === "Enter" && at.matches("input")) event.preventDefault();
    return;
  }
  if (choosing) {
    const act = event.key === "Escape" ? choosing.cancel : choosing.keys.get(event.key.toLowerCase());
    if (act) {
      event.preventDefault();
      act();
    }
    return;
  }
  if (at.closest("a, button, summary") && (event.key === " " || event.key === "Enter")) return;
  if (at.matches("input[type=radio]") && event.key.startsWith("Arrow")) at.blur();
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act(event);
}

// The player

function moved() {
  const text = player.playing ? $("play").dataset.pause : $("play").dataset.play;
  if ($("play").textContent !== text) $("play").textContent = text;
  $("time").value = timeText(player.at, 1);
  if (document.activeElement !== $("seek") || player.playing) $("seek").value = Math.round((1000 * player.at) / player.end);
}

/** When each picture is displayed; where nobody can tell, 25 in a second. */
async function frames() {
  const found = await fetch(`/label/${data.key}/film`, { headers: { accept: "application/json" } }).catch(() => null);
  if (found?.ok) return found.json();
  const end = Math.round((video.duration || 1) * 1000);
  return { frames_ms: Array.from({ length: Math.ceil(end / 40) }, (_, place) => place * 40), end_ms: end };
}

async function start() {
  document.addEventListener("keydown", pressed);
  form.addEventListener("submit", (event) => { event.preventDefault(); save(); });
  $("add").addEventListener("click", addHere);
  $("help").addEventListener("click", KEYS["?"]);
  drawSeen();
  const saved = String(fields());
  addEventListener("beforeunload", (event) => { if (!saving && String(fields()) !== saved) event.preventDefault(); });
  document.querySelector(".procedure").open = window.innerWidth > 860;
  const lost = (why) => { $("lost").textContent = why; $("lost").hidden = false; };
  if (!(await prepared(`/media/${data.key}`, lost))) return;
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) video.load();
  video.addEventListener("error", () => lost(words.no_video));
  const film = await frames();
  player = new Player(video, film.frames_ms, film.end_ms);
  player.addEventListener("moved", moved);
  $("play").addEventListener("click", () => player.toggle());
  $("back").addEventListener("click", () => player.step(-1));
  $("on").addEventListener("click", () => player.step(1));
  $("seek").addEventListener("input", () => player.seek((player.end * $("seek").value) / 1000));
  $("speed").addEventListener("change", () => { setSpeed(Number($("speed").value)); $("speed").blur(); });
  setSpeed(Number(localStorage.getItem(SPEED_KEPT)) || 1);
  player.toggle(); // it is muted: browsers let it begin by itself
  if (words.next_video) prepared(words.next_video, () => {});
}

start();
