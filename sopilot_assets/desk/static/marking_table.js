// The table of steps beside the video, with times to type, and warnings as sentences.
import { retimed, timeIn, timeText } from "./marking_model.js";

export class StepTable {
  /** `acts` are select, seek, change and remove; `end` is the end of the recording in milliseconds. */
  constructor(body, data, words, acts, end) {
    Object.assign(this, { body, data, words, acts, end, marks: [] });
  }

  /** Show the marks; rows stay in place, so that whoever types in one keeps the focus. */
  draw(marks, selected) {
    this.marks = marks;
    const rows = this.body.rows;
    while (rows.length > marks.length) rows[rows.length - 1].remove();
    while (rows.length < marks.length) this.body.append(this.#row(rows.length));
    marks.forEach((mark, place) => this.#fill(rows[place], mark, place === selected));
  }

  #fill(line, mark, selected) {
    const step = this.data.steps[mark.step];
    const [go, start, end, remove] = [...line.cells].map((one) => one.firstChild);
    line.classList.toggle("selected", selected);
    line.classList.toggle("proposed", mark.proposed);
    const name = `${mark.step + 1} ${step.name}`;
    go.textContent = name;
    go.style.setProperty("--colour", step.colour);
    go.setAttribute("aria-label", `${this.words.go} ${name}${mark.proposed ? `, ${this.words.proposal}` : ""}`);
    remove.setAttribute("aria-label", `${this.words.remove} ${step.name}`);
    for (const [input, side] of [[start, "start"], [end, "end"]]) {
      input.setAttribute("aria-label", `${step.name} ${side === "start" ? this.words.from : this.words.to}`);
      if (Number(input.dataset.at) !== mark[side]) this.#show(input, mark[side]);
    }
  }

  #show(input, at) {
    input.dataset.at = at;
    input.value = timeText(at);
    this.#complain(input, false);
  }

  #complain(input, wrong) {
    input.setAttribute("aria-invalid", String(wrong));
    input.title = wrong ? this.words.wrong_time : "";
  }

  #row(place) {
    const line = document.createElement("tr");
    const go = Object.assign(document.createElement("button"), { className: "go" });
    go.dataset.proposal = this.words.proposal;
    go.addEventListener("click", () => { this.acts.select(place); this.acts.seek(this.marks[place].start); });
    const remove = Object.assign(document.createElement("button"), { textContent: "✕", className: "quiet" });
    remove.addEventListener("click", () => this.acts.remove(place));
    line.append(...[go, this.#time(place, "start"), this.#time(place, "end"), remove].map(cell));
    return line;
  }

  #time(place, side) {
    const input = Object.assign(document.createElement("input"), { inputMode: "decimal", autocomplete: "off" });
    input.addEventListener("focus", () => this.acts.seek(this.marks[place][side]));
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") input.blur(); });
    input.addEventListener("change", () => this.#typed(input, place, side));
    return input;
  }

  #typed(input, place, side) {
    const times = { ...this.marks[place], [side]: timeIn(input.value) };
    const changed = times[side] === null ? null : retimed(this.marks, place, times.start, times.end, this.end);
    if (changed === null) return this.#complain(input, true);
    this.#show(input, times[side]);
    this.acts.change(changed);
  }
}

function cell(content) {
  const found = document.createElement("td");
  found.append(content);
  return found;
}

/** Warnings of the model as list items. */
export function warningTexts(found, data, words) {
  return found.map(({ kind, step, before, lasts, usually }) => {
    const values = { step: data.steps[step].name, before: data.steps[before]?.name, lasts: lasts?.toFixed(1), usually: usually?.toFixed(1) };
    const text = words[kind].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    return Object.assign(document.createElement("li"), { textContent: text });
  });
}
