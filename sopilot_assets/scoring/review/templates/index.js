"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tbody tr")];

  function matches(row) {
    const wanted = { task: $("by-task").value, decision: $("by-decision").value };
    const kind = $("by-type").value, words = $("by-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    return (!wanted.task || row.dataset.task === wanted.task)
      && (!wanted.decision || row.dataset.decision === wanted.decision)
      && (!kind || row.dataset.types.split(" ").includes(kind))
      && ($("golds").checked || row.dataset.gold !== "yes")
      && (!$("contested") || !$("contested").checked || row.dataset.contested === "yes")
      && words.every((word) => row.dataset.search.includes(word));
  }
  function filter() {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !matches(row);
      if (!row.hidden) shown += 1;
    }
    if ($("none")) $("none").hidden = shown > 0;
    $("shown").textContent = `${shown} / ${rows.length}`;
  }
  const number = (text) => (text === "" ? -1 : Number(text));
  const orders = {
    rank: () => 0,
    when: (a, b) => b.dataset.when.localeCompare(a.dataset.when),
    file: (a, b) => a.dataset.file.localeCompare(b.dataset.file, undefined, { numeric: true }),
    person: (a, b) => a.dataset.person.localeCompare(b.dataset.person),
    score: (a, b) => number(a.dataset.score) - number(b.dataset.score),
  };
  function sort() {
    const body = document.querySelector("tbody");
    if (body) body.append(...[...rows].sort(orders[$("sort").value])); // what is equal stays in its first order
  }
  function speak(language) {
    $(`lang-${language}`).checked = true;
    document.documentElement.lang = language;
    for (const option of document.querySelectorAll("option[data-en]")) option.textContent = option.dataset[language];
  }
  function remembered(name = "sopilot-language") {
    try { return localStorage.getItem(name); } catch { return null; } // storage may be forbidden
  }
  function remember(value, name = "sopilot-language") {
    try { localStorage.setItem(name, value); } catch { return; }
  }

  $("filters").hidden = false;
  $("filters").addEventListener("input", () => { sort(); filter(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("expert").addEventListener("change", () => remember($("expert").checked ? "yes" : "no", "sopilot-expert"));
  $("expert").checked = remembered("sopilot-expert") === "yes";
  for (const input of document.querySelectorAll("[name=language]")) {
    input.addEventListener("change", () => { remember(input.value); speak(input.value); });
  }
  const known = remembered();
  speak(known === "en" || known === "ja" ? known : navigator.language.startsWith("ja") ? "ja" : "en");
  filter();
})();
