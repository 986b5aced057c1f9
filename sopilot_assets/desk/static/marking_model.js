// The steps of one gold while they are marked: pure functions on lists of marks, and their history.
//
// A mark is {step, start, end, proposed}: the step's place in the procedure, whole milliseconds, and whether
// nobody touched it since it was proposed. Marks are in order of time and do not overlap; gaps are allowed.

/** The marks of steps as the server says them: {step, start_s, end_s}, with the steps' ids. */
export function marksOf(steps, ids, proposed = false) {
  const known = steps.filter((one) => ids.includes(one.step));
  const found = known.map((one) => ({ step: ids.indexOf(one.step), start: ms(one.start_s), end: ms(one.end_s), proposed }));
  return found.sort((one, other) => one.start - other.start);
}

/** The steps of marks as the server takes them. */
export function stepsOf(marks, ids) {
  return marks.map((one) => ({ step: ids[one.step], start_s: one.start / 1000, end_s: one.end / 1000 }));
}

export const ms = (seconds) => Math.round(seconds * 1000);

/** The place of the mark that holds a moment; -1 in a gap. */
export function markAt(marks, at) {
  return marks.findIndex((one) => one.start <= at && at < one.end);
}

/**
 * A step begins at a moment. Where it is marked around there, that mark begins then, and what lies before gives
 * way; else the rest of what holds the moment becomes the step, and in a gap all up to the next mark or the end.
 */
export function begin(marks, step, at, end) {
  const own = marks.findIndex((one, place) => one.step === step && at < one.end && at > (marks[place - 1]?.start ?? -1));
  if (own >= 0) return beginsAt(marks, own, at);
  const held = markAt(marks, at);
  const next = marks.find((one) => one.start > at);
  const fresh = { step, start: at, end: held >= 0 ? marks[held].end : (next?.start ?? end), proposed: false };
  if (fresh.end <= fresh.start) return marks;
  const kept = marks.flatMap((one, place) => (place !== held ? [one] : at > one.start ? [{ ...one, end: at }] : []));
  return [...kept, fresh].sort((one, other) => one.start - other.start);
}

function beginsAt(marks, own, at) {
  return marks.map((one, place) => {
    if (place === own) return { ...one, start: at, proposed: false };
    const joined = place === own - 1 && one.end === marks[own].start;
    return place === own - 1 && (joined || one.end > at) ? { ...one, end: at } : one;
  });
}

/** The step that is done at a moment ends then: a gap follows. */
export function endHere(marks, at) {
  const held = markAt(marks, at);
  if (held < 0) return marks;
  return marks.flatMap((one, place) => (place !== held ? [one] : at > one.start ? [{ ...one, end: at, proposed: false }] : []));
}

export function removed(marks, place) {
  return marks.filter((_, other) => other !== place);
}

/** The borders in order of time: a moment where a mark ends (left), begins (right), or both. */
export function borders(marks) {
  const found = [];
  marks.forEach((one, place) => {
    const last = found.at(-1);
    if (last && last.right === null && last.at === one.start) last.right = place;
    else found.push({ at: one.start, left: null, right: place });
    found.push({ at: one.end, left: place, right: null });
  });
  return found;
}

/** How far a border may go: between its neighbours, with `least` milliseconds left of each mark. */
export function room(marks, border, end, least) {
  const { left, right } = border;
  const low = left !== null ? marks[left].start + least : (marks[right - 1]?.end ?? 0);
  const high = right !== null ? marks[right].end - least : (marks[left + 1]?.start ?? end);
  return [low, Math.max(low, high)];
}

export function moveBorder(marks, border, at, end, least) {
  const [low, high] = room(marks, border, end, least);
  const to = Math.round(Math.min(Math.max(at, low), high));
  return marks.map((one, place) => {
    if (place === border.left) return { ...one, end: to, proposed: false };
    return place === border.right ? { ...one, start: to, proposed: false } : one;
  });
}

/** A mark at typed times; its neighbours give way where they were joined to it or would overlap. Null where
 * that leaves nothing of one of them. */
export function retimed(marks, place, start, end, whole) {
  const own = marks[place];
  if (!(start >= 0 && start < end && end <= whole)) return null;
  const changed = marks.map((one, other) => {
    if (other === place) return { ...one, start, end, proposed: false };
    if (other === place - 1 && (one.end === own.start || one.end > start)) return { ...one, end: start };
    return other === place + 1 && (one.start === own.end || one.start < end) ? { ...one, start: end } : one;
  });
  const sound = changed.every((one, other) => one.start < one.end && (other === 0 || changed[other - 1].end <= one.start));
  return sound ? changed : null;
}

export function settled(marks) {
  return marks.map((one) => ({ ...one, proposed: false }));
}

export function same(one, other) {
  return one.length === other.length && one.every((a, place) => a.step === other[place].step && a.start === other[place].start && a.end === other[place].end);
}

/** What is unusual: {kind, step, ...}; nothing of it is forbidden. `usual` has seconds by the step's id. */
export function warnings(marks, steps, usual, many = 5) {
  const found = [];
  steps.forEach((step, place) => {
    const own = marks.filter((one) => one.step === place);
    if (!own.length) return found.push({ kind: "missing", step: place });
    const lasts = own.reduce((sum, one) => sum + one.end - one.start, 0) / 1000;
    const usually = usual[step.id];
    if (usually && lasts > many * usually) found.push({ kind: "long", step: place, lasts, usually });
    if (usually && lasts * many < usually) found.push({ kind: "short", step: place, lasts, usually });
  });
  const first = steps.map((_, place) => marks.find((one) => one.step === place)?.start);
  steps.forEach((step, place) => {
    const early = step.after.map((id) => steps.findIndex((one) => one.id === id)).find((other) => first[other] > first[place]);
    if (early !== undefined) found.push({ kind: "order", step: place, before: early });
  });
  return found;
}

/** The place of the frame that is displayed at a moment; `frames` ascend. */
export function frameAt(frames, at) {
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frames[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The beginning of the frame `by` frames after the one displayed at a moment. */
export function frameFrom(frames, at, by) {
  return frames[Math.min(Math.max(frameAt(frames, at) + by, 0), frames.length - 1)];
}

/** The beginning of a frame that is nearest to a moment, or the end. */
export function snapped(frames, at, end) {
  const place = frameAt(frames, at);
  const around = [frames[place], frames[place + 1] ?? end];
  return around.reduce((best, one) => (Math.abs(one - at) < Math.abs(best - at) ? one : best));
}

/** 66400 as 1:06.400; tenths are enough where less is said. */
export function timeText(at, digits = 3) {
  const whole = Math.round(at / 10 ** (3 - digits)) * 10 ** (3 - digits);
  const minutes = Math.floor(whole / 60000);
  return `${minutes}:${((whole % 60000) / 1000).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}

/** The milliseconds of 66.4, 66,4, 1:06.4 or 0:01:06; null for anything else. */
export function timeIn(text) {
  const found = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)$/.exec(text.normalize("NFKC").trim());
  if (!found) return null;
  const [hours, minutes, seconds] = [found[1] ?? 0, found[2] ?? 0, Number(found[3].replace(",", "."))].map(Number);
  if ((found[2] && seconds >= 60) || (found[1] && minutes >= 60)) return null;
  return Math.round(((hours * 60 + minutes) * 60 + seconds) * 1000);
}

/** What was done, to take back and to do again. */
export class Edits {
  constructor(marks) {
    this.past = [];
    this.future = [];
    this.marks = marks;
  }

  /** Whether anything changed; `merges` joins the change to the one before (a border that is dragged on). */
  to(marks, merges = false) {
    if (same(this.marks, marks) && this.marks.every((one, place) => one.proposed === marks[place].proposed)) return false;
    if (!merges) this.past.push(this.marks);
    this.future = [];
    this.marks = marks;
    return true;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.marks);
    this.marks = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.marks);
    this.marks = this.future.pop();
    return true;
  }
}
