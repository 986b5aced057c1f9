// The page of a recording: what is said is sent without leaving the page, so that the players stay where they
// are; and videos that are being prepared are played once they are there.
import { takeParts } from "/static/live.js";
import { prepared } from "/static/prepared.js";

async function send(form, button) {
  const fields = new FormData(form);
  if (button?.name) fields.append(button.name, button.value);
  const answer = await fetch(form.action, {
    method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(fields),
  });
  if (answer.ok) return takeParts(await answer.text(), form);
  refuse(form, (await answer.json()).error);
}

function refuse(form, why) {
  const refused = form.querySelector(".refused");
  refused.textContent = why;
  refused.hidden = false;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.action.endsWith("/say")) return;
  event.preventDefault();
  send(form, event.submitter).catch(() => refuse(form, preparing.dataset.lost));
});

const preparing = document.getElementById("preparing");
const addresses = preparing.dataset.videos.split(" ").filter(Boolean);
Promise.all(addresses.map(async (address) => {
  if (!(await prepared(address, (why) => { preparing.textContent = why; }))) return false;
  for (const video of document.querySelectorAll("video[data-src]")) {
    if (video.dataset.src !== address) continue;
    video.src = address;
    delete video.dataset.src;
  }
  return true;
})).then((all) => { if (all.every(Boolean)) preparing.hidden = true; });
