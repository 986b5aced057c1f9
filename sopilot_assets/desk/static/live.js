// Parts of a page that change by themselves: while something waits, ask now and then whether anything
// happened, and take the parts that are marked (data-live) from a fresh page.
import { localTimes } from "/static/desk.js";

const EVERY_MS = 4000;

export function takeParts(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other && other.outerHTML !== part.dataset.seen) {
      other.dataset.seen = other.outerHTML;
      part.replaceWith(document.adoptNode(other));
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

async function watch() {
  let known = await stampNow().catch(() => null);
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
