"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const trainee = $("trainee-video");
  const golds = all("[data-gold-player]").map((figure) => figure.querySelector("video"));
  const goldFigures = all("[data-gold-player]");
  const strips = all(".strip");
  const seek = $("seek");
  let chosen = 0;
  let moment = null; // the deviation that both players were sent to, until it is over
  let frame = 0;

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const gold = () => golds[chosen];
  const following = () => $("follow").checked;
  const speed = () => Number($("speed").value);
  const playing = () => !trainee.paused && !trainee.ended;
  const language = () => (document.documentElement.lang === "ja" ? "ja" : "en");
  const within = (time, [start, end], before, after) => time >= start - before && time < end + after;

  function timecode(time) {
    const tenths = Math.floor(Math.max(time, 0) * 10); // cut off, as in the page's sentences
    const minutes = Math.floor(tenths / 600);
    const pad = (value) => String(value).padStart(2, "0");
    const clock = `${pad(minutes % 60)}:${pad(Math.floor((tenths % 600) / 10))}.${tenths % 10}`;
    return minutes >= 60 ? `${Math.floor(minutes / 60)}:${clock}` : clock;
  }

  // ---- time of the gold for a time of the recording, and back
  function interpolate(table, from, to, time) {
    const after = table.findIndex((point) => point[from] >= time);
    if (after === 0) return table[0][to] - (table[0][from] - time);
    if (after < 0) return table[table.length - 1][to] + (time - table[table.length - 1][from]);
    const a = table[after - 1], b = table[after];
    return a[to] + ((time - a[from]) / (b[from] - a[from] || 1)) * (b[to] - a[to]);
  }
  const end = (video, otherwise) => (Number.isFinite(video.duration) ? video.duration : otherwise);
  const goldEnd = () => end(gold(), data.golds[chosen].end_s);
  const toGold = (time) => clamp(interpolate(data.golds[chosen].sync, 0, 1, time), 0, goldEnd());
  const toTrainee = (time) => clamp(interpolate(data.golds[chosen].sync, 1, 0, time), 0, data.duration_s);

  // ---- moving
  function place(video, time) {
    if (Math.abs(video.currentTime - time) > 0.01) video.currentTime = time;
  }
  function moveTo(time) {
    moment = null;
    place(trainee, clamp(time, 0, end(trainee, data.duration_s)));
    if (following()) place(gold(), toGold(trainee.currentTime));
    wake();
  }
  function moveGoldTo(time) {
    if (following()) return moveTo(toTrainee(time));
    place(gold(), clamp(time, 0, goldEnd()));
    wake();
  }
  function jump(index) {
    const deviation = data.deviations[index];
    if (deviation.gold !== null) choose(deviation.gold);
    moment = null;
    const start = Math.max(deviation.trainee[0] - data.lead_s, 0);
    place(trainee, start);
    if (deviation.gold_time !== null) {
      place(gold(), Math.max(deviation.gold_time[0] - data.lead_s, 0));
      moment = following() ? index : null;
    } else if (following()) {
      place(gold(), toGold(start));
    }
    if (playing()) startGold();
    $("moment").hidden = moment === null;
    wake();
  }
  function neighbour(direction) {
    const now = trainee.currentTime + data.lead_s;
    const loud = data.deviations.map((deviation, index) => [deviation.trainee[0], index, deviation.quiet]);
    const starts = loud.filter(([, , quiet]) => !quiet).sort((one, other) => one[0] - other[0]);
    const rest = starts.filter(([start]) => (direction > 0 ? start > now + 0.05 : start < now - 0.55));
    if (rest.length) jump(rest[direction > 0 ? 0 : rest.length - 1][1]);
  }
  function nudge(video, pictures) {
    const position = Math.floor(video.currentTime * data.fps + 1e-6) + pictures;
    place(video, clamp((position + 0.5) / data.fps, 0, end(video, data.duration_s)));
  }
  function step(pictures) {
    pause();
    const together = following() && moment === null;
    nudge(trainee, pictures);
    if (together) place(gold(), toGold(trainee.currentTime));
    else nudge(gold(), pictures);
    wake();
  }

  // ---- playing
  const start = (video) => video.play().catch(() => undefined); // a pause may overtake it
  function startGold() {
    if (gold().ended) return;
    gold().playbackRate = speed();
    start(gold());
  }
  function play() {
    if (trainee.ended) moveTo(0);
    trainee.playbackRate = speed();
    start(trainee);
    if (!following() || moment !== null) startGold();
    wake();
  }
  function pause() {
    trainee.pause();
    gold().pause();
  }
  const toggle = () => (playing() ? pause() : play());

  function follow() {
    const target = toGold(trainee.currentTime), late = target - gold().currentTime;
    if (!playing()) {
      gold().pause();
      if (Math.abs(late) > 0.04 && !gold().seeking && !trainee.seeking) place(gold(), target);
      return;
    }
    const slope = (toGold(trainee.currentTime + 0.25) - target) / 0.25;
    const rate = speed() * slope + 2 * late;
    if (Math.abs(late) > 0.6 && !gold().seeking) place(gold(), target);
    if (rate < 0.0625 || gold().ended) gold().pause();
    else {
      gold().playbackRate = Math.min(rate, 8);
      if (gold().paused) start(gold());
    }
  }
  function leaveMoment() {
    const { trainee: here, gold_time: there } = data.deviations[moment];
    const over = trainee.currentTime > here[1] + 1 && (gold().currentTime > there[1] + 0.5 || gold().ended);
    if (over || trainee.ended) moment = null;
  }

  // ---- showing
  function caption(figure, time, span) {
    figure.querySelector("time").textContent = timecode(time);
    const now = figure.querySelector(".now");
    const text = span ? span[language()] : "";
    if (now.textContent !== text) now.textContent = text;
  }
  function drawHead() {
    const strip = strips[chosen], geometry = data.strip, head = strip.querySelector(".head");
    const across = geometry.right - geometry.left, span = data.golds[chosen].strip_s;
    const x = (time) => geometry.left + across * clamp(time / span, 0, 1);
    const up = x(gold().currentTime), down = x(trainee.currentTime);
    const bottom = strip.querySelector("svg").viewBox.baseVal.height - 18;
    if (playing()) keepInView(strip, down / geometry.width);
    head.setAttribute("points", `${up},${geometry.gold[0] - 4} ${up},${geometry.gold[1]} ${down},${geometry.trainee[0]} ${down},${bottom}`);
  }
  function keepInView(strip, share) {
    const at = share * strip.scrollWidth, { scrollLeft: from, clientWidth: width } = strip;
    if (at < from || at > from + width) strip.scrollLeft = at - width / 4;
  }
  function show() {
    const now = trainee.currentTime, there = gold().currentTime;
    caption($("trainee"), now, data.spans.find((span) => within(now, span.time, 0, 0)));
    caption(goldFigures[chosen], there, data.golds[chosen].steps.find((span) => within(there, span.time, 0, 0)));
    seek.value = now;
    seek.setAttribute("aria-valuetext", timecode(now));
    document.body.classList.toggle("playing", playing());
    let alert = "";
    data.deviations.forEach((deviation, index) => {
      const current = within(now, deviation.trainee, 0, 0.6) || moment === index;
      if (current && !alert) alert = deviation.severity;
      $(`deviation-${index}`).toggleAttribute("aria-current", current);
    });
    $("trainee").dataset.alert = alert;
    $("moment").hidden = moment === null;
    drawHead();
  }
  function tick() {
    frame = 0;
    if (moment !== null) leaveMoment();
    if (following() && moment === null) follow();
    show();
    if (playing()) wake();
  }
  function fitSlider() {
    // the slider's thumb, 16 px wide, runs exactly above the recording's row of the strip
    const { left, right, width } = data.strip, share = Math.min(data.duration_s / data.golds[chosen].strip_s, 1);
    seek.style.marginLeft = `calc(${(left / width) * 100}% - 8px)`;
    seek.style.width = `calc(${((right - left) / width) * share * 100}% + 16px)`;
  }
  function wake() {
    if (!frame) frame = requestAnimationFrame(tick);
  }
  function choose(index) {
    if (index === chosen) return;
    gold().pause();
    chosen = index;
    $("gold-choice").value = index;
    goldFigures.forEach((figure, at) => (figure.hidden = at !== index));
    strips.forEach((strip, at) => (strip.hidden = at !== index));
    fitSlider();
    if (following()) place(gold(), toGold(trainee.currentTime));
    if (playing()) startGold();
    wake();
  }

  // ---- the strips are time bars too
  function strip(element) {
    const svg = element.querySelector("svg");
    const head = document.createElementNS(svg.namespaceURI, "polyline");
    head.setAttribute("class", "head");
    svg.append(head);
    element.classList.add("live");
    let row = null;
    const move = (event) => {
      const box = svg.getBoundingClientRect(), geometry = data.strip;
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      const share = clamp((x - geometry.left) / (geometry.right - geometry.left), 0, 1);
      (row === "gold" ? moveGoldTo : moveTo)(share * data.golds[chosen].strip_s);
    };
    const touch = (event) => {
      const deviation = event.target.dataset.deviation;
      if (deviation !== undefined) return jump(Number(deviation));
      const box = svg.getBoundingClientRect();
      const y = ((event.clientY - box.top) / box.height) * svg.viewBox.baseVal.height;
      row = y < data.strip.gold[1] + 6 ? "gold" : "trainee";
      move(event);
    };
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return; // a finger scrolls; its tap is a click
      touch(event);
      if (row) svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => row && move(event));
    for (const kind of ["pointerup", "pointercancel"]) svg.addEventListener(kind, () => (row = null));
    svg.addEventListener("click", (event) => {
      if (event.pointerType !== "touch") return;
      touch(event);
      row = null;
    });
  }

  // ---- keys
  const keys = {
    " ": toggle, k: toggle,
    ArrowLeft: (event) => moveTo(trainee.currentTime - (event.shiftKey ? 5 : 1)),
    ArrowRight: (event) => moveTo(trainee.currentTime + (event.shiftKey ? 5 : 1)),
    ",": () => step(-1), ".": () => step(1),
    p: () => neighbour(-1), n: () => neighbour(1),
    f: () => { ($("follow").checked ? $("free") : $("follow")).checked = true; refollow(); },
  };
  function onKey(event) {
    const action = keys[event.key];
    const pressed = event.key === " " && event.target.closest("button, a, summary, [type=checkbox], [type=radio]:not(:checked)");
    const scrolled = event.target.closest(".strip, .wide");
    const scrolls = scrolled && scrolled.scrollWidth > scrolled.clientWidth;
    const own = event.target.closest(event.key.startsWith("Arrow") ? "select, [type=radio]" : "select")
      || event.target.closest("textarea, input[type=text], input[type=search]")
      || (scrolls && event.key.startsWith("Arrow"));
    if (!action || own || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  }
  function refollow() {
    moment = null;
    if (following()) place(gold(), toGold(trainee.currentTime));
    else if (playing()) startGold();
    wake();
  }

  // ---- language
  function speak(chosenLanguage) {
    $(`lang-${chosenLanguage}`).checked = true;
    document.documentElement.lang = chosenLanguage;
    wake();
  }
  function remembered(name = "sopilot-language") {
    try { return localStorage.getItem(name); } catch { return null; } // storage may be forbidden
  }
  function remember(value, name = "sopilot-language") {
    try { localStorage.setItem(name, value); } catch { return; }
  }

  trainee.controls = false;
  golds.forEach((video) => (video.controls = false));
  all("[data-scripted]").forEach((element) => (element.hidden = false));
  all(".cards").forEach((cards) => cards.classList.add("scripted"));
  goldFigures.forEach((figure, at) => (figure.hidden = at !== 0));
  strips.forEach((element, at) => { element.hidden = at !== 0; strip(element); });
  fitSlider();
  for (const event of ["play", "pause", "ended", "seeked", "timeupdate", "loadeddata"]) {
    trainee.addEventListener(event, wake);
    golds.forEach((video) => video.addEventListener(event, wake));
  }
  trainee.addEventListener("ended", () => gold().pause());
  $("play").addEventListener("click", toggle);
  $("back").addEventListener("click", () => step(-1));
  $("on").addEventListener("click", () => step(1));
  $("previous").addEventListener("click", () => neighbour(-1));
  $("next").addEventListener("click", () => neighbour(1));
  $("speed").addEventListener("change", () => { trainee.playbackRate = speed(); gold().playbackRate = speed(); });
  $("follow").addEventListener("change", refollow);
  $("free").addEventListener("change", refollow);
  $("gold-choice").addEventListener("change", (event) => choose(Number(event.target.value)));
  seek.addEventListener("input", () => moveTo(Number(seek.value)));
  all("a.look").forEach((link) => link.addEventListener("click", () => jump(Number(link.dataset.deviation))));
  all(".jump").forEach((button) => button.addEventListener("click", (event) => {
    jump(Number(button.dataset.deviation));
    if (event.detail > 0) $("stage").focus({ preventScroll: true }); // after a mouse click, Space plays
  }));
  all("[name=language]").forEach((input) => input.addEventListener("change", () => { remember(input.value); speak(input.value); }));
  document.addEventListener("keydown", onKey);
  $("expert").addEventListener("change", () => remember($("expert").checked ? "yes" : "no", "sopilot-expert"));
  $("expert").checked = remembered("sopilot-expert") === "yes";
  if ($("lang-en")) { // at the desk the page is in one language
    const known = remembered();
    speak(known === "en" || known === "ja" ? known : navigator.language.startsWith("ja") ? "ja" : "en");
  }
  wake();
})();
