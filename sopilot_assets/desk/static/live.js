// Parts of a page that change by themselves: while something waits, ask now and then whether anything
// happened, and take the parts that are marked (data-live) from a fresh page.
import { localTimes } from "/static/desk.js";

const EVERY_MS = 4000;

// What somebody has typed or chosen and not sent, by the id of the field.
function unsent(part, sent) {
  const fields = [...part.querySelectorAll("textarea, input[type=text], input[type=radio]")];
  const changed = (field) => (field.type === "radio" ? field.checked && !field.defaultChecked : field.value !== field.defaultValue);
  return fields.filter((field) => field.id && field.form !== sent && changed(field));
}

export function takeParts(html, sent = null) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other && other.outerHTML !== part.dataset.seen) {
      other.dataset.seen = other.outerHTML;
      const kept = unsent(part, sent);
      part.replaceWith(document.adoptNode(other));
      for (const field of kept) {
        const now = document.getElementById(field.id);
        if (now) [now.value, now.checked] = [field.value, field.checked];
      }
    }
  }
  localTimes();
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

const typing = () => document.activeElement?.closest("[data-live] :is(input, textarea, select)");

async function stampNow() {
  const answer = await fetch("/changes", { headers: { accept: "application/json" } });
  return answer.ok ? (await answer.json()).stamp : null;
}

function watch() {
  let known = null; // the page may be older than what a stamp of now would say
  const look = async () => {
    if (!document.querySelector("[data-waits]")) return;
    const stamp = document.hidden ? known : await stampNow().catch(() => known);
    if (stamp && stamp !== known && !typing()) {
      const page = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
      if (page?.ok) {
        known = stamp;
        const html = await page.text();
        const reloads = document.querySelector("[data-waits][data-reload]");
        if (reloads && !html.includes("data-reload")) return location.reload(); // another page altogether
        takeParts(html);
      }
    }
    setTimeout(look, EVERY_MS);
  };
  setTimeout(look, EVERY_MS);
}

if (document.querySelector("[data-waits]")) watch();
