"use strict";
// Search and filters of the two readers.  Without this script, everything is shown; it adds no markup, only hides.
const PAGE = 25;
for (const reader of document.querySelectorAll("[data-reader]")) {
  const entries = [...reader.querySelectorAll(".entry")].map((element) => ({ element, text: null }));
  const search = reader.querySelector("input[type=search]");
  const filters = [...reader.querySelectorAll("select")];
  const status = reader.querySelector("[role=status]");
  const more = reader.querySelector("button");
  let room = PAGE;
  const matches = ({ element }) =>
    filters.every(({ name, value }) => value === "" || element.dataset[name].split("|").includes(value));
  const holds = (entry, words) => {
    entry.text ??= entry.element.textContent.toLowerCase();
    return words.every((word) => entry.text.includes(word));
  };
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = entries.filter((entry) => matches(entry) && holds(entry, words));
    const shown = new Set(found.slice(0, room));
    for (const entry of entries) entry.element.hidden = !shown.has(entry);
    status.textContent = `${found.length} of ${entries.length}` + (found.length > room ? `, the first ${room} shown` : "");
    more.hidden = found.length <= room;
  };
  let pause;
  const restart = () => {
    room = PAGE;
    show();
  };
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(restart, 120);
  });
  for (const filter of filters) filter.addEventListener("change", restart);
  more.addEventListener("click", () => {
    const next = entries.filter(({ element }) => !element.hidden).length;
    room += PAGE;
    show();
    entries.filter(({ element }) => !element.hidden)[next]?.element.querySelector("summary").focus();
  });
  reader.querySelector(".controls").hidden = false;
  show();
}
