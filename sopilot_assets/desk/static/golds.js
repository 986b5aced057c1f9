// The list of golds: what a file of steps would bring is shown, and taken once a person says so.
import { keepDraft } from "./marking_store.js";
import { marksOf } from "./marking_model.js";
import { filled, sent } from "./step_files.js";

const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const element = (tag, fields = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...inside);
  return made;
};

for (const row of document.querySelectorAll("[data-sheet]")) {
  const said = row.querySelector("[role=status]");
  const looked = row.querySelector(".looked");
  const tell = (text, wrong) => {
    said.className = wrong ? "wrong" : "";
    said.textContent = text;
  };
  row.querySelector("input[type=file]").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    event.target.value = "";
    looked.hidden = true;
    if (!file) return;
    const found = await sent(`${row.dataset.sheet}/look`, file, words.lost);
    if (found.error) return tell(found.error, true);
    tell(notes(found, file), !found.golds.length);
    if (found.golds.length) show(row, looked, tell, found, file);
  });
}

/** What was left out of a file, or should be looked at. */
function notes(found, file) {
  const lines = [];
  if (!found.golds.length) lines.push(filled(words.none, { file: file.name }));
  if (found.remarks.length) lines.push(`${words.remarks} ${found.remarks.join("; ")}`);
  if (found.strangers.length) lines.push(`${words.strangers} ${found.strangers.join("; ")}`);
  return lines.join("\n");
}

function show(row, looked, tell, found, file) {
  const fresh = found.golds.filter((one) => one.new);
  const close = element("button", { textContent: words.close, onclick: () => { looked.hidden = true; } });
  const take = element("button", { className: "main", textContent: filled(words.take, { count: fresh.length }) });
  take.addEventListener("click", async () => {
    take.disabled = true;
    const done = await sent(row.dataset.sheet, file, words.lost);
    take.disabled = false;
    if (done.error) return tell(done.error, true);
    looked.hidden = true;
    tell(`${words.taken} ${done.taken.join(", ")}`, false);
    setTimeout(() => location.reload(), 1200);
  });
  looked.replaceChildren(
    element("p", { textContent: filled(words.found, { file: file.name }) }),
    element("div", { className: "wide" }, table(row, found.golds, file)),
    element("p", {}, ...(fresh.length ? [take, " "] : []), close),
  );
  looked.hidden = false;
  looked.querySelector("a, button").focus();
}

function table(row, golds, file) {
  const names = [words.gold, words.steps, words.then, ""].map((textContent) => element("th", { textContent }));
  const head = element("thead", {}, element("tr", {}, ...names));
  const lines = golds.map((one) => {
    const link = element("a", { className: "button", href: `/golds/${one.key}/steps`, textContent: words.look });
    link.setAttribute("aria-label", `${one.name}: ${words.look}`);
    link.addEventListener("click", () => draft(row, one, file.name));
    const cell = (name, ...inside) => {
      const made = element("td", {}, ...inside);
      if (name) made.dataset.name = name;
      return made;
    };
    const first = element("th", { scope: "row", textContent: one.name });
    return element("tr", {}, first, cell(words.steps, String(one.steps.length)), cell(words.then, against(one)), cell("", link));
  });
  return element("table", { className: "stacked" }, head, element("tbody", {}, ...lines));
}

function against(one) {
  if (!one.has_steps) return words.fresh;
  if (one.most_s === null) return words.others;
  return one.most_s === 0 ? words.same : filled(words.apart, { most: one.most_s.toFixed(3) });
}

/** The steps of the file become the draft that the marking page shows. */
function draft(row, one, file) {
  const ids = row.dataset.steps.split(" ");
  const marks = marksOf(one.steps, ids, true);
  const shown = { steps: one.steps, by: one.by };
  keepDraft({ who: row.dataset.who, key: one.key, alone: false }, { marks, based_on: one.based_on, shown, file }, ids);
}
