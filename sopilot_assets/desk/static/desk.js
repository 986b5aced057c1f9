// What every page does: times in the browser's own zone.
const language = document.documentElement.lang;
const form = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = form.format(moment);
  }
}

localTimes();
