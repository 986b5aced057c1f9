// What the marking page keeps in the browser, and what it says to the desk.
//
// A draft is one person's unfinished work on one gold; it knows the mark that it is based on, so that a mark
// which somebody else confirmed meanwhile is seen. It stays in this browser: the desk keeps confirmed marks only.
// It names steps by their ids, since the procedure may have other steps when it is opened again.

const place = ({ who, key, alone, promotes }) => `sopilot-marks ${who} ${key}${alone ? " alone" : ""}${promotes ? " promotes" : ""}`;

export function keepDraft(data, draft, ids) {
  const marks = draft.marks.map((one) => ({ ...one, step: ids[one.step] }));
  try {
    localStorage.setItem(place(data), JSON.stringify({ ...draft, marks }));
  } catch (error) {
    console.warn("The draft could not be kept in this browser.", error);
  }
}

/** The draft that was kept, of the steps that the procedure still has; null where there is none, or none that
 * can be read. */
export function keptDraft(data, ids) {
  try {
    const found = JSON.parse(localStorage.getItem(place(data)));
    // drafts from before knew steps by their places
    const named = ({ step }) => (Number.isInteger(step) ? step : ids.indexOf(step));
    const marks = found.marks.map((one) => ({ ...one, step: named(one) })).filter((one) => one.step in ids);
    return marks.length ? { ...found, marks } : null;
  } catch {
    return null;
  }
}

export function dropDraft(data) {
  localStorage.removeItem(place(data));
}

/** The JSON at an address; {error} with the reason where there is none. */
export async function loaded(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return await answer.json();
  } catch (error) {
    return { error: String(error) };
  }
}

/** What became of confirmed steps: state `taken`, `clash` (somebody was first), `refused`, or `lost`. */
export async function confirmed(address, said) {
  let answer, told;
  try {
    const body = new URLSearchParams({ said: JSON.stringify(said) });
    answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
    told = await answer.json();
  } catch {
    return { state: "lost" };
  }
  if (answer.ok) return { state: "taken", ...told };
  return { state: answer.status === 409 ? "clash" : answer.status >= 500 ? "lost" : "refused", ...told };
}
