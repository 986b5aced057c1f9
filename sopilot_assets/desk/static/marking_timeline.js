// The timeline of the marking page: small pictures, marks, borders to drag or nudge, and where the video is.
import { borders, moveBorder, room, timeText } from "./marking_model.js";

const NUDGES = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 };
const PAGE_MS = 1000;

export class Timeline {
  /** `desk` has what the page lets be done: marks, change(marks, merges), select(place), seek(at), frame(at, by). */
  constructor(root, film, steps, words, desk) {
    Object.assign(this, { film, steps, words, desk, zoom: 1 });
    this.scroll = root.querySelector(".scroll");
    this.track = root.querySelector(".track");
    this.canvas = root.querySelector("canvas");
    this.marks = root.querySelector(".marks");
    this.handles = root.querySelector(".handles");
    this.head = root.querySelector(".head");
    this.sprite = new Image();
    this.sprite.addEventListener("load", () => this.drawStrip());
    this.scroll.addEventListener("scroll", () => this.drawStrip());
    new ResizeObserver(() => this.drawStrip()).observe(this.scroll);
    this.track.addEventListener("pointerdown", (event) => this.#pressed(event));
    this.scroll.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
  }

  /** The moment below a pointer, in milliseconds. */
  at(clientX) {
    const box = this.track.getBoundingClientRect();
    return Math.min(Math.max((clientX - box.left) / box.width, 0), 1) * this.film.end_ms;
  }

  zoomTo(zoom, around = this.desk.at()) {
    const box = this.scroll.getBoundingClientRect();
    this.zoom = Math.min(Math.max(zoom, 1), 64);
    this.track.style.width = `${this.zoom * 100}%`;
    this.scroll.scrollLeft = (around / this.film.end_ms) * this.track.offsetWidth - box.width / 2;
    this.drawStrip();
  }

  /** Show the marks; `selected` is the place of the chosen one. */
  draw(marks, selected) {
    this.marks.replaceChildren(...marks.map((mark, place) => this.#block(mark, place, place === selected)));
    const found = borders(marks);
    while (this.handles.children.length > found.length) this.handles.lastChild.remove();
    found.forEach((border, place) => this.#handle(border, place, marks));
  }

  drawHead(at, follow) {
    this.head.style.left = this.#share(at);
    if (!follow || this.zoom === 1) return;
    const x = (at / this.film.end_ms) * this.track.offsetWidth;
    const { scrollLeft, clientWidth } = this.scroll;
    if (x < scrollLeft || x > scrollLeft + clientWidth * 0.9) this.scroll.scrollLeft = x - clientWidth * 0.1;
  }

  /** Give the border next to the frame at a moment, in a direction, the focus; returns the border's moment. */
  focusBorder(at, by) {
    const found = borders(this.desk.marks());
    const frame = (border) => this.desk.frame(border.at, 0); // a border may lie within a frame
    const places = found.map((_, place) => place).filter((place) => (frame(found[place]) - at) * by > 0);
    const place = by > 0 ? places[0] : places.at(-1);
    if (place === undefined) return null;
    this.handles.children[place].focus();
    return found[place].at;
  }

  drawStrip() {
    const { pictures, width, height, columns, end_ms } = this.film;
    const seen = this.scroll.clientWidth;
    if (!this.sprite.complete || !this.sprite.naturalWidth || !seen) return;
    const ratio = window.devicePixelRatio || 1;
    const tall = this.canvas.clientHeight;
    this.canvas.width = seen * ratio;
    this.canvas.height = tall * ratio;
    this.canvas.style.width = `${seen}px`;
    this.canvas.style.transform = `translateX(${this.scroll.scrollLeft}px)`;
    const pen = this.canvas.getContext("2d");
    const wide = (width / height) * tall;
    const whole = this.track.offsetWidth;
    const first = Math.floor(this.scroll.scrollLeft / wide);
    for (let place = first; place * wide < this.scroll.scrollLeft + seen; place++) {
      const middle = Math.min(((place + 0.5) * wide) / whole, 1) * end_ms;
      const shown = Math.min(Math.floor((middle / end_ms) * pictures), pictures - 1);
      const from = [(shown % columns) * width, Math.floor(shown / columns) * height, width, height];
      pen.drawImage(this.sprite, ...from, (place * wide - this.scroll.scrollLeft) * ratio, 0, wide * ratio, tall * ratio);
    }
  }

  #share(at) {
    return `${(at / this.film.end_ms) * 100}%`;
  }

  #block(mark, place, selected) {
    const block = document.createElement("div");
    block.className = `mark${mark.proposed ? " proposed" : ""}${selected ? " selected" : ""}`;
    block.style.left = this.#share(mark.start);
    block.style.width = this.#share(mark.end - mark.start);
    block.style.setProperty("--colour", this.steps[mark.step].colour);
    const name = `${mark.step + 1} ${this.steps[mark.step].name}`;
    const times = `${name} ${timeText(mark.start)} – ${timeText(mark.end)}`;
    block.textContent = name;
    block.title = times;
    block.addEventListener("pointerdown", () => this.desk.select(place));
    return block;
  }

  #handle(border, place, marks) {
    let handle = this.handles.children[place];
    if (!handle) handle = this.#newHandle(place);
    const { left, right } = border;
    const name = (at) => `${marks[at].step + 1} ${this.steps[marks[at].step].name}`;
    const said = [left !== null && `${this.words.ends} ${name(left)}`, right !== null && `${this.words.begins} ${name(right)}`];
    const [low, high] = room(marks, border, this.film.end_ms, 1);
    handle.style.left = this.#share(border.at);
    handle.setAttribute("aria-label", said.filter(Boolean).join(", "));
    handle.setAttribute("aria-valuemin", (low / 1000).toFixed(3));
    handle.setAttribute("aria-valuemax", (high / 1000).toFixed(3));
    handle.setAttribute("aria-valuenow", (border.at / 1000).toFixed(3));
    handle.setAttribute("aria-valuetext", timeText(border.at));
  }

  #newHandle(place) {
    const handle = document.createElement("div");
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.addEventListener("keydown", (event) => this.#nudged(event, place));
    handle.addEventListener("pointerdown", (event) => this.#grabbed(event, handle, place));
    handle.addEventListener("focus", () => this.desk.seek(borders(this.desk.marks())[place]?.at ?? 0));
    this.handles.append(handle);
    return handle;
  }

  #nudged(event, place) {
    const border = borders(this.desk.marks())[place];
    const by = NUDGES[event.key];
    let to = null;
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) to = this.desk.frame(border.at, event.shiftKey ? by * 10 : by);
    if (event.key === "PageUp") to = border.at - PAGE_MS;
    if (event.key === "PageDown") to = border.at + PAGE_MS;
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(border, to, false);
  }

  #move(border, to, merges) {
    const moved = moveBorder(this.desk.marks(), border, to, this.film.end_ms, 1);
    this.desk.change(moved, merges);
    this.desk.seek(border.right !== null ? moved[border.right].start : moved[border.left].end);
  }

  #grabbed(event, handle, place) {
    event.stopPropagation();
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    const border = borders(this.desk.marks())[place];
    let moves = 0;
    const drag = (moved) => this.#move(border, this.desk.snap(this.at(moved.clientX)), moves++ > 0);
    const drop = () => handle.removeEventListener("pointermove", drag);
    handle.addEventListener("pointermove", drag);
    handle.addEventListener("pointerup", drop, { once: true });
    handle.addEventListener("pointercancel", drop, { once: true });
  }

  #pressed(event) {
    if (event.button !== 0) return;
    const drag = (moved) => this.desk.seek(this.at(moved.clientX));
    drag(event);
    if (event.pointerType === "touch") return; // a finger scrolls
    this.track.setPointerCapture(event.pointerId);
    this.track.addEventListener("pointermove", drag);
    this.track.addEventListener("pointerup", () => this.track.removeEventListener("pointermove", drag), { once: true });
  }

  #wheeled(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoomTo(this.zoom * (event.deltaY < 0 ? 1.25 : 0.8), this.at(event.clientX));
  }
}
