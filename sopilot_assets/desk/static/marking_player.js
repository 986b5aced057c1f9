// The video of the marking page: where it is to the frame, playing, playing one stretch again and again.
import { frameAt, frameFrom } from "./marking_model.js";

export class Player extends EventTarget {
  /** `frames` are when pictures are displayed, in milliseconds; `end` is when the last one ends. */
  constructor(video, frames, end) {
    super();
    Object.assign(this, { video, frames, end, shown: frames[0] ?? 0, locked: null, wanted: null });
    video.addEventListener("seeked", () => this.#seeked());
    for (const name of ["play", "pause", "ratechange"]) video.addEventListener(name, () => this.#tell());
    if ("requestVideoFrameCallback" in video) this.#watchFrames();
    else video.addEventListener("timeupdate", () => this.#reached(video.currentTime * 1000));
  }

  /** The beginning of the frame that is displayed, in milliseconds. */
  get at() {
    return this.wanted ?? this.shown;
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  /** Show the frame that is displayed at a moment. */
  seek(at) {
    const place = frameAt(this.frames, Math.min(Math.max(at, 0), this.end));
    const start = this.frames[place];
    const middle = (start + (this.frames[place + 1] ?? this.end)) / 2;
    this.wanted = start;
    if (!this.video.seeking) this.video.currentTime = middle / 1000;
    this.#tell();
  }

  step(by) {
    this.video.pause();
    this.seek(frameFrom(this.frames, this.at, by));
  }

  toggle() {
    if (this.playing) this.video.pause();
    else this.video.play().catch(() => this.#tell());
  }

  /** Play only this stretch, again and again; null ends that. */
  lock(stretch) {
    this.locked = stretch;
    if (stretch && (this.at < stretch.start || this.at >= stretch.end)) this.seek(stretch.start);
    this.#tell();
  }

  #seeked() {
    const place = frameAt(this.frames, this.video.currentTime * 1000);
    if (this.wanted !== null && this.frames[place] !== this.wanted) {
      const next = this.wanted;
      this.wanted = null;
      this.seek(next); // somebody sought on meanwhile
      return;
    }
    this.shown = this.frames[place];
    this.wanted = null;
    this.#tell();
  }

  #watchFrames() {
    const shown = (_, frame) => {
      this.#reached(frame.mediaTime * 1000 + 1);
      this.video.requestVideoFrameCallback(shown);
    };
    this.video.requestVideoFrameCallback(shown);
  }

  #reached(at) {
    if (this.wanted !== null || this.video.seeking) return;
    this.shown = this.frames[frameAt(this.frames, at)];
    if (this.locked && this.playing && this.shown >= this.locked.end - 1) this.seek(this.locked.start);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("moved"));
  }
}
